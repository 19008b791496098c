"""Rows of Parquet files as dicts, for `mapper`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, Any

from ...core.errors import InputError
from ..guard.isolate import Pair, RecordPlace
from .open_split import Offset, OpenSplit, Step

if TYPE_CHECKING:
    from ..input.parquet import RowGroup


def steps(opened: OpenSplit) -> Iterator[Step]:
    """Row group after row group. An attempt that goes on in one passes over the rows of it that are done."""
    from ..input.parquet import LongRow, read_groups  # only jobs that read such files have DuckDB

    skip = opened.split.skip
    for group, lists in read_groups(opened.store, opened.split, opened.spec, opened.disk, opened.folder):
        if group.last - group.first > skip:
            opened.tally.bytes += group.stop - group.start
        at = 0
        for rows in lists:
            if isinstance(rows, LongRow):
                if at >= skip:
                    _refuse(opened, group, rows.error)
                at += 1
                continue
            done = min(max(skip - at, 0), len(rows))
            yield from _of_rows(opened, group, at + done, rows[done:])
            at += len(rows)
        skip = 0


def _refuse(opened: OpenSplit, group: RowGroup, error: InputError) -> None:
    """Set a row aside that is too long to be read, if that is the policy."""
    if not opened.isolation.active:
        raise error
    opened.set_aside(error, RecordPlace(group.start, ""))


def _of_rows(opened: OpenSplit, group: RowGroup, first: int, rows: list[dict[str, Any]]) -> Iterator[Step]:
    """Rows of a group, of which there are `first` before these."""
    mapper = opened.job.job.mapper

    def place(_number: int, row: Any) -> RecordPlace:
        return RecordPlace(group.start, repr(row))

    def edge(done: int) -> Offset:
        at = first + done
        return (group.stop, 0) if group.first + at == group.last else (group.start, at)

    mapped: Iterator[Iterable[Pair]] = map(mapper, repeat(None), rows)
    if opened.isolation.careful:
        mapped = opened.each(rows, partial(mapper, None), place)
    return opened.steps(mapped, len(rows), edge)
