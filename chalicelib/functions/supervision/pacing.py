"""When a supervisor looks at the store again, when it renews its lease, and when it hands over.

Plain arithmetic; everything is in seconds.
"""

from __future__ import annotations

from ...run.lease import TTL

#: Between two looks at the store, and the share of a run's age that this is.
SHORTEST, LONGEST = 0.1, 5.0
_SHARE = 0.1
#: Looks in the time after which a task is slow, and how many such times of silence they go on for.
_LOOKS, _NEAR = 30, 4
#: What a supervisor keeps of its own timeout in order to hand over, and the share of a short timeout that this
#: may be: a supervisor that handed over at once, again and again, would be a busy loop.
RESERVE = 20.0
_RESERVE_SHARE = 0.7
#: How old an event is that had to wait for a slot. S3 delivers nearly all of its events within a second or two.
LATE = 10.0
#: How old a run is whose few tasks are not waited for any more until half of them are done: markers take a second to
#: call somebody, which only a short run would notice.
YOUNG = 5.0
#: Hand-overs before a run is taken for endless; at the default timeout this is three days.
MAX_HOPS = 1000


def until_next_look(age: float, silent: float = 0.0, slow_after: float | None = None) -> float:
    """A tenth of the run's age, so that looking costs little and never delays a run by much more.

    `silent` is for how long nothing was heard of the phase, `slow_after` how much of that makes a straggler, once
    that is known. Then half of the phase is done, and looks come more often.
    """
    pause = min(max(SHORTEST, age * _SHARE), LONGEST)
    if slow_after is None:
        return pause
    return min(pause, _until_slow(slow_after - silent), _near_the_end(silent, slow_after))


def _until_slow(left: float) -> float:
    """Until a straggler would show, if that is still to come or has only just been."""
    return max(left, 0.0) + SHORTEST if left > -LONGEST else LONGEST


def _near_the_end(silent: float, slow_after: float) -> float:
    """The rest of the phase should be done in a median: look often for as long as that may be."""
    return max(slow_after / _LOOKS, SHORTEST) if silent <= _NEAR * slow_after else LONGEST


def reserve(remaining: float) -> float:
    """How long before its timeout a supervisor hands over, if it has `remaining` seconds when it begins."""
    return min(RESERVE, remaining * _RESERVE_SHARE)


def renewal_is_due(expires: float, now: float) -> bool:
    """A lease is renewed three times in the time for which it is believed."""
    return now >= expires - TTL * 2 / 3


def until_holder_shows(left: float) -> float:
    """How long to wait for a sign of life from the holder of a lease that expires in `left` seconds."""
    return min(max(left, 0.05), TTL / 3 + 1)
