"""Several aggregators at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from itertools import chain
from typing import Any

from .base import Aggregator, PairRefused, Pairs, Table, unpacking
from .extremes import Max, Min
from .quantiles import Quantiles
from .sums import Avg, Count, Sum, are_plain_decimals

#: Values of a key of which there are so few that they are kept as they are, if they are Decimals: states of all fields
#: would take longer to make, to write and to merge. No more than `Quantiles` keeps.
_FEW = 16
#: Aggregators to whom it is all one in which order and by which steps Decimals come together, and who look at a value
#: itself: a key's values may wait for them in the reducer.
_EXACT = frozenset({Count, Sum, Avg, Min, Max, Quantiles})


class Record(Aggregator):
    """Several results of the same values: a dict, by the names given and in their order.

        reducer = Record(least=Min(), most=Max(), n=Count())
        reducer = Record(qty=Sum().of("qty"), price=Avg().of("price"), n=Count())

    Each aggregator sees the whole value; `of` lets it see one part (a dict's key, a place in a tuple, a
    function of the value). Any number may look at one part. State: a list of theirs; up to 16 Decimals are kept as
    they are, in a tuple, if the aggregators are Count, Sum, Avg, Min, Max and Quantiles over whole values.
    """

    def __init__(self, **fields: Aggregator) -> None:
        if not fields:
            raise ValueError("Record: expected at least one aggregator, such as Record(n=Count())")
        for name, field in fields.items():
            if not isinstance(field, Aggregator):
                raise TypeError(f"Record: {name}: expected an aggregator such as Sum(), got {field!r}")
        self._names = list(fields)
        self._fields = list(fields.values())
        self._keeps_few = type(self) is Record and _EXACT.issuperset(map(type, self._fields))

    def lift(self, value: Any) -> list[Any]:
        return [field.lift(value) for field in self._fields]

    def merge(self, left: Any, right: Any) -> Any:
        if type(left) is tuple and type(right) is tuple:
            both = left + right
            return both if len(both) <= _FEW else self._lists([both])[0]
        left, right = self._lists([left, right])
        return [field.merge(a, b) for field, a, b in zip(self._fields, left, right, strict=True)]

    def finish(self, state: Any) -> dict[str, Any]:
        (state,) = self._lists([state])
        results = [field.finish(part) for field, part in zip(self._fields, state, strict=True)]
        return dict(zip(self._names, results, strict=True))

    def finish_column(self, states: list[Any]) -> list[Any]:
        if not states:
            return []
        if set(map(type, states)) == {tuple}:
            groups = list(map(sorted, states))
            columns = [field.finish_column(field.lift_ordered(groups)) for field in self._fields]
        else:
            columns = [
                field.finish_column(list(column))
                for field, column in zip(self._fields, zip(*self._lists(states), strict=True), strict=True)
            ]
        names = self._names
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]

    def absorb(self, table: Table, pairs: Pairs) -> None:
        """Field by field over the groups of all pairs, each by its own bulk form; holds the pairs meanwhile."""
        pairs = list(pairs)
        if self._keeps_few:
            if _are_plain(pairs):
                self._absorb_few(table, pairs)
                return
            known = [key for key in _grouped(pairs)[0] if key in table]
            table.update(zip(known, self._lists(list(map(table.__getitem__, known))), strict=True))
        firsts, several = _grouped(pairs)
        again = {key: firsts.pop(key) for key in table.keys() & firsts.keys()}
        more = {key: several.pop(key) for key in again.keys() & several.keys()}
        for key in more:
            del again[key]
        table.update(dict.fromkeys(firsts))  # in their order
        for key in several:
            del firsts[key]
        try:
            _fold(table, again, self._fold_column)
            _fold(table, more, self.fold_groups)
            if firsts:
                table.update(zip(firsts, self.lift_column(list(firsts.values())), strict=True))
            if several:
                table.update(zip(several, self.lift_groups(list(several.values())), strict=True))
        except (TypeError, ValueError) as error:
            self._refuse({key: state for key, state in table.items() if state is not None}, pairs)
            raise PairRefused(*pairs[0], error) from error

    def _absorb_few(self, table: Table, pairs: list[tuple[Any, Any]]) -> None:
        """The same for Decimals that no field can refuse: those of a key that has few of them stay as they are."""
        get = table.get
        more: defaultdict[Any, list[Any]] = defaultdict(list)
        for key, value in pairs:
            try:
                state = get(key)
            except TypeError as error:
                raise PairRefused(key, value, error) from error
            if state is None:
                table[key] = (value,)
            elif type(state) is tuple and len(state) < _FEW:
                table[key] = (*state, value)
            else:
                more[key].append(value)
        many = {key: [*table[key], *values] for key, values in more.items() if type(table[key]) is tuple}
        states = {key: table[key] for key in more.keys() - many.keys()}
        folded = self.fold_groups(list(states.values()), list(map(more.__getitem__, states)))
        table.update(zip(many, self.lift_groups(list(many.values())), strict=True))
        table.update(zip(states, folded, strict=True))

    def _lists(self, states: list[Any]) -> list[Any]:
        """States of which none are values as they came."""
        numbers = [number for number, state in enumerate(states) if type(state) is tuple]
        if not numbers:
            return states
        states = list(states)
        groups = [sorted(states[number]) for number in numbers]
        lifted = zip(*(field.lift_ordered(groups) for field in self._fields), strict=True)
        for number, parts in zip(numbers, lifted, strict=True):
            states[number] = list(parts)
        return states

    def _fold_column(self, states: list[Any], values: list[Any]) -> list[Any]:
        """One more value for each state: to merge its state is to fold it."""
        return self.merge_columns(states, self.lift_column(values))

    def _refuse(self, table: Table, pairs: list[tuple[Any, Any]]) -> None:
        """Raise PairRefused for the pair that a bulk form did not take."""
        for field in self._fields:
            field.absorb({}, pairs)
        states = self._lists(list(table.values()))
        for place, field in enumerate(self._fields):
            field.absorb({key: state[place] for key, state in zip(table, states, strict=True)}, pairs)

    def lift_column(self, values: list[Any]) -> list[Any]:
        return list(map(list, zip(*(field.lift_column(values) for field in self._fields), strict=True)))

    def lift_groups(self, groups: list[list[Any]]) -> list[Any]:
        return list(map(list, zip(*(field.lift_groups(groups) for field in self._fields), strict=True)))

    def fold_groups(self, states: list[Any], groups: list[list[Any]]) -> list[Any]:
        if not states:
            return []
        columns = (
            field.fold_groups(list(column), groups)
            for field, column in zip(self._fields, zip(*self._lists(states), strict=True), strict=True)
        )
        return list(map(list, zip(*columns, strict=True)))

    def merge_columns(self, left: list[Any], right: list[Any]) -> list[Any]:
        left, right = self._lists(left), self._lists(right)
        columns = (
            field.merge_columns(list(some), list(others))
            for field, some, others in zip(
                self._fields, zip(*left, strict=True), zip(*right, strict=True), strict=True
            )
        )
        return list(map(list, zip(*columns, strict=True)))

    def absorb_states(self, table: Table, pairs: Pairs) -> None:
        """Few values are put together as they are; other states of keys that are known already merge as columns."""
        left: Table = {}
        right: list[Any] = []
        pairs = iter(pairs)
        get = table.get
        for key, state in pairs:
            old = get(key)
            if old is None:
                table[key] = state
            elif left and key in left:  # twice among these pairs: it is merged, and then the rest
                pairs = chain([(key, state)], pairs)
                break
            elif type(old) is tuple and type(state) is tuple and len(old) + len(state) <= _FEW:
                table[key] = old + state
            else:
                left[key] = old
                right.append(state)
        else:
            pairs = ()
        try:
            if left:
                table.update(zip(left, self.merge_columns(list(left.values()), right), strict=True))
        except (TypeError, ValueError):
            super().absorb_states(table, zip(left, right, strict=True))
            raise
        super().absorb_states(table, pairs)


def _fold(table: Table, of: dict[Any, Any], form: Callable[[list[Any], list[Any]], list[Any]]) -> None:
    if of:
        states = form(list(map(table.__getitem__, of)), list(of.values()))
        table.update(zip(of, states, strict=True))


def _are_plain(pairs: list[tuple[Any, Any]]) -> bool:
    """Whether the values of these pairs, if they are pairs, `are_plain_decimals`."""
    try:
        return are_plain_decimals([value for _, value in pairs])
    except (TypeError, ValueError):
        return False


def _grouped(pairs: list[tuple[Any, Any]]) -> tuple[dict[Any, Any], dict[Any, list[Any]]]:
    """The first value of each key, and all values of those that have several."""
    firsts: dict[Any, Any] = {}
    several: dict[Any, list[Any]] = {}
    with unpacking():
        for key, value in pairs:
            try:
                if key not in firsts:
                    firsts[key] = value
                elif key in several:
                    several[key].append(value)
                else:
                    several[key] = [firsts[key], value]
            except TypeError as error:
                raise PairRefused(key, value, error) from error
    return firsts, several
