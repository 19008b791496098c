"""What an aggregator is, and its bulk forms."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, ClassVar

from .values import NO_PART, Part, getter, no_part

Table = dict[Any, Any]
Pairs = Iterable[tuple[Any, Any]]

NOTHING: Any = object()

#: Bulk forms over columns, and the methods that they do in their own way.
_COLUMN_FORMS = {
    "lift_column": frozenset({"lift", "merge", "batch", "absorb", "lift_groups"}),
    "lift_groups": frozenset({"lift", "merge", "batch", "absorb"}),
    "fold_groups": frozenset({"lift", "merge", "batch", "absorb"}),
    "merge_columns": frozenset({"merge", "absorb_states"}),
    "finish_column": frozenset({"finish"}),
}


class PairRefused(TypeError, ValueError):
    """A pair that cannot be folded: its key cannot be hashed, or its value is not what the aggregator takes.

    It is both of the errors that aggregators raise, so that code which expects either still catches it. Its text
    is that of `error`. In a `Batched` aggregator `value` is the list of a key's values.
    """

    def __init__(self, key: Any, value: Any, error: Exception) -> None:
        super().__init__(str(error))
        self.key = key
        self.value = value


class NoPair(TypeError, ValueError):
    """Something among the pairs that is not a pair; the text is Python's own."""


class unpacking:  # noqa: N801 - reads as a statement
    """Goes around a loop `for key, value in pairs`: raises NoPair if an item cannot be taken apart.

    What the maker of the pairs raises, the user's mapper for one, goes up as it is: it comes from a function that
    the loop has called, and so it has a traceback below the loop's own. Costs nothing for each pair.
    """

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, PairRefused | NoPair) or not isinstance(error, TypeError | ValueError):
            return
        if trace is not None and trace.tb_next is None:
            raise NoPair(str(error)) from error


class Aggregator:
    """Base: write `lift`, `merge` and `finish`. States must be values that Sluice carries.

    A state should stay small, say below a few kilobytes: there is one a key, in memory and in run files.

    The bulk forms `absorb` and `absorb_states` raise PairRefused for a pair that they cannot fold. A `try` inside
    the loop costs nothing as long as nothing is raised, and it knows the pair in hand.
    """

    #: Methods that the inherited bulk forms do in their own way: who writes one anew loses those forms.
    _bulk_replaces: ClassVar[frozenset[str]] = frozenset({"lift", "merge"})

    def lift(self, value: Any, /) -> Any:
        """The state of one value."""
        return value

    def merge(self, left: Any, right: Any, /) -> Any:
        """The state of both; may change and return `left`, never change `right`."""
        raise NotImplementedError(f"{type(self).__name__}: merge(self, left, right) is not written")

    def finish(self, state: Any, /) -> Any:
        """The result of a state, which it leaves as it is: where one of many fails, they are asked again."""
        return state

    def of(self, part: Part) -> Aggregator:
        """The same over one part of each value: `Sum().of("price")`, `Max().of(1)`, `Sum().of(len)`.

        A value without that part raises ValueError.
        """
        return Of(self, part)

    def absorb(self, table: Table, pairs: Pairs) -> None:
        """Fold (key, value) pairs into a table of states. Bulk form of `lift` and `merge`."""
        lift, merge, get = self.lift, self.merge, table.get
        as_it_is = (
            getattr(lift, "__func__", None) is Aggregator.lift
        )  # a value that is its own state costs no call
        with unpacking():
            for key, value in pairs:
                try:
                    state, one = get(key, NOTHING), value if as_it_is else lift(value)
                    table[key] = one if state is NOTHING else merge(state, one)
                except (TypeError, ValueError) as error:
                    raise PairRefused(key, value, error) from error

    def absorb_states(self, table: Table, pairs: Pairs) -> None:
        """Fold (key, state) pairs into a table of states. Bulk form of `merge`."""
        merge, get = self.merge, table.get
        for key, state in pairs:
            try:
                old = get(key, NOTHING)
                table[key] = state if old is NOTHING else merge(old, state)
            except (TypeError, ValueError) as error:
                raise PairRefused(key, state, error) from error

    def lift_column(self, values: list[Any]) -> list[Any]:
        """The state of each value, as `absorb` makes it. Raises TypeError or ValueError."""
        return self.lift_groups([[value] for value in values])

    def lift_groups(self, groups: list[list[Any]]) -> list[Any]:
        """The states of groups of one value or more, as `absorb` makes them. Raises TypeError or ValueError."""
        table: Table = {}
        self.absorb(table, _numbered(groups))
        return list(map(table.__getitem__, range(len(groups))))

    def lift_ordered(self, groups: list[list[Any]]) -> list[Any]:
        """`lift_groups` of few Decimals each, in their order, that `are_plain_decimals`; for those `Record` knows."""
        return self.lift_groups(groups)

    def fold_groups(self, states: list[Any], groups: list[list[Any]]) -> list[Any]:
        """The same for groups that have states already."""
        table = dict(enumerate(states))
        self.absorb(table, _numbered(groups))
        return list(map(table.__getitem__, range(len(groups))))

    def merge_columns(self, left: list[Any], right: list[Any]) -> list[Any]:
        """`merge` of two columns of states, one by one."""
        return list(map(self.merge, left, right))

    def finish_column(self, states: list[Any]) -> list[Any]:
        """`finish` of a column of states."""
        return list(map(self.finish, states))

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """A subclass that writes a method anew must not inherit the bulk forms of the old one."""
        super().__init_subclass__(**kwargs)
        own = vars(cls)
        for bulk, instead_of in _COLUMN_FORMS.items():
            if bulk not in own and not instead_of.isdisjoint(own):
                setattr(cls, bulk, getattr(Aggregator, bulk))
        rewritten = cls._bulk_replaces & vars(cls).keys()
        for bulk in ("absorb", "absorb_states"):
            if rewritten and bulk not in vars(cls):
                setattr(cls, bulk, getattr(Aggregator, bulk))


