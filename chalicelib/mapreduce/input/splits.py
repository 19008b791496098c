"""Cut objects into splits, and pack splits into tasks. Pure arithmetic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from ...core.plan import Split
from ...core.ports import ObjectInfo
from ...core.spec import GIB, MIB, JobSpec

#: Bytes of a split where the job does not say, and so many of them are aimed at: requests grow with their number.
#: What a task spills must fit three quarters of the disk that its function has, even if it cannot be compressed: 512 MB
#: unless the job says more. A task of more than the last is too long to be done again.
LEAST_SPLIT, MOST_SPLIT, SPLITS = 64 * MIB, 384 * MIB, 1000
LARGEST_SPLIT = 4 * GIB
#: Up to so many bytes are one task of a run that one mapper may bring to its end: at more than 23 MB a second it ends
#: sooner than two tasks and what goes on between them and a reducer do (`scripts/plan.py`), for half the money.
FEW = 96 * MIB
#: Splits in one task; so that a hundred thousand tiny objects do not make one endless task.
MAX_SPLITS = 4096


def split_size(spec: JobSpec, input_bytes: int) -> int:
    """Bytes of a split: what the job says, or about a thousandth of the input, in whole MiB."""
    if spec.split_size is not None:
        return spec.split_size
    if spec.map_tasks is not None:
        return max(1, -(-input_bytes // spec.map_tasks))
    fair = -(-input_bytes // (SPLITS * MIB)) * MIB
    return min(max(fair, LEAST_SPLIT), _most_split(spec))


def _most_split(spec: JobSpec) -> int:
    disk = spec.lambda_.ephemeral_storage
    return min(disk * MIB * 3 // 4, LARGEST_SPLIT) if disk else MOST_SPLIT


def cut(bucket: str, info: ObjectInfo, split_size: int, splittable: bool) -> Iterator[Split]:
    """Ranges of at most `split_size` bytes, as even as can be, that cover an object; one if it cannot be split.

    An empty object has no splits.
    """
    pieces = -(-info.size // split_size) if splittable else 1
    yield from between(bucket, info, [info.size * number // pieces for number in range(1, pieces)])


def between(bucket: str, info: ObjectInfo, edges: Iterable[int]) -> Iterator[Split]:
    """The ranges of an object between `edges`, which ascend and lie inside of it; an empty object has none."""
    for start, stop in pairwise((0, *edges, info.size)):
        if start < stop:
            yield Split(bucket=bucket, key=info.key, etag=info.etag, start=start, stop=stop, size=info.size)


def cut_at(bucket: str, info: ObjectInfo, split_size: int, edges: Iterable[int]) -> Iterator[Split]:
    """Ranges of about `split_size` bytes that begin at some of the `edges`; one if there are none."""
    start = 0
    for stop in (*edges, info.size):
        if stop > start and (stop - start >= split_size or stop == info.size):
            yield Split(bucket=bucket, key=info.key, etag=info.etag, start=start, stop=stop, size=info.size)
            start = stop


def shared_edges(size: int, before: int, total: int, tasks: int) -> Iterator[int]:
    """Where an object of `size` bytes is cut so that all objects, of `total` bytes, make so many equal tasks.

    `before` are the bytes of the objects before it.
    """
    first, last = (number * tasks // total for number in (before, before + size - 1)) if size else (0, 0)
    for number in range(first + 1, last + 1):
        yield -(-number * total // tasks) - before


def share(splits: Iterable[Split], total: int, tasks: int) -> Iterator[tuple[Split, ...]]:
    """At most so many tasks (more only if one had over 4 096 splits), cut as `shared_edges` says, in the order given.

    A split that could not be cut is done by the task to which its first byte belongs.
    """
    at, number, task = 0, 0, list[Split]()
    for split in splits:
        mine = at * tasks // total
        if task and (mine != number or len(task) >= MAX_SPLITS):
            yield tuple(task)
            task = []
        number = mine
        task.append(split)
        at += split.stop - split.start
    if task:
        yield tuple(task)


def line_edges(chunks: Iterable[bytes], lines: int) -> Iterator[int]:
    """The byte behind every so many lines of an object whose bytes these are."""
    at, left = 0, lines
    for chunk in chunks:
        found = chunk.count(b"\n")
        end = 0
        while found >= left:
            for _ in range(left):
                end = chunk.index(b"\n", end) + 1
            yield at + end
            found, left = found - left, lines
        left -= found
        at += len(chunk)


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
