"""The messages of `accumulate`: what the totals are made of, what waits to be merged, what is shown."""

from __future__ import annotations

from .messages import Count, Message


class StatePart(Message, frozen=True, kw_only=True, array_like=True):
    """An object of typed pairs: keys and the states of an aggregator. `edges` as in `Part`."""

    key: str
    bytes: Count
    etag: str
    edges: tuple[Count, ...] = ()


class Waiting(Message, frozen=True, kw_only=True):
    """The states of a run that is not merged yet."""

    run: str
    parts: tuple[StatePart, ...]


class Pointer(Message, frozen=True, kw_only=True):
    """Which states are the totals. Each is written over the one before, if that is still what it was."""

    #: How many merges there were before this and with it.
    generation: Count
    #: Which step of which run made it: no two pointers have the same bytes.
    run: str = ""
    step: Count = 0
    #: How many runs withdrew since that merge, and the last that did.
    withdrawals: Count = 0
    withdrawn: str = ""
    parts: tuple[StatePart, ...] = ()
    #: The runs that this merge added; those of earlier ones have markers.
    recent: tuple[str, ...] = ()


class TotalsPlan(Message, frozen=True, kw_only=True):
    """What a merge with the totals, or their rendering, was planned on."""

    #: Of the pointer that was read; "" if there was none.
    etag: str
    #: The generation that a merge would make, or that is rendered.
    generation: Count
    #: The runs whose states are merged.
    runs: tuple[str, ...] = ()


class ShownPart(Message, frozen=True, kw_only=True):
    """An object of results."""

    key: str
    bytes: Count
    records: Count


class Shown(Message, frozen=True, kw_only=True):
    """`_totals.json`: where the results are that have everything in them up to a generation."""

    job: str
    generation: Count
    #: The run that wrote the parts.
    run: str
    records: Count
    bytes: Count
    parts: tuple[ShownPart, ...]
