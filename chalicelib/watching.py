"""The messages of whoever supervises: a lease, and what one holder leaves to the next."""

from __future__ import annotations

from typing import Literal

from msgspec import field

from .messages import Count, Message


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
