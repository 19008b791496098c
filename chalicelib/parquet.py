"""Parquet for jobs in Python, through DuckDB: rows of a file's row groups as dicts, pairs of a result as a file.

A file is never read as a whole: its table of contents and the row groups wanted lie, where they belong, in a
local file that has holes for the rest.
"""

# ruff: noqa: S608 - names and paths in queries are quoted, and numbers are ours

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from .columns import Table
from .errors import DataTypeError, InputError
from .model import Split
from .packing import copy_file
from .ports import ObjectWriter, Store
from .reading import stretch
from .spec import MIB, InputSpec, JobSpec
from .sql.database import duckdb_error, explained, literal, opened, quoted
from .writing import named, to_json

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

_MAGIC = b"PAR1"
_TAIL = 8
#: Bytes of a table of contents that are too many to be one.
_MAX_FOOTER = 256 * MIB
#: What DuckDB needs beside one row group.
_MEMORY = 256 * MIB
#: Rows that become dicts at once.
_ROWS = 2048
#: DuckDB's buffer for a line must hold the longest.
_LEAST_LINE = 1 * MIB
_LONG, _INT_DIGITS = 1 << 63, 19
_MOST_DIGITS = 38
_encode_lines = msgspec.json.Encoder().encode_lines


class RowGroup(NamedTuple):
    """Rows `[first, last)` of a file, in its bytes `[start, stop)`, which the next group begins behind."""

    start: int
    stop: int
    first: int
    last: int


def read_groups(
    store: Store, split: Split, spec: InputSpec, scratch: Path
) -> Iterator[tuple[RowGroup, Iterator[list[dict[str, Any]]]]]:
    """The row groups whose first byte is in the split, each with its rows in lists of some thousand.

    Rows are dicts of the columns `spec` names, or of all. Memory: a few pages of a row group; local disk: a row
    group. Raises InputError for what is no Parquet file or lacks a column, InputChanged if the object is no
    longer the one that was planned.
    """
    url, path = split.loc.url, scratch / "contents.parquet"
    tail = b"".join(stretch(store, split, max(split.size - _TAIL, 0), split.size))
    length = int.from_bytes(tail[:4], "little") + _TAIL
    if tail[4:] != _MAGIC or not _TAIL < length <= min(split.size - len(_MAGIC), _MAX_FOOTER):
        raise InputError(f"{url}: not a Parquet file: its last bytes are {tail!r}")
    footer = b"".join(stretch(store, split, split.size - length, split.size))
    _write_sparse(path, split.size, footer)
    try:
        with opened(scratch, _MEMORY, 1, {}, in_order=True) as database:
            columns = _columns(database, path, spec, url)
            for group in _groups(database, path, split.size - length):
                if split.start <= group.start < split.stop:
                    # DuckDB remembers what it has read of a file: no name may come twice.
                    part = scratch / f"rows-{group.first}.parquet"
                    _write_sparse(part, split.size, footer)
                    _fill(part, group, stretch(store, split, group.start, group.stop))
                    yield group, _rows(database, part, columns, group)
                    part.unlink()
    except duckdb_error() as error:
        why = explained(error).partition(" LINE 1:")[0].replace(f"{scratch}/", "")
        raise InputError(f"{url}: not the Parquet file that was expected: {why}") from error
    finally:
        path.unlink(missing_ok=True)


def _write_sparse(path: Path, size: int, footer: bytes) -> None:
    """A file of nothing but its first bytes and its table of contents."""
    with path.open("wb") as file:
        file.write(_MAGIC)
        file.seek(size - len(footer))
        file.write(footer)


def _fill(path: Path, group: RowGroup, chunks: Iterator[bytes]) -> None:
    with path.open("r+b") as file:
        file.seek(group.start)
        for chunk in chunks:
            file.write(chunk)


def _groups(database: Connection, path: Path, end: int) -> list[RowGroup]:
    """All row groups that have rows, in order; the last ends where the table of contents begins."""
    begin = "least(data_page_offset, coalesce(nullif(dictionary_page_offset, 0), data_page_offset))"
    found = database.execute(
        f"SELECT min({begin}), any_value(row_group_num_rows) FROM parquet_metadata({literal(str(path))})"
        " GROUP BY row_group_id ORDER BY row_group_id"
    ).fetchall()
    stops = [*(start for start, _ in found[1:]), end]
    groups, row = [], 0
    for (start, rows), stop in zip(found, stops, strict=False):  # a file without rows has no groups
        if rows:
            groups.append(RowGroup(start, stop, row, row + rows))
        row += rows
    return groups


