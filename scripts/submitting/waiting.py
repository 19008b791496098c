"""Finds the runs that our uploads started, and follows them to their end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from chalicelib.config.load import LoadedJob
from chalicelib.core.errors import RunFailed, UserError
from chalicelib.core.keys import RunKeys, results_place
from chalicelib.core.ports import Loc, Store
from chalicelib.run.status.collect import Memory, RunStatus, collect
from scripts.console.follow import follow
from scripts.console.progress import failure_lines, table
from scripts.console.terminal import Line, count, human_seconds
from scripts.runs.places import find_runs, place_of

from .world import World

#: Failed attempts that are shown of each run.
MAX_FAILURES = 3


def known_runs(store: Store, job: LoadedJob, since: str = "") -> set[RunKeys]:
    """All runs of the job, also those that were refused before they had a plan and left only a manifest.

    `since`: those whose ids are not before this one.
    """
    return set(find_runs(store, place_of(job), since))


def an_hour_before(now: float) -> str:
    """The id that a run of an hour ago would begin with: what is put now starts none before it, whatever the clocks."""
    return datetime.fromtimestamp(now - 3600, UTC).strftime("%Y%m%dT%H%M%S")


@dataclass
class Started:
    """The runs that our uploads started, found among those that were not there before.

    A run's id cannot be known beforehand (it is made from S3's event); its plan names the object.
    """

    store: Store
    job: LoadedJob
    before: set[RunKeys]
    triggers: Sequence[Loc]
    #: Where the functions are, for the prices.
    region: str = ""
    #: No run of ours has an id before this one.
    since: str = ""
    memories: dict[RunKeys, Memory] = field(default_factory=dict)
    #: New runs that other objects started.
    foreign: set[RunKeys] = field(default_factory=set)
    #: URLs whose run was found.
    found: set[str] = field(default_factory=set)
    #: New runs that failed without saying what had started them.
    unknown: list[RunStatus] = field(default_factory=list)

    @property
    def missing(self) -> list[str]:
        """URLs of the objects that started no run yet."""
        return [loc.url for loc in self.triggers if loc.url not in self.found]

    def look(self, now: float) -> list[RunStatus]:
        """Our runs, oldest first. One whose plan is not written yet is not known to be ours."""
        ours = {loc.url for loc in self.triggers}
        new = known_runs(self.store, self.job, self.since) - self.before - self.foreign
        statuses = []
        self.unknown.clear()
        for keys in sorted(new, key=lambda keys: keys.run):
            try:
                status = self._collect(keys, now)
            except UserError:  # deleted since it was listed
                continue
            source = status.source or _told_source(status, ours)
            if source in ours:
                self.found.add(source)
                statuses.append(status)
            elif source:
                self.foreign.add(keys)
            elif status.phase == "failed":
                self.unknown.append(status)
        return statuses

    def _collect(self, keys: RunKeys, now: float) -> RunStatus:
        return collect(
            self.store,
            keys,
            now=now,
            output=results_place(self.job.spec.output_loc, keys.run),
            max_failures=MAX_FAILURES,
            memory=self.memories.setdefault(keys, Memory()),
            region=self.region,
        )


def _told_source(status: RunStatus, ours: set[str]) -> str:
    """For a run that failed before it had a plan: the one of our objects that its reason names."""
    if status.phase != "failed":
        return ""
    told = [status.reason, *(failure.message for failure in status.failures)]
    return next((url for url in sorted(ours, key=len, reverse=True) if any(url in text for text in told)), "")


def wait(started: Started, world: World, start_timeout: float) -> int:
    """Follow our runs until all have ended. Raises RunFailed if S3 started none for some upload."""
    begun = world.clock.now()
    if not world.screen.terminal:  # which is redrawn until the run has a name
        world.screen.print([(f"waiting for {count(len(started.missing), 'run')} to begin", "dim")])

    def finished(statuses: Sequence[RunStatus]) -> bool:
        waited = world.clock.now() - begun
        if started.missing and waited > start_timeout:
            raise RunFailed(not_started(started, waited))
        return not started.missing and all(status.ended for status in statuses)

    def draw(statuses: Sequence[RunStatus]) -> list[Line]:
        lines = table(statuses, job=False)
        waiting = len(started.missing)
        return lines + ([[(f"waiting for {count(waiting, 'run')} to start", "dim")]] if waiting else [])

    seen = follow(
        lambda: started.look(world.clock.now()), world.screen, world.clock, finished=finished, draw=draw
    )
    for status in seen:
        world.screen.print(*ending(status))
    return int(any(status.phase == "failed" for status in seen))


def ending(status: RunStatus) -> list[Line]:
    """Where the results are, or why there are none."""
    if status.phase == "succeeded":
        return [[(f"{status.run}: ", "green"), (f"{status.output}", "")]]
    lines: list[Line] = [[(f"{status.run} failed: ", "bold red"), (status.reason, "")]]
    for failure in status.failures:
        lines += failure_lines(failure, status.reason)
    return lines


def not_started(started: Started, waited: float) -> str:
    """Why nothing is known of some of our runs after so many seconds, and what to do."""
    missing = started.missing
    shown = missing[:3] + ([f"and {len(missing) - 3:,} more"] if len(missing) > 3 else [])
    if started.unknown:
        told = "\n".join(f"{status.run}: {status.reason}" for status in started.unknown)
        return f"no run is known for {', '.join(shown)}; meanwhile these could not start:\n{told}"
    return (
        f"no run started within {human_seconds(waited)} for {', '.join(shown)}: "
        f"is the job deployed? scripts/deploy.py {started.job.name} deploys it; "
        "the coordinator's log says whether it failed"
    )
