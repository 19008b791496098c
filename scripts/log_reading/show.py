"""Shows the log of a run, once or until the run ends."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from chalicelib.core.keys import RunKeys
from chalicelib.run.status.collect import Memory, RunStatus, collect
from scripts.console.terminal import say
from scripts.runs.places import Place, named_run, results_of
from scripts.runs.world import World

from .cloud_watch import CloudWatch
from .files import LogFiles
from .lines import LogLine, Wanted, as_json, draw

#: Seconds that a run has its verdict but no `_SUCCESS` or `_FAILED`, after which nobody waits for more lines of it.
_FINISHING = 10.0


class Source(Protocol):
    """Where the lines of one run are."""

    #: How old a line must be that can surely be read, and how long after a run's end the last ones can; in seconds.
    lag: float
    settle: float

    def lines(self, until: float) -> Iterator[LogLine]:
        """The lines written up to `until` (seconds since the epoch) that were not read before, in order of time."""


@dataclass(frozen=True, kw_only=True)
class View:
    """Which lines are shown, and how."""

    task: int | None = None
    attempt: int | None = None
    level: str | None = None
    json: bool = False
    #: Go on until the run ends; look every so many seconds.
    follow: bool = False
    every: float = 2.0


def show_log(world: World, place: Place, run: str, view: View, logs: Callable[[], Any]) -> int:
    """Print the log of a run; the exit code. With `follow`, 1 says that the run failed.

    `logs` makes a client for CloudWatch Logs. Raises UserError if there is no such run or no log.
    """
    keys = named_run(world, place, run)
    look = _looker(world, place, keys)
    status = look()  # says if there is no such run
    source = source_of(keys, logs)
    wanted = Wanted(run=keys.run, task=view.task, attempt=view.attempt, level=view.level)
    shown = 0
    if view.follow and not _over(status):
        while not _over(status):
            shown += _show(world, source, world.clock.now() - source.lag, wanted, view)
            world.clock.pause(view.every)
            status = look()
        world.clock.pause(source.settle)
    shown += _show(world, source, math.inf, wanted, view)
    if not shown:
        say(f"{keys.job} {keys.run}: nothing that was asked for has been logged", err=True)
    return int(view.follow and status.phase == "failed")


def source_of(keys: RunKeys, logs: Callable[[], Any]) -> Source:
    """Where the lines of a run are; `logs` makes a client for CloudWatch Logs, if that is where."""
    if keys.work.bucket.startswith("/"):
        return LogFiles(keys)
    return CloudWatch(logs(), keys.job, keys.run)


def _show(world: World, source: Source, until: float, wanted: Wanted, view: View) -> int:
    """Print the lines up to `until`; how many."""
    shown = 0
    for line in source.lines(until):
        if line not in wanted:
            continue
        shown += 1
        if view.json:
            world.screen.write(as_json(line))
        else:
            world.screen.print(*draw(line))
    return shown


def _looker(world: World, place: Place, keys: RunKeys) -> Callable[[], RunStatus]:
    """A function that says how the run stands."""
    memory = Memory()

    def look() -> RunStatus:
        store = world.open_store(place.work, [keys])
        return collect(store, keys, now=world.clock.now(), output=results_of(place, keys), memory=memory)

    return look


def _over(status: RunStatus) -> bool:
    """No function of the run is at work any more, or none whose results count."""
    return status.ended or (status.phase == "finishing" and (status.idle or 0.0) > _FINISHING)