def _columns(database: Connection, path: Path, spec: InputSpec, url: str) -> str:
    """Select list: the columns wanted, as Python can have them."""
    table = f"read_parquet({literal(str(path))})"
    found = {row[0]: row[1] for row in database.execute(f"DESCRIBE SELECT * FROM {table}").fetchall()}
    missing = [name for name in spec.names if name not in found]
    if missing:
        raise InputError(
            f"{url}: has no column {missing[0]}; there are {', '.join(found)}: see input.columns"
        )
    return ", ".join(_as_python(name, found[name]) for name in spec.names or found)


def _as_python(name: str, kind: str) -> str:
    # With a time zone DuckDB would want a library of time zones; a moment in UTC needs none.
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"CAST({quoted(name)} AS TIMESTAMP) AS {quoted(name)}"
    return quoted(name)


def _rows(database: Connection, path: Path, columns: str, group: RowGroup) -> Iterator[list[dict[str, Any]]]:
    table = f"read_parquet({literal(str(path))}, file_row_number=true)"
    where = f"file_row_number >= {group.first} AND file_row_number < {group.last}"
    result = database.execute(f"SELECT {columns} FROM {table} WHERE {where}")
    names = [column[0] for column in result.description or ()]
    while rows := result.fetchmany(_ROWS):
        yield [dict(zip(names, row, strict=True)) for row in rows]


class TableSpool:
    """Rows of a result on their way to a Parquet file: cells as text, and of what types they were.

    A column's type is the one declared in `output.columns`, else that of its values: BIGINT, DOUBLE (of ints and
    floats together, too), BOOLEAN, VARCHAR, BLOB, DECIMAL; JSON in VARCHAR for all else. Memory: one block.
    """

    def __init__(self, spec: JobSpec, path: Path) -> None:
        self._spec = spec
        self._path = path
        self._table = Table(spec.output.columns, (tuple,))
        self._kinds: list[set[str]] = []
        #: Of Decimals in each column the digits before and behind the point.
        self._digits: list[tuple[int, int]] = []
        self._longest = _LEAST_LINE
        self._lines = named(self._as_lines)
        self.records = 0

    def add(self, keys: Sequence[Any], values: Sequence[Any]) -> None:
        with self._path.open("ab") as file:
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
        self._path.touch()
        names = self._table.names or ("key", "value")
        kinds = [self._type(number, name) for number, name in enumerate(names)]
        columns = ", ".join(f"'c{number}': 'VARCHAR'" for number in range(len(names)))
        wanted = ", ".join(
            f"CAST(c{number} AS {kind}) AS {quoted(name)}"
            for number, (name, kind) in enumerate(zip(names, kinds, strict=True))
        )
        with TemporaryDirectory(prefix="parquet-", dir=self._path.parent) as folder:
            lines, out = Path(folder) / "rows.jsonl", Path(folder) / "rows.parquet"
            self._path.rename(lines)
            source = (
                f"read_json({literal(str(lines))}, format='newline_delimited', auto_detect=false,"
                f" columns={{{columns}}}, maximum_object_size={2 * self._longest})"
            )
            query = f"SELECT {wanted} FROM {source}"
            try:
                with opened(Path(folder), self._spec.budget("reducer"), 1, {}, in_order=True) as database:
                    database.execute(f"COPY ({query}) TO {literal(str(out))} (FORMAT parquet)")
            except duckdb_error() as error:
                raise DataTypeError(
                    f"output.columns: the result cannot be written so: {explained(error)}"
                ) from error
            copy_file(out, sink)

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
        return (
            {"bool": "BOOLEAN", "bytes": "BLOB"}.get(next(iter(kinds), ""), "VARCHAR")
            if len(kinds) == 1
            else "VARCHAR"
        )


def _kind(cell: Any) -> str:
    """The name of a cell's type; `long` for ints over 64 bits, `huge` for those that no number of Parquet holds."""
    if type(cell) is int and not -_LONG <= cell < _LONG:
        return "long" if abs(cell) < 10**_MOST_DIGITS else "huge"
    if type(cell) is Decimal and not cell.is_finite():
        return "NoneType"
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
    return to_json(cell).decode()
