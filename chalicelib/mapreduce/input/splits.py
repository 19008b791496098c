"""Cut objects into splits, and pack splits into tasks. Pure arithmetic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from ...core.plan import Split
from ...core.ports import ObjectInfo
from ...core.spec import MIB

#: Bytes of a split where the job does not say, and so many of them are aimed at: requests grow with their number.
#: What a task spills must fit the 512 MB of disk that a function has, even if it cannot be compressed.
LEAST_SPLIT, MOST_SPLIT, SPLITS = 64 * MIB, 384 * MIB, 1000
#: Splits in one task; so that a hundred thousand tiny objects do not make one endless task.
MAX_SPLITS = 4096


def split_size(given: int | None, input_bytes: int) -> int:
    """Bytes of a split: what the job says, or about a thousandth of the input, in whole MiB."""
    if given is not None:
        return given
    fair = -(-input_bytes // (SPLITS * MIB)) * MIB
    return min(max(fair, LEAST_SPLIT), MOST_SPLIT)


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
