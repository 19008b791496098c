"""Parquet files as input, through DuckDB: the rows of a file's row groups, as dicts.

A file is never read as a whole: its table of contents and the row groups wanted lie, where they belong, in a
local file that has holes for the rest.
"""

from __future__ import annotations

# ruff: noqa: S608 - names and paths in queries are quoted, and numbers are ours
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ...core.errors import InputError
from ...core.plan import Split
from ...core.ports import Disk, Store
from ...core.spec import MIB, InputSpec
from .blocks import stretch
from .duckdb import duckdb_error, explained, literal, opened, quoted, refuse_full_disk

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


class RowGroup(NamedTuple):
    """Rows `[first, last)` of a file, in its bytes `[start, stop)`, which the next group begins behind."""

    start: int
    stop: int
    first: int
    last: int


def read_groups(
    store: Store, split: Split, spec: InputSpec, disk: Disk, folder: Path
) -> Iterator[tuple[RowGroup, Iterator[list[dict[str, Any]]]]]:
    """The row groups whose first byte is in the split, each with its rows in lists of some thousand.

    Rows are dicts of the columns `spec` names, or of all. Memory: a few pages of a row group; local disk: a row
    group. Raises InputError for what is no Parquet file or lacks a column, InputChanged if the object is no
    longer the one that was planned, DiskError for a row group that does not fit on `disk`, in `folder`.
    """
    url, path = split.loc.url, folder / "contents.parquet"
    tail = b"".join(stretch(store, split, max(split.size - _TAIL, 0), split.size))
    length = int.from_bytes(tail[:4], "little") + _TAIL
    if tail[4:] != _MAGIC or not _TAIL < length <= min(split.size - len(_MAGIC), _MAX_FOOTER):
        raise InputError(f"{url}: not a Parquet file: its last bytes are {tail!r}")
    footer = b"".join(stretch(store, split, split.size - length, split.size))
    _write_sparse(disk, path, split.size, footer)
    try:
        with opened(folder, _MEMORY, 1, {}, in_order=True) as database:
            columns = _columns(database, path, spec, url)
            for group in _groups(database, path, split.size - length):
                if split.start <= group.start < split.stop:
                    # DuckDB remembers what it has read of a file: no name may come twice.
                    part = folder / f"rows-{group.first}.parquet"
                    _write_sparse(disk, part, split.size, footer)
                    _fill(disk, part, group, stretch(store, split, group.start, group.stop))
                    yield group, _rows(database, part, columns, group)
                    disk.remove(part)
    except duckdb_error() as error:
        refuse_full_disk(error)
        why = explained(error).partition(" LINE 1:")[0].replace(f"{folder}/", "")
        raise InputError(f"{url}: not the Parquet file that was expected: {why}") from error
    finally:
        disk.remove(path)


def _write_sparse(disk: Disk, path: Path, size: int, footer: bytes) -> None:
    """A file of nothing but its first bytes and its table of contents."""
    with disk.open(path, "wb") as file:
        file.write(_MAGIC)
        file.seek(size - len(footer))
        file.write(footer)


def _fill(disk: Disk, path: Path, group: RowGroup, chunks: Iterator[bytes]) -> None:
    with disk.open(path, "r+b", group.stop - group.start) as file:
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
