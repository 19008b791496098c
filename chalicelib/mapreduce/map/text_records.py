"""Text as records, for `mapper`: lines, JSON documents, rows that end with their line, records of so many bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import repeat
from typing import Any

from ...core.errors import InputError
from ..guard.isolate import Pair, RecordPlace
from ..input.blocks import TextBlock
from ..input.records import RecordReader, newline_split, record_reader
from .open_split import Offset, OpenSplit, Step
from .text_blocks import SplitText, end_of


def steps(opened: OpenSplit) -> Iterator[Step]:
    """Block after block: its records through `mapper`."""
    text = SplitText(opened)
    reader = record_reader(opened.spec, opened.record_type, opened.store, opened.split.loc)
    for block in text.blocks():
        readable = _readable(opened, text, reader, block) if opened.isolation.active else (block,)
        for some in readable:
            yield from _of_block(opened, text, reader, some)


def _of_block(opened: OpenSplit, text: SplitText, reader: RecordReader, block: TextBlock) -> Iterator[Step]:
    mapper = opened.job.job.mapper
    found = reader.records(block)
    count = len(found)
    records = iter(found)
    opened.where.records(reader, block, records, count)

    def place(number: int, _record: Any) -> RecordPlace:
        start = reader.start_of(block, number)
        stop = reader.start_of(block, number + 1) if number + 1 < count else len(block.data)
        return text.place(block.offset + start, block.data[start:stop])

    def edge(done: int) -> Offset:
        return end_of(block) if done == count else (block.offset + reader.start_of(block, done), 0)

    mapped: Iterator[Iterable[Pair]] = map(mapper, repeat(None), records)
    if opened.isolation.careful:
        mapped = opened.each(records, partial(mapper, None), place)
    return opened.steps(mapped, count, edge)


def _readable(
    opened: OpenSplit, text: SplitText, reader: RecordReader, block: TextBlock
) -> Iterator[TextBlock]:
    """The block or, if it cannot be read, what stands between its bad lines, which are set aside.

    A bad line is set aside only when what follows it is asked for: an attempt that stops before it
    leaves it to the next.
    """
    try:
        reader.records(block)
    except InputError:
        yield from _between_bad_lines(opened, text, reader, block)
    else:
        yield block


def _between_bad_lines(
    opened: OpenSplit, text: SplitText, reader: RecordReader, block: TextBlock
) -> Iterator[TextBlock]:
    good: list[bytes] = []
    start = at = block.offset
    for line in newline_split(block.data):
        try:
            reader.records(TextBlock(at, line))
            good.append(line)
            at += len(line)
        except InputError as error:
            if good:
                yield TextBlock(start, b"".join(good))
            opened.set_aside(error, text.place(at, line))
            good, start, at = [], at + len(line), at + len(line)
    if good:
        yield TextBlock(start, b"".join(good))
