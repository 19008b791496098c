"""Which function turns pairs into the rows of an output: by its configuration, or the user's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...core.errors import DataTypeError, JobCodeError
from ...core.spec import OutputSpec
from .csv_rows import CsvRows, header_row
from .text import FORMATS, Rows, named

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
    return header_row(output) if output.header else b""


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
        except (Exception, SystemExit) as error:
            raise JobCodeError(f"writer, at key {key!r}: {type(error).__name__}: {error}") from error
        if not isinstance(data, bytes):
            raise DataTypeError(f"writer, at key {key!r}: expected a row as str or bytes, got {row!r:.200}")
        return data if data.endswith(b"\n") else data + b"\n"
