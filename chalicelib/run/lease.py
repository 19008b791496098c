"""A lease: four operations on conditional writes that let one supervisor at a time do the waiting.

It saves work and is never what makes a result right: clocks may disagree and two may hold it at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from msgspec import field
from msgspec.structs import replace

from ..core.errors import NotFound
from ..core.messages import Count, Message, decode, encode
from ..core.ports import Loc, Store

#: Seconds a lease is believed without renewal. Less than the minute after which Lambda retries.
TTL = 45.0
#: Expiry of the lease of a run that has ended: nobody need look again.
NEVER = 253_402_300_799.0
_ENDED = b""


@dataclass
class Held:
    """A lease in hand; `etag` is what the next conditional write must match."""

    store: Store
    loc: Loc
    lease: Lease
    etag: str

    def renew(self, now: float, watch: Watch | None = None) -> bool:
        """Put off the expiry. False if somebody else has taken the lease.

        `watch` is what the next holder shall know should this one vanish; None leaves what is there.
        """
        return self._replace(now + TTL, self.lease.renewals + 1, watch)

    def release(self, watch: Watch | None = None) -> bool:
        """Let anybody take it at once."""
        return self._replace(0.0, self.lease.renewals, watch)

    def end(self) -> bool:
        """The run has ended: let nobody take it again. The empty body is what a listing shows of it."""
        return self.store.put_if_match(self.loc, _ENDED, self.etag) is not None

    def _replace(self, expires: float, renewals: int, watch: Watch | None = None) -> bool:
        lease = Lease(
            token=self.lease.token,
            trigger=self.lease.trigger,
            expires=expires,
            renewals=renewals,
            hops=self.lease.hops,
            watch=watch or self.lease.watch,
        )
        etag = self.store.put_if_match(self.loc, encode(lease), self.etag)
        if etag is None:
            return False
        self.lease, self.etag = lease, etag
        return True


def read(store: Store, loc: Loc) -> tuple[Lease, str] | None:
    """The lease as it stands and its etag, or None. A write between the two reads only costs a try."""
    try:
        etag = store.head(loc).etag
        body = store.get(loc)
    except NotFound:
        return None
    return (decode(Lease, body, loc.url) if body != _ENDED else _over()), etag


def _over() -> Lease:
    return Lease(token="", trigger="", expires=NEVER)


def acquire(
    store: Store, loc: Loc, token: str, trigger: str, now: float, hops: int, dead: Lease | None = None
) -> Held | Lease:
    """Take the lease if there is none or it has expired; else the live one, which somebody holds.

    A lease taken over brings what its last holder left as `watch`. `dead` is one whose holder is known to be
    gone, whatever it says of its expiry.
    """
    found = read(store, loc)
    mine = Lease(token=token, trigger=trigger, expires=now + TTL, hops=hops)
    if found is None:
        if store.put_if_absent(loc, encode(mine)):
            return Held(store, loc, mine, store.head(loc).etag)
        found = read(store, loc)
        if found is None:
            return mine  # taken and gone within a moment: treat it as live, the next event looks again
    theirs, etag = found
    if theirs.expires > now and theirs != dead:
        return theirs
    mine = replace(mine, watch=theirs.watch)
    taken = store.put_if_match(loc, encode(mine), etag)
    return Held(store, loc, mine, taken) if taken else theirs


def free(store: Store, loc: Loc) -> None:
    """Let anybody take a lease at once whose holder is known to be gone; what it left as `watch` stays."""
    found = read(store, loc)
    if found and 0.0 < found[0].expires < NEVER:
        store.put_if_match(loc, encode(replace(found[0], expires=0.0)), found[1])


class Watch(Message, frozen=True, kw_only=True):
    """What a supervisor has seen of a phase and leaves to the next one, so that silence adds up."""

    phase: Literal["map", "reduce"]
    #: How many tasks were done, and when that number last grew.
    done: Count
    moved: float
    #: For each task started again, its last attempt and when that was started.
    started: dict[int, tuple[int, float]] = field(default_factory=dict)


class Lease(Message, frozen=True, kw_only=True):
    """Who supervises a run, and until when it may be believed alive."""

    token: str
    #: The key of the event that started the holder.
    trigger: str
    expires: float
    renewals: Count = 0
    #: How often supervision was handed to a fresh invocation.
    hops: Count = 0
    watch: Watch | None = None
