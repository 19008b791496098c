"""Text in chunks of whole lines, for `mapper_chunk`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from ..guard.isolate import RecordPlace
from ..input.blocks import TextBlock
from ..input.lines import LineReader, newlines, record_split
from .open_split import OpenSplit, Step
from .text_blocks import SplitText, end_of


def steps(opened: OpenSplit) -> Iterator[Step]:
    """A step a block; of a bad one, if bad records are set aside, its lines one by one."""
    mapper, isolation = opened.job.job.mapper_chunk, opened.isolation
    text = SplitText(opened)
    reader = LineReader(opened.spec, opened.split.loc)

    def mapped(block: TextBlock) -> Any:
        return mapper(reader.text(block))

    def count(data: bytes) -> int:
        if opened.spec.record_delimiter:
            return sum(1 for _ in record_split(opened.spec, data))
        return newlines(data) + (not data.endswith(b"\n"))

    def lines(block: TextBlock) -> Iterator[tuple[Callable[[], Any], RecordPlace]]:
        at = block.offset
        for line in record_split(opened.spec, block.data):
            yield partial(mapped, TextBlock(at, line)), text.place(at, line)
            at += len(line)

    for block in text.blocks():
        opened.tally.records += count(block.data)
        opened.where.chunk(block)
        if isolation.active:
            call = partial(isolation.chunk, partial(mapped, block), partial(lines, block))
        else:
            call = partial(mapper, reader.text(block))
        yield Step(call, partial(end_of, block))
