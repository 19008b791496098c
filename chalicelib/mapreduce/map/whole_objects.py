"""Objects that are read from their beginning to their end.

As one record: its text or bytes for `mapper` or `mapper_chunk`, or a file for `mapper_raw`. Or as rows of csv whose
fields may hold newlines, for `mapper`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any

from ..guard.isolate import Pair, RecordPlace
from ..input.blocks import TextBlock, decode_text, too_long, whole_object, without_mark
from ..input.compression import compression
from .open_split import OpenSplit, Step


def steps(opened: OpenSplit) -> Iterator[Step]:
    """The one step of an object."""
    opened.tally.records += 1
    work: Callable[[], Any] = partial(_file if opened.job.mapper == "mapper_raw" else _content, opened)
    yield Step(partial(opened.isolation.whole, work) if opened.isolation.active else work)


def _content(opened: OpenSplit) -> Any:
    """What the mapper makes of the object's text or bytes, in memory."""
    spec, job, url = opened.spec, opened.job.job, opened.split.loc.url
    data = b"".join(_bytes(opened, spec.max_record_bytes))
    value: Any = data
    if spec.encoding != "bytes":
        text = without_mark(data)
        value = decode_text(TextBlock(len(data) - len(text), text), spec.encoding, spec.errors, url)
    return job.mapper(url, value) if opened.job.mapper == "mapper" else job.mapper_chunk(value)


def _file(opened: OpenSplit) -> Iterator[Pair]:
    """What the mapper makes of a file, which is there as long as it gives pairs."""
    split = opened.split
    packed = compression(split.key) is not None  # then it is not known how large it is
    path = opened.folder / ("object-" + Path(split.key).name[-60:])  # of 4 bytes at most each, of 255
    try:
        with opened.disk.open(path, "wb", None if packed else split.size) as file:
            for chunk in _bytes(opened, opened.spec.max_record_bytes if packed else split.size):
                file.write(chunk)
        yield from opened.job.job.mapper_raw(str(path)) or ()
    finally:
        opened.disk.remove(path)


def _bytes(opened: OpenSplit, limit: int) -> Iterator[bytes]:
    """The object's bytes, unpacked. Raises InputError for more than `limit`."""
    size = 0
    for chunk in whole_object(opened.store, opened.split, opened.unpack_ratio):
        size += len(chunk)
        opened.tally.bytes += len(chunk)
        if size > limit:
            raise too_long(opened.split.loc.url, limit)
        yield chunk


def quoted_rows(opened: OpenSplit) -> Iterator[Step]:
    """Some thousand rows after the other; nobody knows their bytes, so an attempt cannot stop between them."""
    from ..input.rows import rows_of_stream

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
