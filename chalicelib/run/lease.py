"""A lease: one object, written conditionally, that lets one supervisor at a time do the waiting.

A lease saves work. It is never what makes a result right: clocks may disagree, and two may hold it at once.
"""

from __future__ import annotations

from msgspec import field
from msgspec.structs import replace

from ..core.errors import NotFound, SluiceError
from ..core.keys import Phase
from ..core.messages import Count, Message, decode, encode
from ..core.ports import Loc, Store

#: Seconds for which a lease is believed without renewal. Less than the minute after which Lambda retries.
TTL = 45.0
#: When the lease of a run that has ended expires: nobody need look again.
NEVER = 253_402_300_799.0
_ENDED = b""


class Watch(Message, frozen=True, kw_only=True):
    """What a supervisor has seen of a phase and leaves to the next one, so that silence adds up."""

    phase: Phase
    #: How many signs of life there were, and when that number last grew.
    done: Count
    moved: float
    #: For each task that was started again: its last attempt, and when that was started.
    started: dict[int, tuple[int, float]] = field(default_factory=dict)


class Lease(Message, frozen=True, kw_only=True):
    """Who holds a lease, and until when the holder may be believed alive."""

    #: The owner: an execution that supervises, or a run whose turn it is to merge.
    token: str
    #: The key of the event that started the holder.
    trigger: str
    expires: float
    renewals: Count = 0
    #: How often supervision was handed to a fresh invocation.
    hops: Count = 0
    watch: Watch | None = None

    @property
    def ended(self) -> bool:
        """The run is over, and nobody will take the lease again."""
        return self.expires >= NEVER


class LeaseHeld(SluiceError):
    """Somebody else holds the lease: `owner`, who may be believed alive until `expires`."""

    def __init__(self, loc: Loc, lease: Lease) -> None:
        who = "kept for good: its run has ended" if lease.ended else f"held by {lease.token or 'somebody'}"
        super().__init__(f"{loc.url}: {who}, until {lease.expires:.3f} (seconds since the epoch)")
        self.lease = lease
        self.owner = lease.token
        self.expires = lease.expires


class Leaser:
    """Takes, keeps and gives back one lease for one owner.

    `acquire` comes first. The other three say False, and write nothing, if somebody else has taken the lease.
    """

    def __init__(self, store: Store, loc: Loc, owner: str, *, trigger: str = "", hops: int = 0) -> None:
        self._store = store
        self._loc = loc
        #: The lease as this leaser last wrote it.
        self.lease = Lease(token=owner, trigger=trigger, expires=0.0, hops=hops)
        #: What the lease's etag must be for it to be ours.
        self._etag = ""

    def acquire(self, now: float, dead: Lease | None = None) -> Lease:
        """Take the lease if there is none, or if it has expired; raises LeaseHeld otherwise.

        A lease taken over keeps the `watch` of its last holder. The holder of `dead` is known to be gone,
        whatever that lease says of its expiry.
        """
        mine = replace(self.lease, expires=now + TTL, renewals=0)
        found = read(self._store, self._loc)
        if found is None:
            if self._store.put_if_absent(self._loc, encode(mine)):
                return self._holds(mine, self._store.head(self._loc).etag)
            found = read(self._store, self._loc)
            if found is None:  # taken and gone within a moment: the next event looks again
                raise LeaseHeld(self._loc, replace(mine, token=""))
        theirs, etag = found
        if theirs.expires > now and theirs != dead:
            raise LeaseHeld(self._loc, theirs)
        mine = replace(mine, watch=theirs.watch)
        taken = self._store.put_if_match(self._loc, encode(mine), etag)
        if taken is None:
            raise LeaseHeld(self._loc, theirs)
        return self._holds(mine, taken)

    def renew(self, now: float, watch: Watch | None = None) -> bool:
        """Put off the expiry. False if somebody else has taken the lease.

        `watch` is what the next holder must know should this one vanish; None leaves what is there.
        """
        return self._rewrite(now + TTL, self.lease.renewals + 1, watch)

    def release(self, watch: Watch | None = None) -> bool:
        """Let anybody take it at once; `watch` as in `renew`."""
        return self._rewrite(0.0, self.lease.renewals, watch)

    def end(self) -> bool:
        """The run has ended: let nobody take it again. The empty body is what a listing shows of it."""
        return self._store.put_if_match(self._loc, _ENDED, self._etag) is not None

    def _rewrite(self, expires: float, renewals: int, watch: Watch | None) -> bool:
        lease = replace(self.lease, expires=expires, renewals=renewals, watch=watch or self.lease.watch)
        etag = self._store.put_if_match(self._loc, encode(lease), self._etag)
        if etag is None:
            return False
        self._holds(lease, etag)
        return True

    def _holds(self, lease: Lease, etag: str) -> Lease:
        self.lease, self._etag = lease, etag
        return lease


def read(store: Store, loc: Loc) -> tuple[Lease, str] | None:
    """The lease as it stands and its etag, or None. A write between the two reads only costs a try."""
    try:
        info = store.head(loc)
        body = store.get(loc) if info.size else _ENDED
    except NotFound:
        return None
    if body == _ENDED:
        return Lease(token="", trigger="", expires=NEVER), info.etag
    return decode(Lease, body, loc.url), info.etag


def end(store: Store, loc: Loc) -> None:
    """The same of a run that nobody had to supervise. A lease that is there is left to whoever ends it."""
    store.put_if_absent(loc, _ENDED)


def held_by(store: Store, loc: Loc, owner: str) -> Leaser | None:
    """A leaser for what `owner` has acquired through another one; None if the owner has not got the lease."""
    found = read(store, loc)
    if found is None or found[0].token != owner or found[0].expires <= 0:
        return None
    leaser = Leaser(store, loc, owner)
    leaser._holds(*found)
    return leaser


def free(store: Store, loc: Loc) -> None:
    """Let anybody take a lease at once whose holder is known to be gone; what it left as `watch` stays."""
    found = read(store, loc)
    if found and 0.0 < found[0].expires < NEVER:
        store.put_if_match(loc, encode(replace(found[0], expires=0.0)), found[1])
