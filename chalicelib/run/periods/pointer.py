"""The pointer of a job with `trigger: every`: the newest period, and what was taken by then.

It only moves from one period to the next, by a write that succeeds over the very pointer that the period was made on.
So of several ticks that look at once one takes what is new, and the others come to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...core.errors import NotFound, PreconditionFailed
from ...core.messages import Count, Message, decode, encode
from ...core.ports import Loc, Store
from ..events import Created, created, put_again
from .keys import PeriodKeys


class Period(Message, frozen=True, kw_only=True):
    """What the run of one period is given. The object `<number>.period` holds it, and starts the run."""

    number: Count
    #: Key of the list of its objects, in the work place.
    objects: str
    count: Count
    bytes: Count
    #: When it was made, in seconds since the epoch: the time of the event that starts its run.
    sent: float


class TickFailed(Message, frozen=True, kw_only=True):
    """A tick that came to nothing, three times. The next one does it all; that there are several is worth knowing."""

    function: str
    #: What Lambda says of it, and the error's type and text, if its process could tell.
    condition: str
    error: str = ""
    message: str = ""
    at: float = 0.0


class Pointer(Message, frozen=True, kw_only=True):
    """Each is written over the one before, if that is still what it was."""

    #: Of whoever wrote it: no two pointers have the same bytes.
    token: str = ""
    #: The newest period; None: nothing was taken yet.
    period: Period | None = None
    #: Whether its run is known to have begun.
    begun: bool = False
    #: Key of the record of what was taken, with this period.
    taken: str = ""
    #: Bucket and key behind which the next listing begins, where the last one took all the time there was.
    after: tuple[str, str] = ("", "")


@dataclass(frozen=True)
class Standing:
    """The pointer as it was at one moment; `etag` is "" before there is one."""

    pointer: Pointer
    etag: str

    @property
    def next_number(self) -> int:
        return self.pointer.period.number + 1 if self.pointer.period else 1


def read(store: Store, keys: PeriodKeys) -> Standing:
    """The pointer as it is now."""
    while True:
        try:
            etag = store.head(keys.pointer).etag
            body = store.get(keys.pointer, etag=etag)
        except NotFound:
            return Standing(Pointer(), "")
        except PreconditionFailed:
            continue  # written between the two
        return Standing(decode(Pointer, body, keys.pointer.url), etag)


def swap(store: Store, keys: PeriodKeys, standing: Standing, pointer: Pointer) -> bool:
    """Write `pointer` over the one that was read; False if somebody was faster."""
    body = encode(pointer)
    if not standing.etag:
        return store.put_if_absent(keys.pointer, body)
    return store.put_if_match(keys.pointer, body, standing.etag) is not None


def event_of(loc: Loc, period: Period, again: str = "") -> dict[str, Any]:
    """The event that starts a period's run: a function of the period, so that twice the same event is one run.

    `loc` is where the period lies. With `again` it starts another run, over what is still as it was then.
    """
    return put_again(loc, "", period.sent, again)


def created_of(loc: Loc, period: Period) -> Created:
    """The same, as it is read of the event."""
    (item,) = created(event_of(loc, period))
    return item
