"""The attempts of a run in Chrome's Trace Event format, which Perfetto, speedscope and chrome://tracing open."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush
from typing import Any

from chalicelib.core.keys import PHASES
from chalicelib.run.status.attempts import Attempt

from .columns import label
from .gather import Seen


def trace(seen: Seen) -> dict[str, Any]:
    """Complete events (`ph: X`), microseconds since the run began: a process each phase, a thread each lane.

    A lane holds attempts one after the other, so there are as many as ran at once. Parts of an attempt lie in it.
    """
    events: list[dict[str, Any]] = []
    steps = seen.history.steps
    for number, step in enumerate(steps):
        for place, phase in enumerate(PHASES):
            process = len(PHASES) * number + place + 1
            own = [one for one in step.attempts if one.phase == phase and one.started is not None]
            if not own:
                continue
            name = label(steps, step.number, phase)
            events.append({"ph": "M", "pid": process, "name": "process_name", "args": {"name": name}})
            for lane, one in _laned(own, seen.ended):
                events += _events(one, process, lane, seen)
    run = {"job": seen.status.job, "run": seen.status.run, "phase": seen.status.phase}
    return {"displayTimeUnit": "ms", "otherData": run, "traceEvents": events}


def _laned(attempts: list[Attempt], ended: float) -> Iterator[tuple[int, Attempt]]:
    """Each attempt with the first lane that is free when it begins."""
    free: list[int] = []
    busy: list[tuple[float, int]] = []
    for one in sorted(attempts, key=lambda one: (one.started or 0.0, one.task)):
        while busy and busy[0][0] <= (one.started or 0.0):
            heappush(free, heappop(busy)[1])
        lane = heappop(free) if free else len(busy) + 1
        heappush(busy, (ended if one.finished is None else one.finished, lane))
        yield lane, one


def _events(one: Attempt, process: int, lane: int, seen: Seen) -> Iterator[dict[str, Any]]:
    started = one.started or 0.0
    ended = seen.ended if one.finished is None else one.finished
    stats = one.stats

    def event(name: str, start: float, seconds: float, **more: Any) -> dict[str, Any]:
        at, long = round((start - seen.begun) * 1e6), round(max(0.0, seconds) * 1e6)
        return {
            "ph": "X",
            "pid": process,
            "tid": lane,
            "name": name,
            "cat": one.outcome,
            "ts": at,
            "dur": long,
            **more,
        }

    told: dict[str, Any] = {
        "outcome": one.outcome, "cold": bool(stats.cold), "init_seconds": stats.init,
        "memory_mib": stats.memory, "peak_mib": stats.peak,
        "bytes_in": stats.bytes_in, "bytes_out": stats.bytes_out, "records_in": stats.records_in,
        "records_out": stats.records_out, "spilled": stats.spilled,
    }  # fmt: skip
    if one.failure:
        told["error"] = one.failure.message
    yield event(f"{one.phase} {one.task}.{one.attempt}", started, ended - started, args=told)
    at = started
    for name, seconds in (("start", stats.starting), ("read", stats.reading), ("code", stats.code)):
        if seconds > 0 and stats.starts == 1:
            yield event(name, at, min(seconds, ended - at))
            at = min(ended, at + seconds)
