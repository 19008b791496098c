"""Merge sorted runs, block by block: concatenate what is surely next and let timsort merge it.

In CPython, sorting the concatenation of sorted lists is a merge at C speed; a heap of pairs is not.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import chain, groupby
from operator import itemgetter
from typing import Any

from .key_order import sort_pairs
from .run_file import BLOCK_PAIRS, Block

_first = itemgetter(0)
_second = itemgetter(1)


class _Run:
    """One sorted run: the block in hand, from `start` on, and the blocks to come."""

    def __init__(self, blocks: Iterator[Block]) -> None:
        self._blocks = blocks
        self.keys: list[Any] = []
        self.values: list[Any] = []
        self.start = 0
        self.alive = True
        self.fill()

    def fill(self) -> None:
        """Make sure the block in hand has a pair, or mark the run as ended."""
        while self.alive and self.start == len(self.keys):
            block = next(self._blocks, None)
            self.start = 0
            if block is None:
                self.alive = False
                self.keys, self.values = [], []
            else:
                self.keys, self.values = block

    def take(self, stop: int) -> Iterator[tuple[Any, Any]]:
        """The pairs from `start` to `stop` of the block in hand."""
        pairs = zip(self.keys[self.start : stop], self.values[self.start : stop], strict=True)
        self.start = stop
        return pairs


def merge(runs: Sequence[Iterator[Block]]) -> Iterator[Block]:
    """Merge key-sorted runs. Ties keep run order. Holds one block per run.

    A key's pairs may come in several blocks, in order. A run that is not sorted gives wrong order,
    not wrong pairs; the runs are ours and checksummed, so this is not checked again.
    """
    if len(runs) == 1:
        yield from runs[0]
        return
    live = [run for run in map(_Run, runs) if run.alive]
    if any(run.keys[0] is None for run in live):
        yield from chain.from_iterable(_rest(run) for run in live)  # None is the only key there is
        return
    while live:
        # Every pair below the smallest last key is in hand: nothing smaller can still come.
        bound = min(run.keys[-1] for run in live)
        pairs = list(chain.from_iterable(run.take(bisect_left(run.keys, bound, run.start)) for run in live))
        if pairs:
            sort_pairs(pairs)
            yield from _blocks(pairs)
        # The bound itself may go on in later blocks of any run: exhaust it run by run.
        for run in live:
            yield from _take_key(run, bound)
        live = [run for run in live if run.alive]


def _take_key(run: _Run, key: Any) -> Iterator[Block]:
    """All pairs of `key`, which is the smallest left, from one run."""
    while run.alive and run.keys[run.start] == key:
        stop = bisect_right(run.keys, key, run.start)
        yield run.keys[run.start : stop], run.values[run.start : stop]
        run.start = stop
        run.fill()


def _rest(run: _Run) -> Iterator[Block]:
    while run.alive:
        yield run.keys[run.start :], run.values[run.start :]
        run.start = len(run.keys)
        run.fill()


def _blocks(pairs: list[tuple[Any, Any]]) -> Iterator[Block]:
    for start in range(0, len(pairs), BLOCK_PAIRS):
        piece = pairs[start : start + BLOCK_PAIRS]
        yield list(map(_first, piece)), list(map(_second, piece))


def groups(blocks: Iterator[Block]) -> Iterator[tuple[Any, Iterator[Any]]]:
    """(key, lazy iterator of its values) from sorted blocks. A group may be larger than memory."""
    pairs = chain.from_iterable(zip(keys, values, strict=True) for keys, values in blocks)
    for key, group in groupby(pairs, _first):
        yield key, map(_second, group)
