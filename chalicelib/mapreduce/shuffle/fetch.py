"""Slices of run files for a reduce task: which to fetch together, and several reads under way at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

from ...core.ports import Loc, Store
from ...core.tasks import Slice

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


def stretches(slices: Sequence[Slice], first: int, count: int, most: int) -> Iterator[Stretch]:
    """A task's partitions from `first` up to `count`, as many together as have at most `most` bytes.

    A partition that has more is a stretch of its own.
    """
    sizes = [sum(piece.offsets[i + 1] - piece.offsets[i] for piece in slices) for i in range(count)]
    while first < count:
        last, held = first + 1, sizes[first]
        while last < count and held + sizes[last] <= most:
            held += sizes[last]
            last += 1
        yield Stretch(first, last, sizes[first:last])
        first = last


def fetch_all(store: Store, ranges: Iterable[Range]) -> Iterator[bytes]:
    """The bytes of each range, in order; as many ahead of the consumer as the store is worth."""
    if not store.parallel_reads:
        for loc, start, stop in ranges:
            yield store.get(loc, start, stop)
        return
    with ThreadPoolExecutor(store.parallel_reads) as pool:
        ahead: deque[Future[bytes]] = deque()
        try:
            for loc, start, stop in ranges:
                ahead.append(pool.submit(store.get, loc, start, stop))
                if len(ahead) > 2 * store.parallel_reads:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()
