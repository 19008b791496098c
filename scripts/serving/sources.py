"""What the dashboard shows: deployments and work folders, their jobs, and the runs of all of them, newest first."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from chalicelib.core.errors import SluiceError, UserError
from chalicelib.core.keys import RunKeys
from chalicelib.core.ports import Loc, Store
from chalicelib.run.status.collect import RunStatus
from scripts.runs.places import LATEST, Place, checked_id, find_places, find_runs
from scripts.runs.standing import collect_all
from scripts.runs.world import World
from scripts.submitting.waiting import an_hour_before

#: Seconds between two listings of what may be new, and of all: a run may be deleted, or begin hours late.
_NEW, _ALL = 1.0, 600.0
#: A listing is not made again before so many times as long as it took: one of a large place takes seconds.
_REST = 10.0
#: Runs that are looked at together, and seconds that one request may go on looking for some that are asked for.
_CHUNK, _LOOKING = 64, 1.0
#: Characters of a job's name or a run's id.
_LONGEST = 200
#: Runs that have ended whose rows are kept.
_KEPT = 50_000

Way = Literal["", "under way", "succeeded", "failed"]


class Run(NamedTuple):
    """A run, and the number of the source that has it."""

    source: int
    keys: RunKeys


#: A run, and how it stands; None if that cannot be read.
Standing = tuple[Run, RunStatus | None]


@dataclass
class Source:
    """A deployment, or a work folder or `s3://` URL with all jobs in it, and its runs as far as they were listed."""

    place: Place
    runs: frozenset[RunKeys] = frozenset()
    #: Why it could not be listed last time; "" if it could.
    problem: str = ""
    looked: float = float("-inf")
    whole: float = float("-inf")
    took: float = 0.0

    @property
    def local(self) -> bool:
        return self.place.work.bucket.startswith("/")

    @property
    def deployed(self) -> bool:
        """Whether its job's file is known here, so that runs can be started."""
        return self.place.spec is not None

    @property
    def title(self) -> str:
        return self.place.job if self.deployed else self.place.work.url


@dataclass(frozen=True)
class Wanted:
    """Which runs are asked for. `text` is in the run's id or its job's name, whatever the case of letters."""

    source: int | None = None
    job: str = ""
    text: str = ""
    standing: Way = ""

    def names(self, run: Run) -> bool:
        """Whether the run is asked for, as far as its name tells."""
        keys, text = run.keys, self.text.lower()
        return (
            self.source in (None, run.source)
            and self.job in ("", keys.job)
            and (text in keys.run.lower() or text in keys.job.lower())
        )

    def stands(self, status: RunStatus | None) -> bool:
        """Whether the run is asked for, as it stands; None if that cannot be read."""
        if status is None:
            return not self.standing
        if self.standing == "under way":
            return not status.ended
        return self.standing in ("", status.phase)


@dataclass(frozen=True)
class Found:
    """A page of what was asked for. `total` of it is known so far, of `looked` runs out of `known`."""

    rows: list[Standing]
    total: int
    looked: int
    known: int


