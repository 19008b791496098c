"""Submits to a job: uploads files, or takes what is there already; follows the runs that this starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from chalicelib.config.load import LoadedJob, load_job
from chalicelib.core.ports import Loc, Store
from scripts.console.terminal import count, human_bytes, typed
from scripts.runs.world import named_region

from .again import same_objects
from .existing import Selection, choose, named, watched
from .resume import resumed_run
from .send import send, start
from .uploads import plan_uploads
from .waiting import Started, known_runs, wait
from .world import World


def submit(
    name: str, files: Sequence[Path], world: World, *, prefix_dir: bool, start_timeout: float | None
) -> int:
    """Upload the files; the exit code. Raises UserError, mostly before anything is uploaded.

    With `start_timeout`, in seconds, wait for the runs that this starts: 1 then says that one failed.
    """
    job = _job(name, world)
    choice = plan_uploads(files, job, prefix_dir=prefix_dir)
    for text in choice.skipped:
        world.screen.print([(f"skipped {text}", "yellow")])
    store = world.store()
    return _follow(job, store, world, lambda: send(choice.uploads, job, world, store), start_timeout)


def submit_existing(
    name: str, urls: Sequence[str], world: World, *, most: int, start_timeout: float | None
) -> int:
    """Run over what lies at `urls`, or without any in all places that the job watches; otherwise as `submit`."""
    job, store = _job(name, world), world.store()
    places = named(urls, job.spec) if urls else watched(job.spec)
    return _run_over(choose(store, job, places, most=most), job, store, world, start_timeout)


def submit_again(name: str, run: str, world: World, *, start_timeout: float | None) -> int:
    """Do a run again over the same objects, as a new run; what the old one has published stays. As `submit`."""
    job, store = _job(name, world), world.store()
    selection, told = same_objects(store, job, resumed_run(store, job, run))
    world.screen.print(*told)
    return _run_over(selection, job, store, world, start_timeout)


def _job(name: str, world: World) -> LoadedJob:
    return load_job(name, root=world.root, environ=world.environ, require_cloud=True)


def _run_over(
    selection: Selection, job: LoadedJob, store: Store, world: World, start_timeout: float | None
) -> int:
    what = f"{count(selection.objects, 'object')}, {human_bytes(selection.bytes)}: nothing is copied"
    world.screen.print([(what, "dim")])
    return _follow(job, store, world, lambda: start(selection, job, world, store), start_timeout)


def _follow(
    job: LoadedJob,
    store: Store,
    world: World,
    begin: Callable[[], list[Loc]],
    start_timeout: float | None,
) -> int:
    """Let runs begin, by the objects that are returned, and wait for them if that is asked for."""
    before = known_runs(store, job) if start_timeout is not None else set()
    triggers = begin()
    if start_timeout is None:
        runs, they = ("run", "it has") if len(triggers) == 1 else ("runs", "they have")
        text = f"scripts/status.py {job.name} shows the {runs}, or that {they} not begun yet; --wait waits"
        world.screen.print([(typed(text), "dim")])
        return 0
    started = Started(store, job, before, triggers, region=named_region(world.environ))
    return wait(started, world, start_timeout)
