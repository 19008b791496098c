"""Seats: how many supervisors of a job may wait at once.

A function that waits holds one of the slots in which the account's functions run, and where slots are few, those who
wait keep from running what they wait for. So a supervisor waits only if it has a seat, and there is one for every
forty slots. Without a seat it looks, does what can be done now, and returns: the next marker, failure or
on-failure event makes another one look.

A seat is a lease of the job's. Like any lease it saves work, and is never what makes a result right.
"""

from __future__ import annotations

from zlib import crc32

from ...core.keys import RunKeys
from ...core.ports import Store
from ...run.lease import LeaseHeld, Leaser

#: One slot in so many may wait, and no more than so many in all.
_SHARE, _MOST = 40, 50
#: Seats of a job whose account does not tell how many slots it has.
UNKNOWN = 1
#: Seats to try before a supervisor does without.
_TRIES = 2


def seats_for(concurrency: int | None) -> int:
    """How many supervisors of a job may wait where so many functions may run at once (None: not known)."""
    return UNKNOWN if concurrency is None else min(concurrency // _SHARE, _MOST)


def take(store: Store, keys: RunKeys, seats: int, token: str, now: float) -> Leaser | None:
    """A free seat of the job, or None. `token` tells this execution from others, and where to begin to look."""
    first = crc32(token.encode())
    for number in range(first, first + min(seats, _TRIES)):
        leaser = Leaser(store, keys.seat(number % seats), token)
        try:
            leaser.acquire(now)
        except LeaseHeld:
            continue
        return leaser
    return None
