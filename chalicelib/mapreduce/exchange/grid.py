"""Groups of map tasks and of reduce tasks, between each two of which one exchange task stands. Pure arithmetic.

reads      M run files x J groups of reduce tasks, then R reduce tasks x G groups of map tasks
J, G       sqrt(R), and min(R, M) / J: no more than 2 M sqrt(R) reads, and tasks of about a reduce task's bytes, or,
           where there are more reduce tasks than map tasks, of about a map task's; G is larger where that is too
           much to be held at once
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import ceil, isqrt

from ...core.tasks import ReduceTask, RowGroup

#: The part of the budget that fetched, still packed slices may take.
PACKED_SHARE = 4
#: Reads of run files up to which a second level is not worth a thought.
FEW = 10_000


def groups(tasks: int, reducers: int, size: float, budget: int) -> tuple[int, int]:
    """(groups of map tasks, groups of reduce tasks) for so many of both; at least one of each.

    There are `size` bytes of run files, and a task that held more than its part of `budget` would go through its run
    files more than once: then there are more groups of map tasks.
    """
    columns = isqrt(max(reducers, 1) - 1) + 1  # rounded up
    rows = max(ceil(min(tasks, reducers) / columns), ceil(size / columns / max(1, budget // PACKED_SHARE)))
    return max(1, min(rows, tasks)), columns


def rows(blocks: Sequence[int], wanted: int) -> tuple[RowGroup, ...]:
    """About `wanted` groups of run files, of which there are so many in each block of the index.

    A group is of one block, so that a task reads no other; there are as many groups as blocks at least.
    """
    total, found = sum(blocks), []
    for number, count in enumerate(blocks):
        parts = max(1, min(count, round(wanted * count / total))) if count else 0
        found += [RowGroup(block=number, first=first, last=last) for first, last in _even(count, parts)]
    return tuple(found)


def columns(tasks: Sequence[ReduceTask], wanted: int) -> tuple[tuple[int, int], ...]:
    """Partitions of `wanted` groups of reduce tasks, or fewer: `[first, last)`, in order, all of them."""
    return tuple(
        (tasks[first].first, tasks[last - 1].last)
        for first, last in _even(len(tasks), min(wanted, len(tasks)))
    )


def _even(count: int, parts: int) -> list[tuple[int, int]]:
    """`[0, count)` in so many ranges that differ by one at most."""
    return list(pairwise(count * part // parts for part in range(parts + 1))) if parts else []
