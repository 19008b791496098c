"""Picking up a run whose events never came: what its coordinator and S3 should have done, done by hand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from chalicelib.config.load import LoadedJob, load_job
from chalicelib.core.errors import NotFound, UserError
from chalicelib.core.keys import RunKeys
from chalicelib.core.plan_file import read_head
from chalicelib.core.ports import Invoker, Store
from chalicelib.functions.stalled_runs import wake
from chalicelib.run.status.runs import current_step, list_runs, most_steps
from scripts.console.terminal import count


def resumable(name: str, root: Path, environ: Mapping[str, str]) -> LoadedJob:
    """The job, if it is one on AWS. Raises UserError."""
    job = load_job(name, root=root, environ=environ, require_cloud=False)
    if not job.spec.work.url.startswith("s3://"):
        raise UserError(
            f"{job.path.name}: work.url is {job.spec.work.url!r}, no s3:// place: only runs on AWS can be resumed;"
            " the local engine delivers its own events and loses none: run it again with scripts/run.py"
        )
    return load_job(name, root=root, environ=environ, require_cloud=True)


def resumed_run(store: Store, job: LoadedJob, name: str) -> RunKeys:
    work = job.spec.work_loc
    if name == "latest":
        found = list_runs(store, work, job.name)
        if not found:
            raise UserError(f"{work.url}: there is no run of {job.name}")
        return found[-1]
    if not re.fullmatch(r"[A-Za-z0-9._-]+", name):
        raise UserError(f"{name!r}: expected a run's id as scripts/status.py lists it, or `latest`")
    return RunKeys(work, job.name, name)


def pick_up(store: Store, keys: RunKeys, invoker: Invoker) -> Iterator[str]:
    """Start what the coordinator did not come to, then the supervisor; it does the rest."""
    try:
        started = wake(store, invoker, current_step(store, keys, most_steps(read_head(store, keys))))
    except NotFound as error:
        raise UserError(
            f"{keys.plan.url}: there is no plan, so nothing of this run can be resumed: upload its input again"
        ) from error
    if started:
        yield f"started the map tree of {count(started, 'task')}: the coordinator had not come to it"
    yield f"started the supervisor of {keys.job} {keys.run}: it starts again whatever is lost"