@dataclass
class Sources:
    """All sources. May be used from several threads."""

    world: World
    all: list[Source]
    #: Jobs that could not be read.
    problems: list[str]
    monotonic: Callable[[], float] = time.monotonic
    _runs: list[Run] = field(default_factory=list)
    #: Rows of runs that have ended, which change no more.
    _ended: OrderedDict[Run, RunStatus] = field(default_factory=OrderedDict)
    _stores: dict[Loc, Store] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of(cls, world: World, names: Sequence[str], works: Sequence[str]) -> Sources:
        """The deployments of the jobs named (without names and work places, of all in `jobs/`) and the work places.

        Raises UserError for a job or a folder that is named and is not there.
        """
        places: list[Place] = []
        problems: list[str] = []
        if names or not works:
            places, problems = find_places(names, None, world)
        for work in works:
            places += find_places([], work, world)[0]
        return cls(world, [Source(place) for place in places], problems)

    def __post_init__(self) -> None:
        self._open = self.world.open_store
        self.world = replace(self.world, open_store=self._store)

    def _store(self, work: Loc, wanted: Sequence[RunKeys], /) -> Store:
        """S3's stores are kept; that of a folder depends on the runs that are looked at."""
        if work.bucket.startswith("/"):
            return self._open(work, wanted)
        if work not in self._stores:
            self._stores[work] = self._open(work, ())
        return self._stores[work]

    # -- one run -------------------------------------------------------------------------------------

    def named(self, source: int, job: str, run: str) -> tuple[Source, RunKeys]:
        """A run by what a URL says of it. Raises UserError if there can be none of that name."""
        if not 0 <= source < len(self.all):
            raise UserError(f"source {source}: expected one of {len(self.all)}")
        found = self.all[source]
        for name in (job, run):
            if len(name) > _LONGEST or set(checked_id(name)) == {"."} or name == LATEST:
                raise UserError(f"{name:.{_LONGEST}}: expected the name of a job and the id of a run")
        if found.place.job not in ("", job):
            raise UserError(f"{job!r}: expected {found.place.job!r}, the job of {found.title}")
        return found, RunKeys(found.place.work, job, run)

    def place(self, source: Source, job: str) -> Place:
        """The place of one job, for whoever reads or stops a run in it."""
        return replace(source.place, job=job, memories={})

    # -- many ----------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Look for new runs where that is due. What cannot be listed says why and keeps the runs it had."""
        with self._lock:
            due = [source for source in self.all if self._due(source)]
            for source in due:
                self._list(source)
            if due:
                runs = (Run(number, keys) for number, source in enumerate(self.all) for keys in source.runs)
                self._runs = sorted(runs, key=lambda run: (run.keys.run, run.keys.job), reverse=True)

    def _due(self, source: Source) -> bool:
        return self.monotonic() - source.looked >= max(_NEW, _REST * source.took)

    def _list(self, source: Source) -> None:
        began, place = self.monotonic(), source.place
        since = (
            "" if began - source.whole >= _ALL or source.problem else an_hour_before(self.world.clock.now())
        )
        try:
            found = frozenset(self._listed(source, since))
        except SluiceError as error:
            source.problem = str(error)
        else:
            kept = source.runs if since else frozenset()
            gone = {keys for keys in kept if keys.run >= since} if place.job else set()
            source.runs, source.problem = kept - gone | found, ""
            source.whole = source.whole if since else began
        source.looked = self.monotonic()
        source.took = source.looked - began

    def _listed(self, source: Source, since: str) -> Iterator[RunKeys]:
        """Of a place of many jobs, new jobs are found only when all of it is listed."""
        place = source.place
        store = self.world.open_store(place.work, ())
        jobs = {keys.job for keys in source.runs} if since and not place.job else {place.job}
        for job in jobs:
            yield from find_runs(store, replace(place, job=job), since)

    @property
    def runs(self) -> list[Run]:
        """Newest first, as of the last look."""
        return self._runs

    def find(self, wanted: Wanted, first: int, count: int) -> Found:
        """`count` of the runs that are asked for, from number `first` on, newest first.

        How runs stand is read as far as it must be; if that takes long, `looked` is less than `known`, and asking again
        goes on from there.
        """
        self.refresh()
        named = [run for run in self._runs if wanted.names(run)]
        if not wanted.standing:
            shown = named[first : first + count]
            return Found(self.standing(shown), len(named), len(named), len(named))
        rows: list[Standing] = []
        total = looked = 0
        began = self.monotonic()
        for start in range(0, len(named), _CHUNK):
            chunk = named[start : start + _CHUNK]
            for run, status in self.standing(chunk):
                if wanted.stands(status):
                    if first <= total < first + count:
                        rows.append((run, status))
                    total += 1
            looked += len(chunk)
            if self.monotonic() - began > _LOOKING:
                break
        return Found(rows, total, looked, len(named))

    def standing(self, runs: Sequence[Run]) -> list[Standing]:
        """How these runs stand, in their order."""
        known = {run: self._ended[run] for run in runs if run in self._ended}
        for number, source in enumerate(self.all):
            asked = [run.keys for run in runs if run.source == number and run not in known]
            if not asked:
                continue
            fresh = replace(source.place, memories={})
            for status in collect_all(self.world, fresh, asked):
                if isinstance(status, str):
                    continue
                run = Run(number, RunKeys(source.place.work, status.job, status.run))
                known[run] = status
                if status.ended:
                    self._keep(run, status)
        return [(run, known.get(run)) for run in runs]

    def _keep(self, run: Run, status: RunStatus) -> None:
        with self._lock:
            self._ended[run] = status
            while len(self._ended) > _KEPT:
                self._ended.popitem(last=False)
