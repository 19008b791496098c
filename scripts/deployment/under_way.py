"""The runs of a job that are under way while it is deployed or deleted, and what will become of them.

A run is of one code: an attempt of other code ends it in `_FAILED`. So one that was begun by the very code that is
deployed goes on, and any other fails. Without functions a run stands still.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from chalicelib.config.load import JOBS
from chalicelib.core.errors import CorruptData, NotFound, StoreError, UserError
from chalicelib.core.keys import RunKeys, results_place
from chalicelib.core.plan_file import read_head
from chalicelib.core.ports import Clock, Store
from chalicelib.job.code_digest import digest, is_same, told_change
from chalicelib.job.load_class import job_loader
from chalicelib.run.status.collect import RunStatus, collect
from chalicelib.run.status.runs import list_runs
from scripts.console.progress import summary
from scripts.console.terminal import count, printable

from .project import Project
from .target import Target

Say = Callable[[str], None]

#: Of the newest runs so many are looked at, and of those under way so many are named.
MOST, SHOWN = 200, 10
#: Seconds between two looks at runs that are waited for.
EVERY = 5.0


@dataclass(frozen=True)
class Run:
    """A run under way; `code` is the digest of the code that began it, "" if it has no plan yet, or an old one."""

    keys: RunKeys
    status: RunStatus
    code: str


@dataclass(frozen=True)
class UnderWay:
    """What was found, and how many older runs were not looked at."""

    runs: tuple[Run, ...]
    unseen: int = 0


def code_of(project: Project, target: Target) -> str:
    """The digest of the code that would be deployed."""
    return digest(job_loader(project.root / JOBS), target.spec, target.spec.python)


def look(store: Store, target: Target, now: float) -> UnderWay:
    """The runs of the job that have not ended, oldest first. Raises StoreError."""
    known = list_runs(store, target.spec.work_loc, target.name)
    with ThreadPoolExecutor(max_workers=max(1, store.parallel_reads)) as pool:
        found = pool.map(lambda keys: _look_at(store, target, keys, now), known[-MOST:])
        return UnderWay(tuple(run for run in found if run), max(0, len(known) - MOST))


def _look_at(store: Store, target: Target, keys: RunKeys, now: float) -> Run | None:
    """None for a run that has ended, or was deleted meanwhile."""
    try:
        status = collect(store, keys, now=now, output=results_place(target.spec.output_loc, keys.run))
        return None if status.ended else Run(keys, status, _code(store, keys))
    except (UserError, CorruptData):
        return None


def _code(store: Store, keys: RunKeys) -> str:
    with suppress(NotFound):
        return read_head(store, keys).code
    return ""


def told(found: UnderWay, job: str, fate: Callable[[Run], str]) -> Iterator[str]:
    """Lines that name the runs, each with what `fate` says of it."""
    if found.runs:
        yield f"{count(len(found.runs), 'run')} of {job} {'is' if len(found.runs) == 1 else 'are'} under way:"
    for run in found.runs[:SHOWN]:
        line = "".join(text for text, _ in summary(run.status, job=False))
        yield f"  {printable(line)}: {fate(run)}"
    if len(found.runs) > SHOWN:
        yield f"  and {len(found.runs) - SHOWN:,} more"
    if found.unseen:
        yield f"  only the newest {MOST} runs were looked at: there are {found.unseen:,} older ones"


def on_deployment(own: str) -> Callable[[Run], str]:
    """What becomes of a run when the code `own` is deployed."""

    def fate(run: Run) -> str:
        if is_same(run.code, own):
            return "is of the code that is deployed, so it goes on"
        ending = "so its next attempt ends it in _FAILED; --wait lets it end first"
        return f"is of other code ({told_change(run.code, own)}), {ending}"

    return fate


def on_deletion(run: Run) -> str:
    """What becomes of a run without functions."""
    return (
        "stands still, with neither _SUCCESS nor _FAILED, until the same code is deployed again and "
        f"scripts/submit.py {run.keys.job} --resume {run.keys.run} wakes it; --wait lets it end first"
    )


def tell(
    store: Store, target: Target, clock: Clock, say: Say, fate: Callable[[Run], str], *, wait: bool = False
) -> None:
    """Name the runs under way; with `wait`, let those end first that are under way now.

    That they cannot be read is said, and keeps nobody from deploying who does not want to wait for them.
    Raises StoreError for who does.
    """
    try:
        found = look(store, target, clock.now())
        if wait and found.runs:
            _wait(store, target, clock, say, found.runs)
            found = look(store, target, clock.now())
    except NotFound:  # the bucket is still to be made
        return
    except StoreError as error:
        if wait:
            raise
        say(f"which runs of {target.name} are under way is not known: {error}")
        return
    for line in told(found, target.name, fate):
        say(line)


def _wait(store: Store, target: Target, clock: Clock, say: Say, runs: Sequence[Run]) -> None:
    """Until all of `runs` have ended. Those that begin meanwhile are not waited for, or it might never end."""
    waiting: tuple[Run, ...] = tuple(runs)
    before = 0
    while waiting:
        if len(waiting) != before:
            names = ", ".join(run.keys.run for run in waiting[:SHOWN])
            more = f" and {len(waiting) - SHOWN:,} more" if len(waiting) > SHOWN else ""
            say(f"waiting for {count(len(waiting), 'run')} of {target.name} to end: {names}{more}")
        before = len(waiting)
        clock.pause(EVERY)
        now = clock.now()
        waiting = tuple(run for run in waiting if _look_at(store, target, run.keys, now))
