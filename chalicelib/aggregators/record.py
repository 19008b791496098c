"""Several aggregators at once."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any

from .base import Aggregator, PairRefused, Pairs, Table, unpacking


class Record(Aggregator):
    """Several results of the same values: a dict, by the names given and in their order.

        reducer = Record(least=Min(), most=Max(), n=Count())
        reducer = Record(qty=Sum().of("qty"), price=Avg().of("price"), n=Count())

    Each aggregator sees the whole value; `of` lets it see one part (a dict's key, a place in a tuple, a
    function of the value). Any number may look at one part. State: a list of theirs.
    """

    def __init__(self, **fields: Aggregator) -> None:
        if not fields:
            raise ValueError("Record: expected at least one aggregator, such as Record(n=Count())")
        for name, field in fields.items():
            if not isinstance(field, Aggregator):
                raise TypeError(f"Record: {name}: expected an aggregator such as Sum(), got {field!r}")
        self._names = list(fields)
        self._fields = list(fields.values())

    def lift(self, value: Any) -> list[Any]:
        return [field.lift(value) for field in self._fields]

    def merge(self, left: list[Any], right: list[Any]) -> list[Any]:
        return [field.merge(a, b) for field, a, b in zip(self._fields, left, right, strict=True)]

    def finish(self, state: list[Any]) -> dict[str, Any]:
        results = [field.finish(part) for field, part in zip(self._fields, state, strict=True)]
        return dict(zip(self._names, results, strict=True))

    def finish_column(self, states: list[Any]) -> list[Any]:
        if not states:
            return []
        columns = [
            field.finish_column(list(column))
            for field, column in zip(self._fields, zip(*states, strict=True), strict=True)
        ]
        names = self._names
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]

    def absorb(self, table: Table, pairs: Pairs) -> None:
        """Field by field over the groups of all pairs, each by its own bulk form; holds the pairs meanwhile."""
        pairs = list(pairs)
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

    def _fold_column(self, states: list[Any], values: list[Any]) -> list[Any]:
        """One more value for each state: to merge its state is to fold it."""
        return self.merge_columns(states, self.lift_column(values))

    def _refuse(self, table: Table, pairs: list[tuple[Any, Any]]) -> None:
        """Raise PairRefused for the pair that a bulk form did not take."""
        for field in self._fields:
            field.absorb({}, pairs)
        for place, field in enumerate(self._fields):
            field.absorb({key: state[place] for key, state in table.items()}, pairs)

    def lift_column(self, values: list[Any]) -> list[Any]:
        return list(map(list, zip(*(field.lift_column(values) for field in self._fields), strict=True)))

    def lift_groups(self, groups: list[list[Any]]) -> list[Any]:
        return list(map(list, zip(*(field.lift_groups(groups) for field in self._fields), strict=True)))

    def fold_groups(self, states: list[Any], groups: list[list[Any]]) -> list[Any]:
        columns = (
            field.fold_groups(list(column), groups)
            for field, column in zip(self._fields, zip(*states, strict=True), strict=True)
        )
        return list(map(list, zip(*columns, strict=True)))

    def merge_columns(self, left: list[Any], right: list[Any]) -> list[Any]:
        columns = (
            field.merge_columns(list(some), list(others))
            for field, some, others in zip(
                self._fields, zip(*left, strict=True), zip(*right, strict=True), strict=True
            )
        )
        return list(map(list, zip(*columns, strict=True)))

    def absorb_states(self, table: Table, pairs: Pairs) -> None:
        """The states of keys that are known already are merged as columns."""
        left: Table = {}
        right: list[Any] = []
        pairs = iter(pairs)
        for key, state in pairs:
            old = table.get(key)
            if old is None:
                table[key] = state
            elif key in left:  # twice among these pairs: it is merged, and then the rest
                pairs = chain([(key, state)], pairs)
                break
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
