"""The last messages of a run: the verdict that ends it, and the manifest that describes the result."""

from __future__ import annotations

from typing import Literal

from msgspec import field

from .messages import Count, Message, Stats, Wasted
from .plan import LeftOut, LoopDone
from .tasks import Failure, Part


class Stopped(Message, frozen=True, kw_only=True):
    """That somebody stopped a run, and how far it had come: behind that, markers in its work place mean nothing."""

    #: Who, as people know them.
    by: str
    why: str = ""
    at: float
    #: Tasks of the step that were done.
    map_done: Count = 0
    reduce_done: Count = 0
    exchange_done: Count = 0


class Verdict(Message, frozen=True, kw_only=True):
    """How a run ended; written once, with If-None-Match, before `_SUCCESS` or `_FAILED`."""

    #: overtaken: of a step over the totals, which have changed meanwhile; the run goes on behind it.
    outcome: Literal["success", "failed", "overtaken"]
    reason: str = ""
    failures: tuple[Failure, ...] = ()
    #: Of a run that somebody stopped.
    stopped: Stopped | None = None


class Notice(Message, frozen=True, kw_only=True):
    """What people are told of a run that has ended, in short; the manifest has the rest. Times are in ISO 8601, UTC."""

    #: Goes up when a field changes its meaning or goes away.
    version: int = 1
    job: str
    run: str
    outcome: Literal["success", "failed"]
    #: The beginning of the reason, of a run that failed.
    reason: str = ""
    #: URLs: of the object whose event started the run, of the results, of the manifest.
    source: str = ""
    output: str
    manifest: str
    records: Count = 0
    #: Records and groups that were set aside.
    bad: Count = 0
    #: Map tasks whose records are left out.
    left_out: Count = 0
    inputs: Count = 0
    input_bytes: Count = 0
    started: str = ""
    finished: str = ""


class Latest(Message, frozen=True, kw_only=True):
    """`_latest.json`: the newest whole result in an output place, by when the event came that started its run."""

    job: str
    run: str
    #: URLs of the results and of their manifest, which lists the parts.
    output: str
    manifest: str
    #: URL of what started the run.
    source: str
    records: Count = 0
    bytes: Count = 0
    inputs: Count = 0
    #: ISO 8601 in UTC, to the second.
    finished: str = ""


class Manifest(Message, frozen=True, kw_only=True):
    """The final word on a run: its parts in order, or why it failed. A function of the markers alone."""

    job: str
    run: str
    outcome: Literal["success", "failed"]
    reason: str = ""
    #: URL of the object whose event started the run; "" if its writer did not know.
    source: str = ""
    parts: tuple[Part, ...] = ()
    records: Count = 0
    bytes: Count = 0
    inputs: Count = 0
    input_bytes: Count = 0
    steps: Count = 1
    map_tasks: Count = 0
    reduce_tasks: Count = 0
    mapped: Stats = field(default_factory=Stats)
    reduced: Stats = field(default_factory=Stats)
    #: By attempts beside those that count, as far as was known when this was written.
    map_wasted: Wasted = Wasted()
    reduce_wasted: Wasted = Wasted()
    #: Of a run with two levels of shuffle.
    exchange_tasks: Count = 0
    exchanged: Stats = Stats()
    exchange_wasted: Wasted = Wasted()
    counters: dict[str, int] = field(default_factory=dict)
    bad: Count = 0
    quarantine: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()
    #: Map tasks that failed for good, whose records are in no part (`limits.failed_tasks`).
    left_out: tuple[LeftOut, ...] = ()
    #: The loops of the job's steps: how many rounds each took, and whether it has converged.
    loops: tuple[LoopDone, ...] = ()
    started: float = 0.0
    finished: float = 0.0
    #: Of a run that somebody stopped.
    stopped: Stopped | None = None
