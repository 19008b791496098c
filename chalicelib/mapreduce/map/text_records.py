"""Text as records, for `mapper`: lines, JSON documents, rows that end with their line, records of so many bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import repeat
from typing import Any

from ..guard.isolate import Pair, RecordPlace
from ..input.blocks import TextBlock
from ..input.records import RecordReader, record_reader
from .open_split import Offset, OpenSplit, Step
from .readable_text import ReadableText
from .text_blocks import SplitText, end_of


def steps(opened: OpenSplit) -> Iterator[Step]:
    """Block after block: its records through `mapper`."""
    reader = record_reader(opened.spec, opened.record_type, opened.store, opened.split)
    if opened.isolation.active:
        readable = ReadableText(opened, reader)
        for block, raw in readable.blocks():
            yield from _of_block(opened, readable.text, reader, block, raw)
        return
    text = SplitText(opened)
    for block in text.blocks():
        yield from _of_block(opened, text, reader, block)


def _of_block(
    opened: OpenSplit,
    text: SplitText,
    reader: RecordReader,
    block: TextBlock,
    known: list[Any] | None = None,
) -> Iterator[Step]:
    mapper = opened.job.job.mapper
    raw = reader.raw(block) if known is None else known
    count = len(raw)
    source = iter(raw)
    opened.where.records(reader, block, source, count)
    records = reader.shaped(source)

    starts: list[int] = []  # found when the first bad record asks for them

    def start_of(number: int) -> int:
        if not starts:
            starts.extend(reader.starts(block))
        return starts[number] if number < len(starts) else 0

    def place(number: int, _record: Any) -> RecordPlace:
        start = start_of(number)
        stop = start_of(number + 1) if number + 1 < count else len(block.data)
        return text.place(block.offset + start, block.data[start:stop])

    def edge(done: int) -> Offset:
        return end_of(block) if done == count else (block.offset + reader.start_of(block, done), 0)

    mapped: Iterator[Iterable[Pair]] = map(mapper, repeat(None), records)
    if opened.isolation.careful:
        mapped = opened.each(records, partial(mapper, None), place)
    return opened.steps(mapped, count, edge)
