"""Typed pairs to batches of mapped pairs: what a map task does whose input another step or job wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain, islice, starmap
from operator import length_hint
from typing import Any, NamedTuple

from ...core.plan import Split
from ...core.ports import Store
from ...job.binding import IDENTITY, BoundJob
from ..guard.deadline import Pace
from ..guard.isolate import Pair, Weeder, typed_place
from ..guard.location import Where
from ..input.blocks import TextBlock
from ..input.typed_pairs import PairBlock, pair_blocks


class PairBatch(NamedTuple):
    """Some pairs of a block: the call that maps them, where a later attempt would go on, how much it was."""

    call: Callable[[], Iterable[Pair]]
    #: Byte of a block, and the pairs of that block that are done.
    edge: Callable[[], tuple[int, int]]
    records: int
    bytes: int


class PairSource:
    """Reads and maps pairs in steps, as long as the pace has them."""

    def __init__(
        self,
        job: BoundJob,
        store: Store,
        where: Where,
        pace: Pace,
        weeder: Weeder,
    ) -> None:
        self._job = job
        self._store = store
        self._where = where
        self._pace = pace
        self._weeder = weeder

    def batches(self, split: Split) -> Iterator[PairBatch]:
        """Each is called before the next is asked for."""
        for block in pair_blocks(self._store, split):
            count, done, size = len(block.keys), 0, block.following - block.offset
            pairs = zip(block.keys, block.values, strict=True)
            results = self._results(split, block, pairs)
            while done < count:
                step = min(self._pace.size, count - done)
                done += step
                call: Callable[[], Iterable[Pair]] = partial(islice, pairs, step)
                if results is not None:
                    call = partial(chain.from_iterable, islice(results, step))
                yield PairBatch(call, partial(_edge, block, done, count), step, size)
                size = 0

    def _results(
        self, split: Split, block: PairBlock, pairs: Iterator[Pair]
    ) -> Iterator[Iterable[Pair]] | None:
        """What the user's mapper makes of each pair; nothing if it has none."""
        if self._job.mapper == IDENTITY:
            return None
        keys = iter(block.keys)
        reader = _KeyReader(block.keys, keys)
        self._where.records(reader, TextBlock(block.offset, b""), keys, len(block.keys))
        pairs = zip(keys, block.values, strict=True)
        if self._weeder.careful:
            return self._carefully(split, block, pairs)
        return (found or () for found in starmap(self._job.job.mapper, pairs))

    def _carefully(self, split: Split, block: PairBlock, pairs: Iterator[Pair]) -> Iterator[list[Pair]]:
        """The pairs that each makes, complete or, for a bad one, none."""
        mapper = self._job.job.mapper
        for pair in pairs:
            yield self._weeder.pairs(split, partial(mapper, *pair), partial(typed_place, block.offset, pair))


class _KeyReader:
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


def _edge(block: PairBlock, done: int, count: int) -> tuple[int, int]:
    if done == count:
        return block.following, 0
    return block.offset, block.skip + done
