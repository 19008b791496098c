"""Slices of run files for a reduce task: which to fetch together, and several reads under way at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self, TypeVar

from ...core.ports import Loc, Store

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

T = TypeVar("T")
#: Reads under way that one prefix of S3 serves: 5 500 a second, each of which takes about 30 ms.
_ONE_PREFIX = 160
_LEAST_READS = 4
#: Bytes of one GET of a long range; the first brings a part of that, as whoever reads has nothing to do before.
PIECE, _FIRST_SHARE = 8 << 20, 8
#: Bytes that are read ahead of whoever works on them, at most: eight pieces under way bring some 480 MB/s.
_AHEAD = 8 * PIECE

#: (object, first byte, byte after the last; None for its end)
Range = tuple[Loc, int, int | None]
#: The same of which the end is known.
Span = tuple[Loc, int, int]


class Stretch(NamedTuple):
    """Partitions `[first, last)` of a reduce task, and how many bytes of run files each of them has."""

    first: int
    last: int
    sizes: list[int]

    @property
    def bytes(self) -> int:
        return sum(self.sizes)


class Sizes(Protocol):
    """What is known of a reduce task's partitions."""

    def size(self, partition: int) -> int:
        """Bytes of a partition in all run files."""


def stretches(slices: Sizes, first: int, count: int, most: int) -> Iterator[Stretch]:
    """A task's partitions from `first` up to `count`, as many together as have at most `most` bytes.

    A partition that has more is a stretch of its own.
    """
    sizes: list[int] = []
    held = 0
    for partition in range(first, count):
        size = slices.size(partition)
        if sizes and held + size > most:
            yield Stretch(first, partition, sizes)
            first, sizes, held = partition, [], 0
        sizes.append(size)
        held += size
    if sizes:
        yield Stretch(first, count, sizes)


def share_of_reads(readers: int) -> int:
    """How many reads each of so many tasks should have under way: together no more than S3 serves under one prefix.

    Few tasks get through their run files faster; many would only be told to slow down.
    """
    return max(_LEAST_READS, _ONE_PREFIX // max(readers, 1))


def _pool(threads: int, name: str) -> ThreadPoolExecutor:
    from concurrent.futures import ThreadPoolExecutor  # not where files are read in line

    return ThreadPoolExecutor(threads, name)


def fetch_all(store: Store, ranges: Iterable[Range], most: int | None = None) -> Iterator[bytes]:
    """The bytes of each range, in order; as many ahead of the consumer as the store is worth, and `most` allows."""
    breadth = store.parallel_reads if most is None else min(store.parallel_reads, most)
    if not breadth:
        for loc, start, stop in ranges:
            yield store.get(loc, start, stop)
        return
    with _pool(breadth, "fetch-all") as pool:
        ahead: deque[Future[bytes]] = deque()
        try:
            for loc, start, stop in ranges:
                ahead.append(pool.submit(store.get, loc, start, stop))
                if len(ahead) > 2 * breadth:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()


@contextmanager
def beside(store: Store, read: Callable[[], T]) -> Iterator[Callable[[], T]]:
    """Yields a function that returns what `read` does, which runs beside the caller, or when it is asked for in line.

    It ends with the block. What a read meets that nobody asks for concerns nobody.
    """
    if not store.parallel_reads:
        yield read
        return
    with _pool(1, "beside") as pool:
        yield pool.submit(read).result


class Fetch:
    """Long ranges read ahead, in pieces of up to 8 MiB: several are under way while the caller works on those before.

    Memory: `most` bytes of pieces that are under way or wait (64 MiB, if that is less), or one piece. Where the store
    is read in line, nothing is read ahead. What a read meets is raised where its range is asked for. Use as a context
    manager, which ends what is under way.
    """

    def __init__(
        self, store: Store, ranges: Sequence[Span], reads: int, most: int, piece: int = PIECE
    ) -> None:
        """`reads`: how many may be under way at once, as far as the store is worth them."""
        self._store, self._ranges, self._most, self._piece = store, ranges, min(most, _AHEAD), piece
        self._breadth = min(store.parallel_reads, reads)
        self._rest = deque(_pieces(ranges, piece) if self._breadth else ())
        #: Pieces under way or waiting to be read, and their bytes.
        self._ahead: deque[tuple[_Piece, Future[bytes]]] = deque()
        self._held = 0
        self._ask()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if "_pool" in vars(self):
            self._pool.shutdown(wait=True, cancel_futures=True)

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return _pool(max(self._breadth, 1), "fetch")

    def chunks(self, number: int) -> Iterator[bytes]:
        """The bytes of a range; of those before it nothing can be had any more."""
        if not self._breadth:
            yield from self._in_line(*self._ranges[number])
            return
        self._pass_over(number)
        while self._ahead and self._ahead[0][0].number == number:
            piece, future = self._ahead.popleft()
            body = future.result()
            self._held -= piece.size
            self._ask()
            yield body

    def _in_line(self, loc: Loc, start: int, stop: int) -> Iterator[bytes]:
        if stop - start <= min(self._piece, self._most):
            yield self._store.get(loc, start, stop)
        else:
            yield from self._store.stream(loc, start, stop)

    def _pass_over(self, number: int) -> None:
        """Leave out the ranges before this one."""
        while self._ahead and self._ahead[0][0].number < number:
            piece, future = self._ahead.popleft()
            future.cancel()
            self._held -= piece.size
        while self._rest and self._rest[0].number < number:
            self._rest.popleft()
        self._ask()

    def _ask(self) -> None:
        """Keep as many under way as the store is worth, and as may be held."""
        while self._rest and len(self._ahead) < 2 * self._breadth:
            piece = self._rest[0]
            if self._ahead and self._held + piece.size > self._most:
                return
            self._rest.popleft()
            self._held += piece.size
            loc = self._ranges[piece.number][0]
            self._ahead.append((piece, self._pool.submit(self._store.get, loc, piece.start, piece.stop)))


class _Piece(NamedTuple):
    """A part of a range, whose number it has."""

    number: int
    start: int
    stop: int

    @property
    def size(self) -> int:
        return self.stop - self.start


def _pieces(ranges: Sequence[Span], size: int) -> Iterator[_Piece]:
    for number, (_, start, stop) in enumerate(ranges):
        first = max(1, size // _FIRST_SHARE) if not number and stop - start > size else size
        for begin, end in pairwise((start, *range(start + first, stop, size), stop)):
            yield _Piece(number, begin, end)
