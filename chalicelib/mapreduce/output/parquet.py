"""Parquet files as output, through DuckDB: the pairs of a result as one table."""

from __future__ import annotations

# ruff: noqa: S608 - names and paths in queries are quoted, and numbers are ours
from collections.abc import Sequence
from datetime import datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from ...core.codec import CALENDAR
from ...core.errors import DataTypeError
from ...core.ports import Disk, ObjectWriter
from ...core.spec import MIB, JobSpec
from ..input.duckdb import duckdb_error, explained, literal, opened, quoted, refuse_full_disk
from .columns import Table
from .compressed import copy_file
from .text import named, to_json

#: DuckDB's buffer for a line must hold the longest.
_LEAST_LINE = 1 * MIB
_LONG, _INT_DIGITS = 1 << 63, 19
_MOST_DIGITS = 38
#: By the kind of all cells of a column.
_TYPES = {
    "bool": "BOOLEAN",
    "bytes": "BLOB",
    "date": "DATE",
    "datetime": "TIMESTAMP",
    "instant": "TIMESTAMP WITH TIME ZONE",
    "time": "TIME",
}
_encode_lines = msgspec.json.Encoder().encode_lines


class TableSpool:
    """Rows of a result on their way to a Parquet file: cells as text, and of what types they were.

    A column's type is the one declared in `output.columns`, else that of its values: BIGINT, DOUBLE (of ints and
    floats together, too), BOOLEAN, VARCHAR, BLOB, DECIMAL, DATE, TIMESTAMP, of moments with a zone TIMESTAMP WITH TIME
    ZONE, of times without one TIME; in VARCHAR JSON (or ISO 8601) for all else. Memory: one block.
    """

    def __init__(self, spec: JobSpec, disk: Disk, path: Path) -> None:
        self._spec = spec
        self._disk = disk
        self._path = path
        self._table = Table(spec.output.columns, (tuple,))
        self._kinds: list[set[str]] = []
        #: Of Decimals in each column the digits before and behind the point.
        self._digits: list[tuple[int, int]] = []
        self._longest = _LEAST_LINE
        self._lines = named(self._as_lines)
        self.records = 0

    def add(self, keys: Sequence[Any], values: Sequence[Any]) -> None:
        with self._disk.open(self._path, "ab") as file:
            file.write(self._lines(keys, values))
        self.records += len(keys)

    def _as_lines(self, keys: Sequence[Any], values: Sequence[Any]) -> bytes:
        rows = list(self._table.rows(keys, values))
        columns = list(zip(*rows, strict=True))
        self._kinds = self._kinds or [set() for _ in columns]
        self._digits = self._digits or [(0, 0) for _ in columns]
        for number, cells in enumerate(columns):
            self._kinds[number] |= set(map(_kind, cells))
            if "Decimal" in self._kinds[number]:
                self._digits[number] = _widest(cells, self._digits[number])
        lines = [{f"c{number}": _text(cell) for number, cell in enumerate(row)} for row in rows]
        data = _encode_lines(lines)
        self._longest = (
            max(self._longest, *map(len, data.split(b"\n"))) if len(data) > _LEAST_LINE else self._longest
        )
        return data

    def send(self, sink: ObjectWriter) -> None:
        """Write the Parquet file. Raises DataTypeError for values that are not of the types declared."""
        self._disk.open(self._path, "ab").close()  # of no rows at all there is no file yet
        names = self._table.names or ("key", "value")
        kinds = [self._type(number, name) for number, name in enumerate(names)]
        columns = ", ".join(f"'c{number}': 'VARCHAR'" for number in range(len(names)))
        wanted = ", ".join(
            f"CAST(c{number} AS {kind}) AS {quoted(name)}"
            for number, (name, kind) in enumerate(zip(names, kinds, strict=True))
        )
        with self._disk.folder("sluice-parquet-") as folder:
            lines, out = folder / "rows.jsonl", folder / "rows.parquet"
            self._disk.move(self._path, lines)
            source = (
                f"read_json({literal(str(lines))}, format='newline_delimited', auto_detect=false,"
                f" columns={{{columns}}}, maximum_object_size={2 * self._longest})"
            )
            query = f"SELECT {wanted} FROM {source}"
            try:
                with opened(folder, self._spec.budget("reducer"), 1, {}, in_order=True) as database:
                    database.execute(f"COPY ({query}) TO {literal(str(out))} (FORMAT parquet)")
            except duckdb_error() as error:
                refuse_full_disk(error)
                raise DataTypeError(
                    f"output.columns: the result cannot be written so: {explained(error)}"
                ) from error
            copy_file(self._disk, out, sink)

    def _type(self, number: int, name: str) -> str:
        kinds = self._kinds[number] - {"NoneType"} if self._kinds else set()
        declared = self._table.types.get(name)
        if declared:
            return declared
        before, behind = self._digits[number] if self._digits else (0, 0)
        before = max(before, _INT_DIGITS if "int" in kinds else 0)
        if kinds == {"int"}:
            return "BIGINT"
        if kinds <= {"int", "long"} and "long" in kinds:
            return f"DECIMAL({_MOST_DIGITS}, 0)"
        if kinds and kinds <= {"int", "Decimal"} and before + behind <= _MOST_DIGITS:
            return f"DECIMAL({_MOST_DIGITS}, {behind})"
        if kinds and kinds <= {"int", "float"}:
            return "DOUBLE"
        return _TYPES.get(next(iter(kinds)), "VARCHAR") if len(kinds) == 1 else "VARCHAR"


def _kind(cell: Any) -> str:
    """The name of a cell's type; `long` for ints over 64 bits, `huge` for those that no number of Parquet holds."""
    if type(cell) is int and not -_LONG <= cell < _LONG:
        return "long" if abs(cell) < 10**_MOST_DIGITS else "huge"
    if type(cell) is Decimal and not cell.is_finite():
        return "NoneType"
    if type(cell) in (datetime, time) and cell.tzinfo is not None:
        return "instant" if type(cell) is datetime else "time in a zone"
    return type(cell).__name__


def _widest(cells: Sequence[Any], so_far: tuple[int, int]) -> tuple[int, int]:
    """The most digits before and behind the point of Decimals."""
    before, behind = so_far
    for cell in cells:
        if type(cell) is Decimal and cell.is_finite():
            _, digits, exponent = cell.as_tuple()
            assert isinstance(exponent, int)
            behind = max(behind, -exponent)
            before = max(before, len(digits) + exponent)
    return before, behind


def _text(cell: Any) -> str | None:
    """A cell as text that DuckDB casts to the cell's type."""
    kind = type(cell)
    if cell is None or kind is str:
        return cell  # type: ignore[no-any-return]
    if kind is bytes:
        return "".join([f"\\x{byte:02X}" for byte in cell])
    if kind is Decimal:
        return f"{cell:f}" if cell.is_finite() else None
    if kind in (int, float):
        return repr(cell)
    if kind in CALENDAR:
        return str(cell.isoformat())
    return to_json(cell).decode()
