"""Which function turns pairs into the rows of an output: by its configuration, or the user's own."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ...core.errors import DataTypeError, JobCodeError
from ...core.spec import OutputSpec, parse_columns
from .columns import Table
from .text import FORMATS, Rows, csv_cell, csv_rows, named

#: A job's `writer(self, key, value)`: one row, as text or bytes; the line's end is added.
Writer = Callable[[Any, Any], Any]


def encoder(output: OutputSpec, own: Writer | None = None) -> Rows:
    """From pairs to bytes of rows. One for each part: that of csv remembers its columns.

    Raises DataTypeError for a pair that cannot be written, JobCodeError if the user's writer raises.
    """
    if own is not None:
        return _Own(own)
    return named(CsvRows(output)) if output.format == "csv" else FORMATS[output.format]


def is_stateful(output: OutputSpec) -> bool:
    """Whether a row's bytes depend on the rows before it."""
    return output.format == "csv"


def without_rows(output: OutputSpec) -> bytes:
    """What a part without rows holds: the header, if it is known."""
    names = [name for name, _ in parse_columns(output.columns)]
    return _csv([names]) if output.header and names else b""


class CsvRows:
    """csv, with a column for each part of a key and of a value: of a tuple, of a list, of a dict by name."""

    def __init__(self, output: OutputSpec) -> None:
        self._table: Table | None = Table(output.columns) if output.header or output.columns else None
        self._header = output.header

    def __call__(self, keys: Sequence[Any], values: Sequence[Any]) -> bytes:
        if self._table is None and dict not in set(map(type, values)):
            return csv_rows(keys, values)
        self._table = self._table or Table("")
        rows = [list(map(csv_cell, row)) for row in self._table.rows(keys, values)]
        if self._header and rows:
            rows.insert(0, list(self._table.names))
            self._header = False
        return _csv(rows)


def _csv(rows: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode(errors="backslashreplace")


class _Own:
    """The user's own rows."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def __call__(self, keys: Sequence[Any], values: Sequence[Any]) -> bytes:
        return b"".join([self._row(key, value) for key, value in zip(keys, values, strict=True)])

    def _row(self, key: Any, value: Any) -> bytes:
        try:
            row = self._writer(key, value)
            data = row.encode() if isinstance(row, str) else row
        except Exception as error:
            raise JobCodeError(f"writer, at key {key!r}: {type(error).__name__}: {error}") from error
        if not isinstance(data, bytes):
            raise DataTypeError(f"writer, at key {key!r}: expected a row as str or bytes, got {row!r:.200}")
        return data if data.endswith(b"\n") else data + b"\n"
