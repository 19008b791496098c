"""Submits to a job: uploads files, or takes what is there already; follows the runs that this starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from chalicelib.config.load import LoadedJob, load_job
from chalicelib.core.errors import UserError
from chalicelib.core.ports import Loc, Store
from scripts.console.terminal import count, human_bytes, typed
from scripts.runs.world import named_region

from .again import same_objects
from .existing import Selection, choose, named, watched
from .resume import resumed_run
from .send import send, start
from .uploads import plan_uploads
from .waiting import Started, an_hour_before, known_runs, wait
from .world import World


def submit(
    name: str, files: Sequence[Path], world: World, *, prefix_dir: bool, start_timeout: float | None
) -> int:
    """Upload the files; the exit code. Raises UserError, mostly before anything is uploaded.

    With `start_timeout`, in seconds, wait for the runs that this starts: 1 then says that one failed.
    """
    job, followed = _job(name, world), start_timeout is not None
    if job.spec.period and followed:
        raise UserError(
            f"{job.path.name}: trigger: {job.spec.trigger}: the clock starts the run over what is uploaded, and nobody"
            f" knows yet which: leave out --wait; scripts/status.py {job.name} --watch shows it"
        )
    return _follow(
        begin_files(name, files, world, prefix_dir=prefix_dir, followed=followed), world, start_timeout
    )


def submit_existing(
    name: str, urls: Sequence[str], world: World, *, most: int, start_timeout: float | None
) -> int:
    """Run over what lies at `urls`, or without any in all places that the job watches; otherwise as `submit`."""
    return _follow(
        begin_existing(name, urls, world, most=most, followed=start_timeout is not None), world, start_timeout
    )


def submit_again(name: str, run: str, world: World, *, start_timeout: float | None) -> int:
    """Do a run again over the same objects, as a new run; what the old one has published stays. As `submit`."""
    return _follow(begin_again(name, run, world, followed=start_timeout is not None), world, start_timeout)


def begin_files(
    name: str, files: Sequence[Path], world: World, *, prefix_dir: bool = False, followed: bool
) -> Started:
    """Upload the files, which starts runs; they can be looked at if they are to be `followed`. Raises UserError."""
    job = _job(name, world)
    choice = plan_uploads(files, job, prefix_dir=prefix_dir)
    for text in choice.skipped:
        world.screen.print([(f"skipped {text}", "yellow")])
    store = world.store()
    return _begin(job, store, world, lambda: send(choice.uploads, job, world, store), followed)


def begin_existing(
    name: str, urls: Sequence[str], world: World, *, most: int = 1000, followed: bool
) -> Started:
    """Start runs over what lies at `urls`, or in all places that the job watches. As `begin_files`."""
    job, store = _job(name, world), world.store()
    if job.spec.period and not urls:
        raise UserError(
            f"{job.path.name}: trigger: {job.spec.trigger}: the clock starts a run over what is there already, by"
            " itself: name s3://BUCKET/PREFIX/ to read it once more"
        )
    places = named(urls, job.spec) if urls else watched(job.spec)
    chosen = choose(store, job, places, most=most)
    return _run_over(chosen, job, store, world, followed)


def begin_again(name: str, run: str, world: World, *, followed: bool) -> Started:
    """Start a run over the objects of an earlier one. As `begin_files`."""
    job, store = _job(name, world), world.store()
    selection, told = same_objects(store, job, resumed_run(store, job, run))
    world.screen.print(*told)
    return _run_over(selection, job, store, world, followed)


def _job(name: str, world: World) -> LoadedJob:
    return load_job(name, root=world.root, environ=world.environ, require_cloud=True)


def _run_over(selection: Selection, job: LoadedJob, store: Store, world: World, followed: bool) -> Started:
    what = f"{count(selection.objects, 'object')}, {human_bytes(selection.bytes)}: nothing is copied"
    world.screen.print([(what, "dim")])
    return _begin(job, store, world, lambda: start(selection, job, world, store), followed)


def _begin(
    job: LoadedJob, store: Store, world: World, begin: Callable[[], list[Loc]], followed: bool
) -> Started:
    """Let runs begin, by the objects that are returned. Only whoever follows them has to know which there were."""
    since = an_hour_before(world.clock.now())
    before = known_runs(store, job, since) if followed else set()
    return Started(store, job, before, begin(), region=named_region(world.environ), since=since)


def _follow(started: Started, world: World, start_timeout: float | None) -> int:
    """Wait for the runs if that is asked for; else say how to."""
    if start_timeout is not None:
        return wait(started, world, start_timeout)
    if not started.triggers:
        return 0
    runs, they = ("run", "it has") if len(started.triggers) == 1 else ("runs", "they have")
    text = (
        f"scripts/status.py {started.job.name} shows the {runs}, or that {they} not begun yet; --wait waits"
    )
    world.screen.print([(typed(text), "dim")])
    return 0
