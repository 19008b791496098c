"""Rows of csv whose fields may hold newlines, for `mapper`: an object is read from its beginning to its end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import repeat
from typing import Any

from ..guard.isolate import Pair, RecordPlace
from ..input.blocks import whole_object
from ..input.rows import rows_of_stream
from .open_split import OpenSplit, Step


def steps(opened: OpenSplit) -> Iterator[Step]:
    """Some thousand rows after the other; nobody knows their bytes, so an attempt cannot stop between them."""
    mapper, split = opened.job.job.mapper, opened.split
    opened.tally.bytes += split.size
    chunks = whole_object(opened.store, split, opened.unpack_ratio)
    for rows in rows_of_stream(opened.spec, chunks, split.loc.url):
        mapped: Iterator[Iterable[Pair]] = map(mapper, repeat(None), rows)
        if opened.isolation.careful:
            mapped = opened.each(rows, partial(mapper, None), _place)
        yield from opened.steps(mapped, len(rows))


def _place(_number: int, row: Any) -> RecordPlace:
    return RecordPlace(None, repr(row))
