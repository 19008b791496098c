"""Several aggregators at once."""

from __future__ import annotations

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

    def absorb(self, table: Table, pairs: Pairs) -> None:
        """Field by field over all pairs, each by its own bulk form; holds the pairs meanwhile."""
        pairs = list(pairs)
        rows: Table = {}
        with unpacking():
            for key, value in pairs:
                try:
                    if key not in rows:
                        rows[key] = table.get(key)
                except TypeError as error:
                    raise PairRefused(key, value, error) from error
        columns = []
        for place, field in enumerate(self._fields):
            column = {key: row[place] for key, row in rows.items() if row is not None}
            field.absorb(column, pairs)
            columns.append(column)
        for key in rows:
            table[key] = [column[key] for column in columns]
