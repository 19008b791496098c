"""Deletes the work objects of runs that ended, and aborts uploads that were left behind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chalicelib.core.keys import RunKeys, results_place, runs_prefix
from chalicelib.run.status.runs import list_runs
from chalicelib.stores.unfinished import Unfinished, Uploads
from scripts.console.terminal import Line, count, human_bytes, human_seconds
from scripts.runs.places import Place

from .leftovers import Leftover, delete, look
from .world import World

#: Seconds after which nobody can still be writing an upload: no function lives that long.
UPLOAD_AGE = 3600.0


def clean_all(world: World, places: Sequence[Place], age: float, *, dry_run: bool) -> None:
    """Delete what is left of runs that ended at least `age` seconds ago, and say what was deleted.

    With `dry_run`, say what would be.
    """
    deleted: list[Leftover] = []
    uploads = left = 0
    for place in places:
        some, live = clean(world, place, age, dry_run=dry_run)
        deleted += some
        left += live
        uploads += abort_uploads(world, place, [item.keys for item in some], dry_run=dry_run)
    world.screen.print(*summary(deleted, uploads, left, dry_run=dry_run))


def clean(world: World, place: Place, age: float, *, dry_run: bool) -> tuple[list[Leftover], int]:
    """Delete what is left of the place's old runs; (what was deleted, how many runs have not ended)."""
    keys = list_runs(world.open_store(place.work, ()), place.work, place.job)
    store, now = world.open_store(place.work, keys), world.clock.now()
    found, live = [], 0
    for run in keys:
        leftover = look(store, run, place, now)
        if leftover is None:
            live += 1
        elif now - leftover.ended >= age:
            if not dry_run:
                delete(store, leftover)
            world.screen.print(told(leftover, now))
            found.append(leftover)
    return found, live


def abort_uploads(world: World, place: Place, gone: Sequence[RunKeys], *, dry_run: bool) -> int:
    """Abort uploads that were left in the work place and among the results of `gone`; returns their number."""
    uploads, now, number = world.uploads(place.work), world.clock.now(), 0
    for upload in _left_behind(uploads, place, gone):
        if now - upload.started < UPLOAD_AGE:
            continue
        if not dry_run:
            uploads.abort(upload)
        number += 1
    return number


def _left_behind(uploads: Uploads, place: Place, gone: Sequence[RunKeys]) -> Iterator[Unfinished]:
    yield from uploads.list(runs_prefix(place.work, place.job))
    if place.output is not None:
        for keys in gone:
            yield from uploads.list(results_place(place.output, keys.run))


def told(leftover: Leftover, now: float) -> Line:
    """What was deleted of a run, on one line."""
    keys = leftover.keys
    size = f"{count(len(leftover.rows), 'object')}, {human_bytes(leftover.bytes)}"
    return [
        (f"{keys.job}  {keys.run}  ", ""),
        (f"ended {human_seconds(now - leftover.ended)} ago  ", "dim"),
        (size, ""),
    ]


def summary(deleted: Sequence[Leftover], uploads: int, left: int, *, dry_run: bool) -> list[Line]:
    """What was deleted in all."""
    objects = sum(len(item.rows) for item in deleted)
    size = human_bytes(sum(item.bytes for item in deleted))
    verb = "would free" if dry_run else "freed"
    line = f"{verb} {size}: {count(objects, 'object')} of {count(len(deleted), 'run')}"
    if uploads:
        line += f", {count(uploads, 'unfinished upload')}"
    lines: list[Line] = [[(line, "bold")]]
    if left:
        lines.append([(f"left {count(left, 'run')} alone that had not ended", "dim")])
    return lines
