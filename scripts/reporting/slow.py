"""The tasks that took longest, and why, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from statistics import median
from typing import NamedTuple

from chalicelib.core.keys import PHASES
from chalicelib.run.status.attempts import Attempt, History
from scripts.console.terminal import count, human_bytes, human_seconds

#: So many times what is usual is worth a word; so is a share of an attempt's time, or of its memory.
_MORE, _SHARE, _FULL = 1.5, 0.3, 0.9


class SlowTask(NamedTuple):
    """A task: its attempts, how long it took from the first one's beginning to the end, and the reasons."""

    attempts: tuple[Attempt, ...]
    seconds: float
    reasons: tuple[str, ...]


class _Usual(NamedTuple):
    """Medians of one phase."""

    seconds: float
    waited: float
    bytes_in: float
    pace: float


def slowest(history: History, shown: int = 20) -> list[SlowTask]:
    """The tasks that took longest, the longest first, as far as anybody knows how long that was."""
    found: list[SlowTask] = []
    for step in history.steps:
        for phase in PHASES:
            own = [one for one in step.attempts if one.phase == phase]
            done = [one for one in own if one.outcome == "done"]
            if not done:
                continue
            usual = _usual(done)
            for attempts in _by_task(own):
                if (seconds := lasted(attempts)) is not None:
                    found.append(SlowTask(tuple(attempts), seconds, tuple(_reasons(attempts, usual))))
    return sorted(found, key=lambda task: -task.seconds)[:shown]


def lasted(attempts: Sequence[Attempt]) -> float | None:
    """Seconds from the beginning of a task's first attempt to the end of the one that counts, or of the last.

    A new process is part of its attempt. Of one that left nothing the moment it could begin stands for its beginning.
    None if nobody knows.
    """
    begins = [one.ready if one.started is None else one.started - one.stats.init for one in attempts]
    ends = [
        one.finished for one in attempts if one.finished is not None and one.outcome in ("done", "failed")
    ]
    known = [begin for begin in begins if begin is not None]
    return max(ends) - min(known) if ends and known else None


def _by_task(attempts: Iterable[Attempt]) -> list[list[Attempt]]:
    tasks: dict[int, list[Attempt]] = {}
    for one in attempts:
        tasks.setdefault(one.task, []).append(one)
    return list(tasks.values())


def _usual(done: Sequence[Attempt]) -> _Usual:
    return _Usual(
        seconds=median(one.stats.seconds for one in done),
        waited=median(waited(one) for one in done),
        bytes_in=median(one.stats.bytes_in for one in done),
        pace=median(_pace(one) for one in done),
    )


def waited(one: Attempt) -> float:
    """Seconds between the moment an attempt could begin and its beginning; 0 if nobody knows."""
    return 0.0 if one.ready is None or one.started is None else max(0.0, one.started - one.ready)


def _pace(one: Attempt) -> float:
    """Seconds of the job's code a byte."""
    return one.stats.code / one.stats.bytes_in if one.stats.bytes_in else 0.0


def _reasons(attempts: Sequence[Attempt], usual: _Usual) -> Iterator[str]:
    yield from _tries(attempts)
    last = next((one for one in attempts if one.outcome == "done"), attempts[-1])
    stats, seconds = last.stats, max(last.stats.seconds, 1e-9)
    if stats.bytes_in > _MORE * usual.bytes_in:
        times = f", {stats.bytes_in / usual.bytes_in:.1f} times the usual" if usual.bytes_in else ""
        yield f"much input: {human_bytes(stats.bytes_in)}{times}"
    if (wait := waited(last)) > _MORE * usual.waited and wait > _SHARE * seconds:
        yield f"waited {human_seconds(wait)} before it began"
    if stats.starts > 1:
        yield f"ran out of time {count(stats.starts - 1, 'time')}"
    if (start := stats.init + stats.starting) > _SHARE * seconds:
        kind = " of a new process" if stats.cold else ""
        yield f"{human_seconds(start)} for the start{kind}"
    if last.phase == "map" and stats.reading > _SHARE * seconds:
        yield f"{human_seconds(stats.reading)} for reading its input"
    if stats.spilled:
        yield f"its pairs did not fit memory: {human_bytes(stats.spilled)} spilled to disk"
    if stats.memory and stats.peak > _FULL * stats.memory:
        yield f"memory nearly full: {stats.peak} of {stats.memory} MiB"
    if usual.pace and _pace(last) > _MORE * usual.pace:
        yield f"the job's code took {_pace(last) / usual.pace:.1f} times the usual for a byte"
    elif seconds > _MORE * usual.seconds and stats.code > (1 - _SHARE) * seconds:
        yield f"{human_seconds(stats.code)} in the job's code"


def _tries(attempts: Sequence[Attempt]) -> Iterator[str]:
    failed = sum(one.outcome == "failed" for one in attempts)
    lost = sum(one.outcome == "lost" and not one.slow for one in attempts)
    if failed:
        yield f"{count(failed, 'attempt')} failed before"
    if lost:
        yield f"{count(lost, 'attempt')} lost"
    if any(one.slow for one in attempts):
        yield "a straggler: a second attempt was started beside it"
