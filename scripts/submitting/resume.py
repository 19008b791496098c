"""Picks up a run whose events never came: does what its coordinator and S3 should have done."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from chalicelib.config.load import LoadedJob, load_job
from chalicelib.core.errors import UserError
from chalicelib.core.keys import RunKeys, results_place
from chalicelib.core.ports import Store
from chalicelib.functions.auditing.mend import pick_up
from chalicelib.run.status.collect import Memory, RunStatus, collect
from chalicelib.run.status.runs import list_runs
from scripts.console.follow import all_ended, follow
from scripts.console.progress import table
from scripts.console.terminal import typed
from scripts.runs.places import LATEST, checked_id

from .waiting import MAX_FAILURES, ending
from .world import World


def resume(name: str, run: str, world: World, *, wait: bool) -> int:
    """Do for a run what its events should have done; the exit code, 1 if it failed. Raises UserError.

    Doing it twice, or for a run that moves, is harmless.
    """
    job = resumable(name, world.root, world.environ)
    store = world.store()
    keys = resumed_run(store, job, run)
    memory = Memory()

    def look() -> list[RunStatus]:
        output = results_place(job.spec.output_loc, keys.run)
        return [
            collect(
                store, keys, now=world.clock.now(), output=output, max_failures=MAX_FAILURES, memory=memory
            )
        ]

    (status,) = look()
    if status.ended:
        world.screen.print(*ending(status), [("this run has ended: there is nothing to resume", "dim")])
        return int(status.phase == "failed")
    for text in pick_up(store, keys, world.invoker(job.name)):
        world.screen.print(text)
    if not wait:
        world.screen.print(
            [(typed(f"scripts/status.py {job.name} {keys.run} --watch shows how it goes on"), "dim")]
        )
        return 0
    (status,) = follow(
        look, world.screen, world.clock, finished=all_ended, draw=lambda seen: table(seen, job=False)
    )
    world.screen.print(*ending(status))
    return int(status.phase == "failed")


def resumable(name: str, root: Path, environ: Mapping[str, str]) -> LoadedJob:
    """The job `name`. Raises UserError if it does not run on AWS."""
    job = load_job(name, root=root, environ=environ, require_cloud=False)
    if not job.spec.work.url.startswith("s3://"):
        raise UserError(
            f"{job.path.name}: work.url is {job.spec.work.url!r}, which is not on S3. Only runs on AWS can be resumed:"
            " the local engine delivers its own events and loses none. Run it again with scripts/run.py"
        )
    return load_job(name, root=root, environ=environ, require_cloud=True)


def resumed_run(store: Store, job: LoadedJob, name: str) -> RunKeys:
    """The run of this id, or the newest if it is `latest`. Raises UserError."""
    work = job.spec.work_loc
    if name == LATEST:
        found = list_runs(store, work, job.name)
        if not found:
            raise UserError(f"{work.url}: there is no run of {job.name}")
        return found[-1]
    return RunKeys(work, job.name, checked_id(name))
