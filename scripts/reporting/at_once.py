"""How many attempts ran at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from chalicelib.run.status.attempts import Attempt

Span = tuple[float, float]


def most_at_once(spans: Iterable[Span], begun: float, ended: float, buckets: int) -> list[int]:
    """Of the time between the two, in so many buckets, the most spans that were open at a moment of each."""
    width = (ended - begun) / buckets or 1.0
    changes: Counter[float] = Counter()
    for start, stop in spans:
        changes[start] += 1
        changes[stop] -= 1
    found, level, place = [0] * buckets, 0, 0
    for time in sorted(changes):
        position = (time - begun) / width
        bucket = min(buckets - 1, max(0, int(position)))
        while place < bucket:
            place += 1
            found[place] = level
        if position == bucket:  # who ended as the bucket began was not in it
            found[bucket] = 0
        level += changes[time]
        found[bucket] = max(found[bucket], level)
    found[place + 1 :] = [level] * (buckets - place - 1)
    return found


def spans(attempts: Iterable[Attempt], ended: float, phase: str) -> Sequence[Span]:
    """When the attempts of a phase worked, as far as they told."""
    return [
        (one.started, ended if one.finished is None else one.finished)
        for one in attempts
        if one.phase == phase and one.started is not None
    ]
