"""Slices of run files for a reduce task: which to fetch together, and several reads under way at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, Protocol

from ...core.ports import Loc, Store

#: Reads under way that one prefix of S3 serves: 5 500 a second, each of which takes about 30 ms.
_ONE_PREFIX = 160
_LEAST_READS = 4

#: (object, first byte, byte after the last; None for its end)
Range = tuple[Loc, int, int | None]


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


def fetch_all(store: Store, ranges: Iterable[Range], most: int | None = None) -> Iterator[bytes]:
    """The bytes of each range, in order; as many ahead of the consumer as the store is worth, and `most` allows."""
    breadth = store.parallel_reads if most is None else min(store.parallel_reads, most)
    if not breadth:
        for loc, start, stop in ranges:
            yield store.get(loc, start, stop)
        return
    with ThreadPoolExecutor(breadth) as pool:
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
