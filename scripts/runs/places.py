"""Where to look for runs, and which there are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from chalicelib.config.load import LoadedJob, job_names, load_job, stages_of
from chalicelib.core.errors import UserError
from chalicelib.core.keys import RunKeys, results_place, runs_prefix
from chalicelib.core.ports import Loc, Store
from chalicelib.core.spec import JobSpec, parse_url
from chalicelib.functions.auditing.clocks import failed_ticks
from chalicelib.run.status.collect import Memory
from chalicelib.run.status.runs import list_finished, list_runs
from scripts.console.terminal import typed

from .not_begun import not_begun
from .world import World

LATEST = "latest"
_RUN_ID = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Place:
    """Where to look for runs: a work place, for one job or (with "") for all."""

    work: Loc
    job: str = ""
    #: The job's output place, where manifests outlast the work place's lifecycle rule.
    output: Loc | None = None
    #: The job's settings, where they are known.
    spec: JobSpec | None = None
    #: What was read before, by run.
    memories: dict[RunKeys, Memory] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return runs_prefix(self.work, self.job).url


def find_places(names: Sequence[str], work: str | None, world: World) -> tuple[list[Place], list[str]]:
    """The places of the jobs named, or of all in `jobs/`, and why a job was left out where all were asked for.

    With `work`, a work folder or URL, they are looked for there instead of in the jobs' own work places.
    Raises UserError for a job that is named and cannot be read.
    """
    if work is not None:
        place = work_place(work)
        return [Place(place, Path(name).stem) for name in names] or [Place(place)], []
    if names:
        return [job_place(name, world) for name in names], []
    found, problems = [], []
    jobs = job_names(world.root)
    staged = [f"{job}-{stage}" for job in jobs for stage in stages_of(job, world.root)]
    for name in sorted({*jobs, *staged}):
        try:
            found.append(job_place(name, world))
        except UserError as error:
            problems.append(str(error))
    return found, problems


def job_place(name: str, world: World) -> Place:
    """The places of a job on AWS. Raises UserError."""
    return place_of(load_job(name, root=world.root, environ=world.environ, require_cloud=True))


def place_of(job: LoadedJob) -> Place:
    """The work and output places of a job."""
    return Place(job.spec.work_loc, job.name, job.spec.output_loc, job.spec)


def work_place(text: str) -> Loc:
    """The place that --work names. Raises UserError if it is a folder that is not there."""
    if text.startswith("s3://"):
        place = parse_url(text)
        if not place.bucket:
            raise UserError(f"--work {text}: expected s3://BUCKET/PREFIX/")
        return place
    folder = Path(text).expanduser().absolute()
    if not folder.is_dir():
        raise UserError(f"--work {text}: there is no such folder; expected a work folder or an s3:// URL")
    return parse_url(str(folder))


def find_runs(store: Store, place: Place, since: str = "") -> list[RunKeys]:
    """The runs of the place, newest last, also those of which only the results are left.

    `since`: of a place of one job, only runs whose ids are not before this one.
    """
    found = list_runs(store, place.work, place.job, since)
    if place.output is None:
        return found
    finished = list_finished(store, place.output, place.work, place.job, since)
    return sorted({*found, *finished}, key=lambda keys: keys.run)


def results_of(place: Place, keys: RunKeys) -> Loc | None:
    """Where the run's results are, if the place tells it."""
    return results_place(place.output, keys.run) if place.output else None


def named_run(world: World, place: Place, name: str) -> RunKeys:
    """The run of this id, or the newest if it is `latest`. Raises UserError."""
    if name != LATEST:
        return RunKeys(place.work, place.job, checked_id(name))
    found = find_runs(world.open_store(place.work, ()), place)
    if not found:
        raise UserError(f"{place.url}: there is no run of {place.job} yet; {how_to_start(place)}")
    return found[-1]


def submitted_since(world: World, place: Place, newest: str) -> str:
    """A sentence on what was submitted after the run `newest` and has begun no run yet, and on clocks that failed.

    "" if there is nothing.
    """
    if place.spec is None:
        return ""
    store, now = world.open_store(place.work, ()), world.clock.now()
    told = [not_begun(store, place.spec, newest, now), *failed_ticks(store, place.job, place.spec, now)]
    return "; ".join(filter(None, told))


def checked_id(run: str) -> str:
    """`run`, if it can be a run's id. Raises UserError."""
    if not _RUN_ID.fullmatch(run):
        raise UserError(f"{run!r}: expected a run's id as scripts/status.py lists it, or `latest`")
    return run


def how_to_start(place: Place) -> str:
    """The command that starts a run."""
    return typed(f"scripts/submit.py {place.job or 'NAME'} FILE... starts one")
