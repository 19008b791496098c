"""Progress pushed to the page: server-sent events, an object each time that something has changed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
from anyio.to_thread import run_sync

from chalicelib.core.errors import SluiceError
from chalicelib.core.keys import RunKeys
from scripts.submitting.waiting import Started

from .facts import Report, row
from .sources import Found, Run, Sources

#: Seconds of silence after which a line is sent that says nothing: so a reader who is gone is noticed.
_QUIET = 10.0
#: Seconds until it is noticed that a stream is over.
_NOTICED = 0.25
#: The newest runs, and of older ones those under way, that are looked at each time.
_NEWEST, _UNDER_WAY = 50, 200

#: What there is to tell now; with `last`, it is the last there is.
Telling = Callable[[], dict[str, Any]]
Over = Callable[[], Awaitable[bool]]


async def events(tell: Telling, every: float, over: Over) -> AsyncIterator[bytes]:
    """What `tell` says, whenever that is news, looked at every so many seconds; ends with what it calls the last.

    What cannot be read now is told as `problem`, and looked at again. It also ends when it is `over`: the reader is
    gone, or the server ends.
    """
    told, silent = "", 0.0
    while not await over():
        try:
            news = await run_sync(tell, abandon_on_cancel=True)
        except SluiceError as error:
            news = {"problem": str(error)}
        text = json.dumps(news, separators=(",", ":"))
        if text != told:
            told, silent = text, 0.0
            yield f"data: {text}\n\n".encode()
        elif silent > _QUIET:
            silent = 0.0
            yield b":\n\n"
        if news.get("last"):
            return
        silent += await _pause(every, over)


async def _pause(seconds: float, over: Over) -> float:
    """Wait, but not for what is over; the seconds."""
    left = seconds
    while left > 0 and not await over():
        await anyio.sleep(min(left, _NOTICED))
        left -= _NOTICED
    return seconds


class ListNews:
    """Tells how many runs there are, and how those stand that are new or under way."""

    def __init__(self, sources: Sources, report: Report) -> None:
        self._sources, self._report = sources, report
        self._open: list[Run] = []

    def __call__(self) -> dict[str, Any]:
        sources = self._sources
        sources.refresh()
        newest = sources.runs[:_NEWEST]
        known = set(newest)
        older = [run for run in self._open if run not in known]
        standing = sources.standing([*newest, *older])
        self._open = [run for run, status in standing if not (status and status.ended)][:_UNDER_WAY]
        return {
            "known": len(sources.runs),
            "rows": [row(one, self._report) for one in standing],
            "problems": [*sources.problems, *(source.problem for source in sources.all if source.problem)],
        }


class Following:
    """Tells how the runs stand that an upload started, until all have begun and ended or nobody waits any more."""

    #: Seconds that S3 may take to start the runs.
    PATIENCE = 600.0

    def __init__(self, sources: Sources, source: int, started: Started, report: Report) -> None:
        self._sources, self._source, self._started, self._report = sources, source, started, report
        self._until = sources.monotonic() + self.PATIENCE

    def __call__(self) -> dict[str, Any]:
        statuses = self._started.look(self._sources.world.clock.now())
        work = self._sources.all[self._source].place.work
        waiting, late = len(self._started.missing), self._sources.monotonic() > self._until
        return {
            "job": self._started.job.name,
            "rows": [
                row((Run(self._source, RunKeys(work, status.job, status.run)), status), self._report)
                for status in statuses
            ],
            "waiting": waiting,
            "unknown": [f"{status.run}: {status.reason}" for status in self._started.unknown],
            "late": late,
            "last": (late and waiting > 0) or (not waiting and all(status.ended for status in statuses)),
        }


def page_of(found: Found, report: Report) -> dict[str, Any]:
    """A page of the list, for JSON."""
    return {
        "rows": [row(one, report) for one in found.rows],
        "total": found.total,
        "looked": found.looked,
        "known": found.known,
    }