def _numbered(groups: list[list[Any]]) -> Iterator[tuple[int, Any]]:
    return ((number, value) for number, group in enumerate(groups) for value in group)


class Batched(Aggregator):
    """Base of those to whom many values at once are cheaper than one by one.

    Write `batch`, `merge` and `finish`. How values are cut into batches must not show in a result.
    """

    _bulk_replaces = frozenset({"lift"})

    def batch(self, values: list[Any], /) -> Any:
        """The state of one value or more."""
        raise NotImplementedError(f"{type(self).__name__}: batch(self, values) is not written")

    def extend(self, state: Any, values: list[Any]) -> Any:
        """The state with one more value or more: that of `merge`, which others find sooner."""
        return self.merge(state, self.batch(values))

    def lift(self, value: Any) -> Any:
        return self.batch([value])

    def absorb(self, table: Table, pairs: Pairs) -> None:
        groups: defaultdict[Any, list[Any]] = defaultdict(list)
        with unpacking():
            for key, value in pairs:
                try:
                    groups[key].append(value)
                except TypeError as error:
                    raise PairRefused(key, value, error) from error
        batch, extend, get = self.batch, self.extend, table.get
        for key, values in groups.items():
            try:
                state = get(key, NOTHING)
                table[key] = batch(values) if state is NOTHING else extend(state, values)
            except (TypeError, ValueError) as error:
                raise PairRefused(key, values, error) from error

    absorb_states = Aggregator.absorb_states


class Of(Aggregator):
    """An aggregator over one part of each value; what `Aggregator.of` makes. State: that aggregator's."""

    def __init__(self, inner: Aggregator, part: Part) -> None:
        self._inner = inner
        self._part = part
        self._get = getter(part)

    def lift(self, value: Any) -> Any:
        try:
            part = self._get(value)
        except NO_PART as error:
            raise no_part(self._part, value, error) from error
        return self._inner.lift(part)

    def merge(self, left: Any, right: Any) -> Any:
        return self._inner.merge(left, right)

    def finish(self, state: Any) -> Any:
        return self._inner.finish(state)

    def absorb(self, table: Table, pairs: Pairs) -> None:
        self._inner.absorb(table, self._picked(pairs))

    def absorb_states(self, table: Table, pairs: Pairs) -> None:
        self._inner.absorb_states(table, pairs)

    def lift_column(self, values: list[Any]) -> list[Any]:
        try:
            parts = list(map(self._get, values))
        except NO_PART as error:
            raise no_part(self._part, values[0], error) from error  # `Record` finds the one that it is
        return self._inner.lift_column(parts)

    def lift_groups(self, groups: list[list[Any]]) -> list[Any]:
        get = self._get
        try:
            parts = [[get(value) for value in group] for group in groups]
        except NO_PART as error:
            raise no_part(self._part, groups[0][0], error) from error  # `Record` finds the one that it is
        return self._inner.lift_groups(parts)

    def merge_columns(self, left: list[Any], right: list[Any]) -> list[Any]:
        return self._inner.merge_columns(left, right)

    def finish_column(self, states: list[Any]) -> list[Any]:
        return self._inner.finish_column(states)

    def _picked(self, pairs: Pairs) -> Iterator[tuple[Any, Any]]:
        get = self._get
        with unpacking():
            for key, value in pairs:
                try:
                    part = get(value)
                except NO_PART as error:
                    raise PairRefused(key, value, no_part(self._part, value, error)) from error
                yield key, part
