"""Pairs of a result as rows of named cells, for csv with names, Parquet, and folders by a column. Pure.

The parts of a key come first: `key`, or `key_0`, `key_1` of a tuple. Then those of the value: a dict's by their
names, a tuple's `value_0`, `value_1`, anything else `value`. `output.columns` gives them other names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ...core.deployment_spec import parse_columns
from ...core.errors import DataTypeError, UserError


class Table:
    """Turns pairs into rows that all have the same columns, those of the first pair or those declared."""

    def __init__(self, declared: str, spread: tuple[type, ...] = (tuple, list)) -> None:
        """`spread`: types of keys and values that take a column for each of their parts."""
        columns = parse_columns(declared)
        self._declared = bool(columns)
        self._spread = spread
        self._keys = self._values = 0
        self._by_name: tuple[str, ...] | None = None
        #: The columns' names, once they are known.
        self.names: tuple[str, ...] = tuple(name for name, _ in columns)
        #: Types by name, where they are declared.
        self.types = {name: kind for name, kind in columns if kind}
        self._known = False

    def rows(self, keys: Sequence[Any], values: Sequence[Any]) -> Iterator[list[Any]]:
        """A row of cells for each pair. Raises DataTypeError for one with other columns than the first."""
        for key, value in zip(keys, values, strict=True):
            if not self._known:
                self._learn(key, value)
            cells = _cells(key, self._spread)
            cells += self._of_dict(key, value) if isinstance(value, dict) else _cells(value, self._spread)
            if len(cells) != len(self.names):
                raise self._odd(key, f"has {len(cells)} columns")
            yield cells

    def _learn(self, key: Any, value: Any) -> None:
        keys = _names("key", key, self._spread)
        if self._declared:
            self._by_name = self.names[len(keys) :]
        else:
            mine = tuple(map(str, value)) if isinstance(value, dict) else _names("value", value, self._spread)
            self.names = (*keys, *mine)
            self._by_name = mine if isinstance(value, dict) else None
            twice = next((name for name in self.names if self.names.count(name) > 1), None)
            if twice is not None:
                raise DataTypeError(
                    f"result of key {key!r}: two columns are called {twice}: name them in output.columns"
                )
        self._known = True

    def _of_dict(self, key: Any, value: dict[Any, Any]) -> list[Any]:
        named = {str(name): cell for name, cell in value.items()}
        names = self._by_name
        if (
            names is None
            or not (self._declared or len(named) == len(names))
            or not named.keys() <= set(names)
        ):
            raise self._odd(key, f"has {', '.join(named) or 'no names'}")
        return [named.get(name) for name in names]

    def _odd(self, key: Any, what: str) -> DataTypeError:
        whose = "output.columns" if self._declared else "the first result"
        return DataTypeError(
            f"result of key {key!r}: its row {what}; expected {', '.join(self.names)} as in {whose}: give every"
            " result the same columns, or name them all in output.columns"
        )


def _cells(item: Any, spread: tuple[type, ...]) -> list[Any]:
    if not isinstance(item, spread):
        return [item]
    parts: list[Any] = [*item]  # type: ignore[misc]
    return parts


def _names(prefix: str, item: Any, spread: tuple[type, ...]) -> tuple[str, ...]:
    if isinstance(item, spread):
        return tuple(f"{prefix}_{number}" for number in range(len(_cells(item, spread))))
    return (prefix,)


class Chooser:
    """Finds in a pair the cell that `output.by` names: a column, or its number from 0."""

    def __init__(self, by: str, declared: str) -> None:
        names = [name for name, _ in parse_columns(declared)]
        self._by = by
        self._number = int(by) if by.isdecimal() else names.index(by) if by in names else None
        #: What the folders' names begin with.
        self.name = by if not by.isdecimal() else names[int(by)] if int(by) < len(names) else "by"
        self._names = names

    def cell(self, key: Any, value: Any) -> Any:
        """Raises UserError for a pair that has no such cell."""
        cells = _cells(key, (tuple, list))
        count = len(cells)
        if isinstance(value, dict):
            if self._by in value:
                return value[self._by]
            named = self._names[count:] or [str(name) for name in value]
            cells += [value.get(name) for name in named]
        else:
            cells += _cells(value, (tuple, list))
        number = self._number
        if number is None:
            names = (*_names("key", key, (tuple, list)), *_names("value", value, (tuple, list)))
            number = names.index(self._by) if self._by in names else len(cells)
        if number >= len(cells):
            raise UserError(
                f"output.by: result of key {key!r} has no column {self._by}: expected a name in output.columns or of"
                f" a dict, or a number below {len(cells)}"
            )
        return cells[number]
