"""Typed pairs that another step or job wrote, for `mapper`; without one they are passed on as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import repeat, starmap
from operator import length_hint
from typing import Any

from ...job.binding import IDENTITY
from ..guard.isolate import Pair, RecordPlace
from ..input.blocks import TextBlock
from ..input.lines import OneLine
from ..input.typed_pairs import PairBlock, pair_blocks
from .open_split import Columns, Offset, OpenSplit, Step


def steps(opened: OpenSplit) -> Iterator[Step]:
    """Block after block. An attempt that goes on in one passes over the pairs of it that are done."""
    for block in pair_blocks(opened.store, opened.split):
        if block.keys:
            opened.tally.bytes += block.following - block.offset
        if opened.job.mapper == IDENTITY:
            yield from _passed_on(opened, block)
        else:
            yield from opened.steps(_mapped(opened, block), len(block.keys), partial(_edge, block))


def _passed_on(opened: OpenSplit, block: PairBlock) -> Iterator[Step]:
    for first, done in opened.stretches(len(block.keys)):
        columns = partial(Columns, block.keys[first:done], block.values[first:done])
        yield Step(columns, partial(_edge, block, done))


def _mapped(opened: OpenSplit, block: PairBlock) -> Iterator[Iterable[Pair]]:
    mapper = opened.job.job.mapper
    keys = iter(block.keys)
    pairs = zip(keys, block.values, strict=True)
    opened.where.records(_KeyReader(block.keys, keys), TextBlock(block.offset, b""), keys, len(block.keys))
    if opened.isolation.careful:
        return opened.each(pairs, partial(_of_pair, mapper), partial(_place, block))
    return starmap(mapper, pairs)


def _of_pair(mapper: Callable[[Any, Any], Iterable[Pair]], pair: Pair) -> Iterable[Pair]:
    return mapper(*pair)


def _place(block: PairBlock, _number: int, pair: Pair) -> RecordPlace:
    return RecordPlace(block.offset, repr(pair))


def _edge(block: PairBlock, done: int) -> Offset:
    return (block.following, 0) if done == len(block.keys) else (block.offset, block.skip + done)


class _KeyReader(OneLine):
    """Tells the message which pair of a block it was, by its key."""

    def __init__(self, keys: list[Any], taken: Iterator[Any]) -> None:
        self._keys = keys
        self._taken = taken

    @property
    def unit(self) -> str:
        number = max(len(self._keys) - length_hint(self._taken) - 1, 0)
        return f"pair of key {self._keys[number]!r:.200} in the block"

    def records(self, block: TextBlock) -> list[Any]:
        raise NotImplementedError(f"a block of pairs is read already (byte {block.offset})")

    def start_of(self, block: TextBlock, number: int) -> int:  # noqa: ARG002 - a pair has no byte of its own
        return 0

    def starts(self, block: TextBlock) -> Iterator[int]:  # noqa: ARG002
        return repeat(0, len(self._keys))
