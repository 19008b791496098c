"""The slices of run files that a task takes, of one partition after the other: as they are, or as blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from operator import attrgetter
from typing import NamedTuple, Self

from ...core.ports import Loc, Store
from .fetch import Fetch, Stretch, stretches
from .index import Slices
from .run_file import Block, read_blocks


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

    Of what is long several GETs are under way ahead of whoever reads; the next partitions' bytes are when all of those
    in hand are taken. Memory: `most` bytes of packed blocks. After reading, `bytes` says how many were asked for.
    Use as a context manager, which ends what is under way.
    """

    def __init__(self, store: Store, bucket: str, slices: Slices, most: int) -> None:
        self._store = store
        self._bucket = bucket
        self._slices = slices
        self._most = most
        self._rest: Iterator[Stretch] = iter(())
        self._next: _Held | None = None
        self.bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._next:
            self._next.close()

    def partitions(self, first: int, count: int) -> Iterator[tuple[int, Iterator[Block]]]:
        """Of partitions `first` up to `count`, those that have pairs: their blocks, in the order of map tasks."""
        for partition, frames in self.frames(first, count):
            yield (
                partition,
                chain.from_iterable(read_blocks(one.chunks, one.loc.url, one.size) for one in frames),
            )

    def frames(self, first: int, count: int) -> Iterator[tuple[int, Iterator[Frames]]]:
        """The same before it is unpacked. Each partition's are to be taken before the next is asked for."""
        self._rest = filter(attrgetter("bytes"), stretches(self._slices, first, count, self._most))
        self._begin_next()
        while held := self._next:
            self.bytes += held.stretch.bytes
            for partition, size in enumerate(held.stretch.sizes, held.stretch.first):
                if size:
                    yield partition, self._of(held, partition)
            if self._next is held:  # not all of the last partition was taken
                self._begin_next()

    def _begin_next(self) -> None:
        """Let go of the stretch in hand, and ask for the first bytes of the one behind it."""
        if self._next:
            self._next.close()
        stretch = next(self._rest, None)
        self._next = stretch and self._begun(stretch)

    def _begun(self, stretch: Stretch) -> _Held:
        wanted = self._slices.wanted(stretch.first, stretch.last)
        ranges = [(self._loc(number), start, stop) for number, start, stop in wanted]
        alone = stretch.last == stretch.first + 1
        return _Held(
            stretch, wanted, Fetch(self._store, ranges, self._slices.reads, self._most), keep=not alone
        )

    def _of(self, held: _Held, partition: int) -> Iterator[Frames]:
        """One partition's frames; behind the last partition of a stretch the next one is begun."""
        begin, end = self._slices.column(partition), self._slices.column(partition + 1)
        parts = [
            (nth, number, begin[number], end[number])
            for nth, (number, _, _) in enumerate(held.wanted)
            if begin[number] < end[number]
        ]
        return self._frames(
            held, parts, last=not any(held.stretch.sizes[partition + 1 - held.stretch.first :])
        )

    def _frames(
        self, held: _Held, parts: Sequence[tuple[int, int, int, int]], *, last: bool
    ) -> Iterator[Frames]:
        for nth, number, begin, end in parts:
            yield Frames(number, self._loc(number), held.chunks(nth, begin, end), end - begin)
        if last:
            self._begin_next()

    def _loc(self, number: int) -> Loc:
        """The run file with this number."""
        return Loc(self._bucket, self._slices.run_files[number])


class _Held:
    """The bytes of a stretch in each run file: as they come, or kept if several partitions are cut out of them."""

    def __init__(
        self, stretch: Stretch, wanted: Sequence[tuple[int, int, int]], fetch: Fetch, *, keep: bool
    ) -> None:
        self.stretch, self.wanted, self.fetch = stretch, wanted, fetch
        self._kept: list[list[bytes]] | None = [] if keep else None

    def close(self) -> None:
        """End what is under way, and let go of what is kept."""
        self.fetch.__exit__()
        self._kept = []

    def chunks(self, nth: int, begin: int, end: int) -> Iterator[bytes]:
        """Bytes `[begin, end)` of the nth run file that is wanted. Asks for nothing before it is read."""
        kept = self._kept
        if kept is None:
            yield from self.fetch.chunks(nth)
            return
        while len(kept) <= nth:
            kept.append([*self.fetch.chunks(len(kept))])
        at = self.wanted[nth][1]
        for chunk in kept[nth]:
            if begin < at + len(chunk) and at < end:
                yield chunk[max(begin - at, 0) : end - at]
            at += len(chunk)
