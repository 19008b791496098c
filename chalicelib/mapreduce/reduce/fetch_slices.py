"""The slices of run files that a task takes, of one partition after the other: as they are, or as blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

from ...core.ports import Loc, Store
from ..shuffle.fetch import Stretch, fetch_all, stretches
from ..shuffle.index import Slices
from ..shuffle.run_file import Block, read_blocks


class Frames(NamedTuple):
    """One partition in one run file: bytes that are not read before they are asked for if there are many."""

    #: The run file's number, and its place.
    number: int
    loc: Loc
    chunks: Iterable[bytes]
    #: How many bytes there must be.
    size: int


class SliceReader:
    """Reads partitions with one GET a run file for as many as have `most` bytes together; a larger one is streamed.

    Memory: `most` bytes of packed blocks. After reading, `bytes` says how many were asked for.
    """

    def __init__(self, store: Store, bucket: str, slices: Slices, most: int) -> None:
        self._store = store
        self._bucket = bucket
        self._slices = slices
        self._most = most
        self.bytes = 0

    def partitions(self, first: int, count: int) -> Iterator[tuple[int, Iterator[Block]]]:
        """Of partitions `first` up to `count`, those that have pairs: their blocks, in the order of map tasks."""
        for partition, frames in self.frames(first, count):
            yield (
                partition,
                chain.from_iterable(read_blocks(one.chunks, one.loc.url, one.size) for one in frames),
            )

    def frames(self, first: int, count: int) -> Iterator[tuple[int, Iterator[Frames]]]:
        """The same before it is unpacked."""
        for stretch in stretches(self._slices, first, count, self._most):
            self.bytes += stretch.bytes
            if stretch.bytes > self._most:
                yield stretch.first, self._streamed(stretch.first)
            elif stretch.bytes:
                yield from self._fetched(stretch)

    def _fetched(self, stretch: Stretch) -> Iterator[tuple[int, Iterator[Frames]]]:
        first, last = stretch.first, stretch.last
        wanted = self._slices.wanted(first, last)
        ranges = [(self._loc(number), start, stop) for number, start, stop in wanted]
        bodies = list(fetch_all(self._store, ranges, self._slices.reads))
        for partition, size in enumerate(stretch.sizes, first):
            if size:
                begin, end = self._slices.column(partition), self._slices.column(partition + 1)
                parts = [
                    (number, memoryview(body)[begin[number] - start :], end[number] - begin[number])
                    for (number, start, _), body in zip(wanted, bodies, strict=True)
                    if begin[number] < end[number]
                ]
                yield partition, (self._frames(*part) for part in parts)

    def _frames(self, number: int, view: memoryview, size: int) -> Frames:
        return Frames(number, self._loc(number), (bytes(view[:size]),), size)

    def _streamed(self, partition: int) -> Iterator[Frames]:
        for number, start, stop in self._slices.wanted(partition, partition + 1):
            loc = self._loc(number)
            yield Frames(number, loc, self._stream(loc, start, stop), stop - start)

    def _stream(self, loc: Loc, start: int, stop: int) -> Iterator[bytes]:
        """Asks for nothing before it is read."""
        yield from self._store.stream(loc, start, stop)

    def _loc(self, number: int) -> Loc:
        """The run file with this number."""
        return Loc(self._bucket, self._slices.run_files[number])
