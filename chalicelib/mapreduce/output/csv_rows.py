"""Results as csv: a column for each part of a key and of a value, with or without names."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from ...core.codec import CALENDAR
from ...core.deployment_spec import parse_columns
from ...core.spec import OutputSpec
from .columns import Table
from .text import to_json


class CsvRows:
    """From pairs to csv; of a dict each name takes a column, of a tuple or list each part.

    Once columns have names (a header, `output.columns`, a dict), all rows must have the same ones.
    """

    def __init__(self, output: OutputSpec) -> None:
        self._table: Table | None = Table(output.columns) if output.header or output.columns else None
        self._header = output.header

    def __call__(self, keys: Sequence[Any], values: Sequence[Any]) -> bytes:
        if self._table is None and dict not in set(map(type, values)):
            return _csv(_cells(key) + _cells(value) for key, value in zip(keys, values, strict=True))
        self._table = self._table or Table("")
        rows = [list(map(_cell, row)) for row in self._table.rows(keys, values)]
        if self._header and rows:
            rows.insert(0, list(self._table.names))
            self._header = False
        return _csv(rows)


def header_row(output: OutputSpec) -> bytes:
    """The header, as far as it is declared; empty if no names are."""
    names = [name for name, _ in parse_columns(output.columns)]
    return _csv([names]) if names else b""


def _csv(rows: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode(errors="backslashreplace")


def _cells(item: Any) -> list[Any]:
    if isinstance(item, tuple | list):
        return [_cell(part) for part in item]
    return [_cell(item)]


def _cell(item: Any) -> Any:
    if item is None or type(item) in (str, int, float) or isinstance(item, Decimal):
        return item
    if type(item) is bytes:
        return item.decode(errors="backslashreplace")
    if type(item) in CALENDAR:
        return item.isoformat()
    return to_json(item).decode()
