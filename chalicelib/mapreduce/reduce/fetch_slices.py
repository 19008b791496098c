"""The slices of run files that a reduce task takes, as the blocks of one partition after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from ...core.ports import Loc, Store
from ...core.tasks import Slice
from ..shuffle.fetch import Stretch, fetch_all, stretches
from ..shuffle.run_file import Block, read_blocks


class SliceReader:
    """Reads partitions with one GET a run file for as many as have `most` bytes together; a larger one is streamed.

    Memory: `most` bytes of packed blocks. After reading, `bytes` says how many were asked for.
    """

    def __init__(self, store: Store, bucket: str, slices: Sequence[Slice], most: int) -> None:
        self._store = store
        self._bucket = bucket
        self._slices = slices
        self._most = most
        self.bytes = 0

    def partitions(self, first: int, count: int) -> Iterator[tuple[int, Iterator[Block]]]:
        """Of partitions `first` up to `count`, those that have pairs: their blocks, in the order of map tasks."""
        for stretch in stretches(self._slices, first, count, self._most):
            self.bytes += stretch.bytes
            if stretch.bytes > self._most:
                yield stretch.first, self._streamed(stretch.first)
            elif stretch.bytes:
                yield from self._fetched(stretch)

    def _fetched(self, stretch: Stretch) -> Iterator[tuple[int, Iterator[Block]]]:
        first, last = stretch.first, stretch.last
        wanted = [piece for piece in self._slices if piece.offsets[first] < piece.offsets[last]]
        ranges = [(self._loc(piece), piece.offsets[first], piece.offsets[last]) for piece in wanted]
        bodies = list(fetch_all(self._store, ranges))
        for partition in range(first, last):
            parts = [
                (
                    self._loc(piece).url,
                    memoryview(body)[piece.offsets[partition] - piece.offsets[first] :],
                    size,
                )
                for piece, body in zip(wanted, bodies, strict=True)
                if (size := piece.offsets[partition + 1] - piece.offsets[partition])
            ]
            if parts:
                blocks = (read_blocks((bytes(view[:size]),), url, size) for url, view, size in parts)
                yield partition, chain.from_iterable(blocks)

    def _streamed(self, partition: int) -> Iterator[Block]:
        for piece in self._slices:
            start, stop = piece.offsets[partition], piece.offsets[partition + 1]
            if start < stop:
                loc = self._loc(piece)
                yield from read_blocks(self._store.stream(loc, start, stop), loc.url, stop - start)

    def _loc(self, piece: Slice) -> Loc:
        return Loc(self._bucket, piece.run_file)
