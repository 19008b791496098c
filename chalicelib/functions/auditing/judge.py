"""What became of each object that starts runs: a function of the object and of the runs that it has started."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from ...core.keys import RunKeys
from ...core.ports import Loc
from ...run.status.collect import RunStatus
from ..supervision.stalled_runs import QUIET

#: done: a run has succeeded. twice: several have. under way: one may yet. young: none, but its event may be on its way.
#: stopped: somebody wanted none. half done: one stands still. failed: all have. lost: there never was one.
#: unclear: one of these, if it were not for a run that cannot be read and may be done.
State = Literal["done", "twice", "under way", "young", "stopped", "half done", "failed", "lost", "unclear"]
#: What `--mend` mends.
AMISS: tuple[State, ...] = ("lost", "failed", "half done")


@dataclass(frozen=True)
class Starter:
    """An object that starts a run, as it is now."""

    loc: Loc
    etag: str
    modified: float
    #: Written once, so that all runs which it has started are over what it is now.
    final: bool = False


@dataclass(frozen=True)
class Known:
    """A run that a starter has started."""

    keys: RunKeys
    status: RunStatus
    #: Somebody stopped it.
    stopped: bool = False
    #: It has failed, and its files are in the totals all the same.
    counted: bool = False

    @property
    def succeeded(self) -> bool:
        return self.status.phase == "succeeded" or self.counted

    @property
    def stands(self) -> bool:
        """Nobody works on it any more."""
        return not self.status.ended and (self.status.idle is None or self.status.idle > QUIET)


@dataclass(frozen=True)
class Damaged:
    """A run that cannot be read, for something of it is damaged."""

    keys: RunKeys
    #: What it is that started it; "" if that cannot be read either.
    source: str
    #: What is damaged.
    why: str


@dataclass(frozen=True)
class Finding:
    """What became of one starter."""

    starter: Starter
    state: State
    runs: tuple[Known, ...] = field(default=())


def began(run: str) -> float | None:
    """When the event of a run was sent, by its id, to the second; None if that does not tell."""
    try:
        return datetime.strptime(run[:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def judge(starter: Starter, runs: Iterable[Known], now: float, grace: float) -> Finding:
    """What became of a starter, of whose url `runs` are; those of what was overwritten since do not count."""
    own = tuple(run for run in runs if is_since(run, starter))
    return Finding(starter, _state(starter, own, now, grace), own)


def is_since(run: Known, starter: Starter) -> bool:
    """Whether a run began after the starter was last written."""
    if starter.final:
        return True
    when = began(run.keys.run) or run.status.started
    return when is None or when + 1 >= int(starter.modified)


def _state(starter: Starter, runs: tuple[Known, ...], now: float, grace: float) -> State:
    succeeded = sum(run.succeeded for run in runs)
    if succeeded:
        return "twice" if succeeded > 1 else "done"
    if any(run.stands for run in runs):
        return "half done"
    if any(not run.status.ended for run in runs):
        return "under way"
    if any(run.stopped for run in runs):
        return "stopped"
    if runs:
        return "failed"
    return "young" if now - starter.modified < grace else "lost"
