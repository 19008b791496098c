"""Spills: sorted runs on local disk, for what does not fit the memory budget."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from ...core.ports import Disk
from ...job.job import Each
from .collect import Collector, Pair, Piece
from .merge import merge
from .run_file import Block, RunWriter, read_blocks

_READ = 1 << 16
#: Runs merged at once; more are merged in several passes, so that memory holds this many blocks.
FAN_IN = 64


class _Spill:
    """One run file on local disk, deleted with its task's folder."""

    def __init__(self, disk: Disk, path: Path, pieces: Iterable[Piece], partitions: int) -> None:
        self._disk = disk
        self._path = path
        with disk.open(path, "wb") as file:
            writer = RunWriter(file.write, partitions)
            for partition, keys, values in pieces:
                writer.add(partition, keys, values)
            self.offsets = writer.finish()

    @property
    def bytes(self) -> int:
        return self.offsets[-1]

    def blocks(self, partition: int) -> Iterator[Block]:
        start, stop = self.offsets[partition], self.offsets[partition + 1]
        if start < stop:
            with self._disk.open(self._path, "rb") as file:
                file.seek(start)
                yield from read_blocks(_chunks(file, stop - start), str(self._path))

    def remove(self) -> None:
        self._disk.remove(self._path)


class Spiller:
    """A collector with a budget: what it gathers comes out sorted, however much it was.

    `add` holds at most about `budget` bytes of pairs; `blocks` may be called once, at the end. Spills lie in
    `folder`, which whoever made it removes. Raises DiskError when there is no room for one.
    """

    def __init__(self, collector: Collector, partitions: int, budget: int, disk: Disk, folder: Path) -> None:
        self._collector = collector
        self._partitions = partitions
        self._budget = budget
        self._disk = disk
        self._folder = folder
        self._spills: list[_Spill] = []
        self._files = 0
        self.bytes = 0

    def add(self, pairs: Iterator[Pair]) -> None:
        """Take all pairs, spilling whenever the budget is full."""
        more = True
        while more:
            more = self._collector.absorb(pairs)
            self._spill_if_full()

    def add_each(self, each: Each) -> None:
        """Take keys that share one value."""
        self._collector.absorb_each(each)
        self._spill_if_full()

    def add_block(self, keys: list[Any], values: list[Any]) -> None:
        """Take a block that a run file held."""
        self._collector.absorb_block(keys, values)
        self._spill_if_full()

    def blocks(self, in_order: bool = True) -> Iterator[tuple[int, Iterator[Block]]]:
        """(partition, its blocks, sorted by key unless that is not asked for) for each that has any.

        With spills, the pairs of one key may come from several of them: in spill order, not folded.
        """
        if not self._spills:
            for partition, keys, values in self._collector.drain(self._partitions, in_order):
                yield partition, iter(((keys, values),))
            return
        self._spill(self._collector.drain(self._partitions))
        while len(self._spills) > FAN_IN:
            self._merge_pass()
        for partition in range(self._partitions):
            if any(spill.offsets[partition] < spill.offsets[partition + 1] for spill in self._spills):
                yield partition, merge([spill.blocks(partition) for spill in self._spills])

    @property
    def spilled(self) -> bool:
        """Whether a key's pairs may be in several runs."""
        return bool(self._spills)

    def _spill_if_full(self) -> None:
        if self._collector.weight() > self._budget:
            self._spill(self._collector.drain(self._partitions))

    def _spill(self, pieces: Iterable[Piece]) -> None:
        self._files += 1
        path = self._folder / f"spill-{self._files:05d}.run"
        spill = _Spill(self._disk, path, pieces, self._partitions)
        self._spills.append(spill)
        self.bytes += spill.bytes

    def _merge_pass(self) -> None:
        """Merge neighbours, FAN_IN at a time, so that their order (and so that of values) is kept."""
        old, self._spills = self._spills, []
        for start in range(0, len(old), FAN_IN):
            few = old[start : start + FAN_IN]
            self._spill(self._merged(few))
            for spill in few:
                spill.remove()

    def _merged(self, spills: list[_Spill]) -> Iterator[Piece]:
        for partition in range(self._partitions):
            for keys, values in merge([spill.blocks(partition) for spill in spills]):
                yield partition, keys, values


def _chunks(file: BinaryIO, left: int) -> Iterator[bytes]:
    while left:
        chunk = file.read(min(_READ, left))
        if not chunk:
            return
        left -= len(chunk)
        yield chunk


def fold_states(blocks: Iterator[Block], merge_states: Any) -> Iterator[Block]:
    """Join neighbouring states of one key, in blocks; keys are sorted, so one key is held at a time."""
    last: Any = None
    state: Any = None
    started = False
    for keys, states in blocks:
        out_keys: list[Any] = []
        out_states: list[Any] = []
        for key, new in zip(keys, states, strict=True):
            if started and key == last:
                state = merge_states(state, new)
                continue
            if started:
                out_keys.append(last)
                out_states.append(state)
            last, state, started = key, new, True
        if out_keys:
            yield out_keys, out_states
    if started:
        yield [last], [state]
