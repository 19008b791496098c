"""Parquet files as input, through DuckDB: the rows of a file's row groups, as dicts.

A file is never read as a whole: its table of contents and the row groups wanted lie, where they belong, in a
local file that has holes for the rest.
"""

from __future__ import annotations

# ruff: noqa: S608 - names and paths in queries are quoted, and numbers are ours
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ...core.errors import InputError
from ...core.plan import Split
from ...core.ports import Disk, Streams
from ...core.spec import MIB, InputSpec
from .blocks import stretch
from .duckdb import duckdb_error, explained, literal, opened, quoted, refuse_full_disk
from .row_batches import VECTOR, Batch, batches

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

_MAGIC = b"PAR1"
_TAIL = 8
#: Bytes of a table of contents that are too many to be one.
_MAX_FOOTER = 256 * MIB
#: What DuckDB needs beside one row group.
_MEMORY = 256 * MIB


class RowGroup(NamedTuple):
    """Rows `[first, last)` of a file, in its bytes `[start, stop)`, which the next group begins behind."""

    start: int
    stop: int
    first: int
    last: int
    #: Which one it is, from 0.
    number: int = 0


class LongRow(NamedTuple):
    """A row that is not read because it is longer than `input.max_record_bytes`."""

    error: InputError


Rows = list[dict[str, Any]]


def read_groups(
    store: Streams, split: Split, spec: InputSpec, disk: Disk, folder: Path
) -> Iterator[tuple[RowGroup, Iterator[Rows | LongRow]]]:
    """The row groups whose first byte is in the split, each with its rows in lists of up to 2 048, or as a LongRow.

    Rows are dicts of the columns `spec` names, or of all. Memory: a few pages of a row group, and 32 MiB of rows or
    a single row of up to `spec.max_record_bytes`; local disk: a row group. Raises InputError for what is no Parquet
    file or lacks a column, and, with the row group, for one that is damaged; InputChanged if the object is no longer
    the one that was planned, DiskError for a row group that does not fit on `disk`, in `folder`.
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
            with _told(f"{url}: not the Parquet file that was expected", folder):
                columns = _columns(database, path, spec, url)
                groups = _groups(database, path, split.size - length, url)
            for group in groups:
                if split.start <= group.start < split.stop:
                    # DuckDB remembers what it has read of a file: no name may come twice.
                    part = folder / f"rows-{group.first}.parquet"
                    _write_sparse(disk, part, split.size, footer)
                    _fill(disk, part, group, stretch(store, split, group.start, group.stop))
                    yield group, _rows(database, part, columns, group, spec, url)
                    disk.remove(part)
    finally:
        disk.remove(path)


@contextmanager
def _told(what: str, folder: Path) -> Iterator[None]:
    """Turn what DuckDB makes of a damaged file into an InputError that says what could not be read."""
    try:
        yield
    except (duckdb_error(), ValueError, OverflowError, RuntimeError) as error:
        refuse_full_disk(error)
        why = explained(error).partition(" LINE 1:")[0].replace(f"{folder}/", "")
        raise InputError(f"{what}: {why}") from error


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


def _groups(database: Connection, path: Path, end: int, url: str) -> list[RowGroup]:
    """All row groups that have rows, in order; the last ends where the table of contents begins."""
    begin = "least(data_page_offset, coalesce(nullif(dictionary_page_offset, 0), data_page_offset))"
    found = database.execute(
        f"SELECT min({begin}), any_value(row_group_num_rows) FROM parquet_metadata({literal(str(path))})"
        " GROUP BY row_group_id ORDER BY row_group_id"
    ).fetchall()
    stops = [*(start for start, _ in found[1:]), end]
    groups, row = [], 0
    for number, ((start, rows), stop) in enumerate(
        zip(found, stops, strict=False)
    ):  # without rows: no groups
        if rows:
            if not len(_MAGIC) <= (start or 0) < (stop or 0) <= end or rows < 0:
                raise InputError(
                    f"{url}: row group {number}: its table of contents says {rows} rows in the bytes {start} to"
                    f" {stop} of {end}: the file is damaged: write it anew"
                )
            groups.append(RowGroup(start, stop, row, row + rows, number))
        row += rows
    return groups


def _columns(database: Connection, path: Path, spec: InputSpec, url: str) -> dict[str, str]:
    """The columns wanted: their names, and each as SQL for what Python can have."""
    table = f"read_parquet({literal(str(path))})"
    found = {row[0]: row[1] for row in database.execute(f"DESCRIBE SELECT * FROM {table}").fetchall()}
    missing = [name for name in spec.names if name not in found]
    if missing:
        raise InputError(
            f"{url}: has no column {missing[0]}; there are {', '.join(found)}: see input.columns"
        )
    return {name: _as_python(name, found[name]) for name in spec.names or found}


def _as_python(name: str, kind: str) -> str:
    # With a time zone DuckDB would want a library of time zones; a moment in UTC needs none.
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"CAST({quoted(name)} AS TIMESTAMP) AS {quoted(name)}"
    return quoted(name)


def _rows(
    database: Connection, path: Path, columns: dict[str, str], group: RowGroup, spec: InputSpec, url: str
) -> Iterator[Rows | LongRow]:
    """The rows of a group. Raises InputError if they cannot be read, or are not as many as there should be."""
    where = f"{url}: row group {group.number}, at byte {group.start}"
    damaged = f"{where}: cannot be read"
    table = f"read_parquet({literal(str(path))}, file_row_number=true)"
    most = spec.max_record_bytes
    with _told(damaged, path.parent):
        cut = batches(database, table, list(columns), group.first, group.last, most)
    for batch in cut:
        if batch.too_long:
            yield LongRow(_too_long(f"{where}, row {batch.first - group.first} of it", batch.too_long, most))
            continue
        query = f"SELECT {', '.join(columns.values())} FROM {table}"
        count = 0
        for rows in _fetched(database, query, batch, damaged, path.parent):
            count += len(rows)
            yield [dict(zip(columns, row, strict=True)) for row in rows]
        if count != batch.last - batch.first:
            raise InputError(f"{damaged}: expected {batch.last - batch.first} rows, found {count}")


def _fetched(
    database: Connection, query: str, batch: Batch, damaged: str, folder: Path
) -> Iterator[list[Any]]:
    """The rows of a batch as tuples, in lists."""
    where = f"file_row_number >= {batch.first} AND file_row_number < {batch.last}"
    with _told(damaged, folder):
        result = database.execute(f"{query} WHERE {where}")
    while True:
        with _told(damaged, folder):
            rows = result.fetchmany(VECTOR)
        if not rows:
            return
        yield rows


def _too_long(where: str, size: int, most: int) -> InputError:
    return InputError(
        f"{where}: has {size} bytes, more than input.max_record_bytes ({most}): raise max_record_bytes if such rows are"
        " right, or set them aside with bad_records.policy: quarantine"
    )
