"""Cut objects into splits, pack splits into tasks, choose how many partitions. Pure arithmetic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from .model import Split
from .ports import ObjectInfo
from .spec import MIB

#: Splits in one task; so that a hundred thousand tiny objects do not make one endless task.
MAX_SPLITS = 4096
#: Inputs up to this size come out as one part, sorted from end to end.
ONE_PARTITION = 8 * MIB
MAX_PARTITIONS = 4096


def cut(bucket: str, info: ObjectInfo, split_size: int, splittable: bool) -> Iterator[Split]:
    """Ranges of at most `split_size` bytes, as even as can be, that cover an object; one if it cannot be split.

    An empty object has no splits.
    """
    pieces = -(-info.size // split_size) if splittable else 1
    edges = [info.size * number // pieces for number in range(pieces + 1)] if info.size else []
    for start, stop in pairwise(edges):
        yield Split(
            bucket=bucket,
            key=info.key,
            etag=info.etag,
            start=start,
            stop=stop,
            size=info.size,
        )


def cut_at(bucket: str, info: ObjectInfo, split_size: int, edges: Iterable[int]) -> Iterator[Split]:
    """Ranges of about `split_size` bytes that begin at some of the `edges`; one if there are none."""
    start = 0
    for stop in (*edges, info.size):
        if stop > start and (stop - start >= split_size or stop == info.size):
            yield Split(bucket=bucket, key=info.key, etag=info.etag, start=start, stop=stop, size=info.size)
            start = stop


def pack(splits: Iterable[Split], split_size: int) -> Iterator[tuple[Split, ...]]:
    """Tasks of about `split_size` bytes: neighbours together, in the order given.

    Keeping the order (rather than the best fit) makes the values of a key come in input order for
    every split size.
    """
    task: list[Split] = []
    held = 0
    for split in splits:
        size = split.stop - split.start
        if task and (held + size > split_size or len(task) >= MAX_SPLITS):
            yield tuple(task)
            task, held = [], 0
        task.append(split)
        held += size
    if task:
        yield tuple(task)


def default_partitions(input_bytes: int, reduce_size: int, least: int = 16) -> int:
    """A power of two from `least` to 4 096, about four for each `reduce_size` of input; 1 for little input."""
    if input_bytes <= ONE_PARTITION:
        return 1
    wanted = -(-input_bytes * 4 // reduce_size)
    return min(max(1 << (wanted - 1).bit_length(), least), MAX_PARTITIONS)


def pack_partitions(sizes: list[int], reduce_size: int, most: int | None = None) -> list[tuple[int, int]]:
    """Contiguous ranges of partitions `[first, last)` of about `reduce_size` bytes, by their real sizes.

    Covers all partitions; one larger than `reduce_size` gets a range of its own, but for empty ones. There
    are at most `most` ranges, which are larger if they must be.
    """
    ranges = _packed(sizes, reduce_size)
    if most is not None and len(ranges) > most:
        low, high = reduce_size, sum(sizes)
        while low < high:
            middle = (low + high) // 2
            if len(_packed(sizes, middle)) > most:
                low = middle + 1
            else:
                high = middle
        ranges = _packed(sizes, low)
    return ranges


def _packed(sizes: list[int], reduce_size: int) -> list[tuple[int, int]]:
    ranges: list[tuple[int, int]] = []
    first, held = 0, 0
    for partition, size in enumerate(sizes):
        if held and size and held + size > reduce_size:
            ranges.append((first, partition))
            first, held = partition, 0
        held += size
    ranges.append((first, len(sizes)))
    return ranges
