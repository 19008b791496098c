"""Stretches of a row group's rows whose values fit into memory, found out before any of them is a value of Python's.

A page may hold a text once and every row name it, so that neither the bytes of a row group nor those of its pages
say how large its rows are. DuckDB measures them without unpacking them.
"""

from __future__ import annotations

# ruff: noqa: S608 - names and paths in queries are quoted, and numbers are ours
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from ...core.spec import MIB
from .duckdb import count, literal, quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

#: Rows that DuckDB has in hand at once: the size of its vectors.
VECTOR = 2048
#: Bytes of values that are in hand at once, unless a single row has more.
_ROOM = 32 * MIB
#: What a value inside a list or a map takes beside its own bytes.
_ELEMENT = 64
#: SQL for the bytes of a value by its type, and the types that are of a fixed width.
_BYTES_OF = {"varchar": "strlen({})", "blob": "octet_length({})"}
_WHOLE = re.compile(
    r"boolean|u?(tiny|small|big|huge)int|u?integer|float|double|decimal|date|time|timestamp|uuid|interval|enum|null"
    r"|(time|timestamp)[ _].*"
)


class Batch(NamedTuple):
    """Rows `[first, last)` of a file; one row of `too_long` bytes that is not to be read, if that is not 0."""

    first: int
    last: int
    too_long: int = 0


def batches(
    database: Connection, table: str, names: list[str], first: int, last: int, most: int
) -> list[Batch]:
    """The rows `[first, last)` of `table` in order, cut so that no vector of a batch holds more than 32 MiB.

    `names` are the columns that are wanted, `table` a call of read_parquet with file_row_number. A row of more than
    `most` bytes stands alone, as too long. Usually it is one batch. Memory: the sizes of some thousand rows.
    """
    size = _row_size(database, table, names)
    if not size:
        return [Batch(first, last)]
    measured = (
        f"(SELECT file_row_number AS row, {size} AS size FROM {table}"
        f" WHERE file_row_number >= {first} AND file_row_number < {last})"
    )
    if count(database, f"SELECT coalesce(max(size), 0) FROM {measured}") <= min(_ROOM // VECTOR, most):
        return [Batch(first, last)]
    large = database.execute(
        f"SELECT (row - {first}) // {VECTOR} AS vector FROM {measured} GROUP BY vector"
        f" HAVING sum(size) > {_ROOM} OR max(size) > {most} ORDER BY vector"
    ).fetchall()
    found: list[Batch] = []
    at = first
    for (vector,) in large:
        begin = first + vector * VECTOR
        end = min(begin + VECTOR, last)
        if at < begin:
            found.append(Batch(at, begin))
        sizes = database.execute(
            f"SELECT size FROM {measured} WHERE row >= {begin} AND row < {end} ORDER BY row"
        ).fetchall()
        found += _cut(begin, [row[0] for row in sizes], most)
        at = end
    return [*found, Batch(at, last)] if at < last else found


def _cut(first: int, sizes: list[int], most: int) -> Iterator[Batch]:
    """Rows of these sizes, as many in a batch as there is room for; those of more than `most` bytes apart."""
    begin, held = first, 0
    for row, size in enumerate(sizes, start=first):
        if begin < row and (size > most or held + size > _ROOM):
            yield Batch(begin, row)
            begin, held = row, 0
        if size > most:
            yield Batch(row, row + 1, size)
            begin = row + 1
        else:
            held += size
    if begin < first + len(sizes):
        yield Batch(begin, first + len(sizes))


def _row_size(database: Connection, table: str, names: list[str]) -> str:
    """SQL for the bytes of a row's texts, lists and the like; empty if all its columns are of a fixed width."""
    shape = database.execute(f"SELECT {', '.join(map(quoted, names))} FROM {table} LIMIT 0").description
    kinds = [column[1] for column in shape or ()]
    parts = [_size(kind, quoted(name), 0) for name, kind in zip(names, kinds, strict=True)]
    return " + ".join(filter(None, parts))


def _size(kind: Any, value: str, depth: int) -> str:
    """SQL for the bytes of a value, which may be NULL; empty for types of a fixed width."""
    name = kind.id
    if _WHOLE.fullmatch(name):
        return ""
    if name in _BYTES_OF:
        return f"coalesce({_BYTES_OF[name].format(value)}, 0)"
    if name == "struct":
        members = [
            _size(child, f"struct_extract({value}, {literal(key)})", depth) for key, child in kind.children
        ]
        return " + ".join(filter(None, members))
    if name in ("list", "array"):
        return _elements(kind.children[0][1], value, depth)
    if name == "map":
        (_, key), (_, inner) = kind.children
        return f"{_elements(key, f'map_keys({value})', depth)} + {_elements(inner, f'map_values({value})', depth)}"
    return f"coalesce(strlen(CAST({value} AS VARCHAR)), 0)"


def _elements(kind: Any, value: str, depth: int) -> str:
    each = f"e{depth}"
    inner = _size(kind, each, depth + 1)
    total = f"coalesce(len({value}), 0) * {_ELEMENT}"
    return f"{total} + coalesce(list_sum([{inner} for {each} in {value}]), 0)" if inner else total
