"""The shape of recursive invocation: a k-ary tree over task numbers.

The node for `[lo, hi)` starts the roots of its sub-ranges, then does task `lo` itself. With 32 children
a node, 10 000 tasks are three hops deep, where a chain would be 10 000 (and AWS stops chains at about 16).
"""

from __future__ import annotations

from collections.abc import Iterator

FAN_OUT = 32
#: No run needs a deeper tree: 32 ** 12 tasks. A deeper call is a loop.
MAX_HOPS = 12


def children(lo: int, hi: int, fan_out: int = FAN_OUT) -> Iterator[tuple[int, int]]:
    """The ranges that the node for `[lo, hi)` hands on: at most `fan_out`, disjoint, all of `(lo, hi)`."""
    count = hi - lo - 1
    if count <= 0:
        return
    width, wider = divmod(count, min(fan_out, count))
    start = lo + 1
    for number in range(min(fan_out, count)):
        stop = start + width + (number < wider)
        yield start, stop
        start = stop
