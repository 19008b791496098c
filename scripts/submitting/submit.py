"""Submits files to a job: chooses, uploads, and follows the runs that this starts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from chalicelib.config.load import load_job
from scripts.runs.world import named_region

from .send import send
from .uploads import plan_uploads
from .waiting import Started, known_runs, wait
from .world import World


def submit(
    name: str, files: Sequence[Path], world: World, *, prefix_dir: bool, start_timeout: float | None
) -> int:
    """Upload the files; the exit code. Raises UserError, mostly before anything is uploaded.

    With `start_timeout`, in seconds, wait for the runs that this starts: 1 then says that one failed.
    """
    job = load_job(name, root=world.root, environ=world.environ, require_cloud=True)
    choice = plan_uploads(files, job, prefix_dir=prefix_dir)
    for text in choice.skipped:
        world.screen.print([(f"skipped {text}", "yellow")])
    store = world.store()
    before = known_runs(store, job) if start_timeout is not None else set()
    triggers = send(choice.uploads, job, world, store)
    if start_timeout is None:
        runs, they = ("run", "it has") if len(triggers) == 1 else ("runs", "they have")
        text = f"scripts/status.py {job.name} shows the {runs}, or that {they} not begun yet; --wait waits"
        world.screen.print([(text, "dim")])
        return 0
    started = Started(store, job, before, triggers, region=named_region(world.environ))
    return wait(started, world, start_timeout)
