#!/usr/bin/env python
"""Delete the work objects of runs that ended some time ago; results and inputs are never touched.

    scripts/clean.py --older-than 7d            # every job in jobs/
    scripts/clean.py wordcount --dry-run
    scripts/clean.py --work /tmp/work           # a work folder of the local engine, or an s3:// URL

A run has ended when its `_SUCCESS` or `_FAILED` is there, or has had its verdict for a day; one that has
not is left alone, however old it is. Uploads that no function can still be writing are aborted. On AWS
the lifecycle rules of a deployment do the same, after 7 days.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from chalicelib.config import units
from chalicelib.core.errors import CorruptData, NotFound, UserError
from chalicelib.core.keys import RUN_DONE, OutputKeys, RunKeys, parse_run_key, results_place, runs_prefix
from chalicelib.core.messages import decode
from chalicelib.core.outcome import Manifest
from chalicelib.core.plan_file import read_head
from chalicelib.core.ports import Loc, ObjectInfo, Store
from chalicelib.run.status.runs import list_runs
from chalicelib.run.verdict import read_verdict
from chalicelib.stores.unfinished import Unfinished, Uploads
from scripts import status
from scripts.console.terminal import Line, Screen, count, human_bytes, human_seconds, run_main
from scripts.status import Place, job_place, open_store, work_place

#: Seconds after which nobody can still be writing an upload: no function lives that long.
UPLOAD_AGE = 3600.0
#: Seconds after its verdict at which a run without `_SUCCESS` or `_FAILED` is not finishing any more.
STALE_VERDICT = 86_400.0


@dataclass(frozen=True, kw_only=True)
class World(status.World):
    """What the script needs of its surroundings."""

    uploads: Callable[[Loc], Uploads]


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """The work objects of one run that may go; the verdict is the last of them."""

    keys: RunKeys
    ended: float
    rows: tuple[ObjectInfo, ...]

    @property
    def bytes(self) -> int:
        return sum(row.size for row in self.rows)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="clean.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="jobs; without, all in jobs/ or in PLACE")
    parser.add_argument(
        "--older-than", default="7d", metavar="TIME", help="ended so long ago: 7d, 12h (default %(default)s)"
    )
    parser.add_argument(
        "--work", metavar="PLACE", help="a work folder or s3:// URL, instead of the jobs' own"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be deleted, and delete nothing"
    )
    options = parser.parse_args(argv)
    options.seconds = units.parse(options.older_than, "seconds")
    if options.seconds is None:
        parser.error(f"--older-than: expected a time such as 7d, 12h or 30m, got {options.older_than!r}")
    return options


def main(argv: Sequence[str], world: World) -> int:
    options = parse(argv)
    found, problems = places(options, world)
    deleted: list[Leftover] = []
    uploads = left = 0
    for place in found:
        some, live = clean(world, place, options.seconds, dry_run=options.dry_run)
        deleted += some
        left += live
        uploads += abort_uploads(world, place, [item.keys for item in some], dry_run=options.dry_run)
    world.screen.print(*summary(deleted, uploads, left, options))
    world.screen.print(*([(problem, "yellow")] for problem in problems))
    return 1 if problems and not found else 0


def places(options: argparse.Namespace, world: World) -> tuple[list[Place], list[str]]:
    """Where to look, and why a job was left out where all were asked for."""
    if options.work is not None:
        work = work_place(options.work)
        return [Place(work, Path(name).stem) for name in options.names] or [Place(work)], []
    if options.names:
        return [job_place(name, world) for name in options.names], []
    found, problems = [], []
    for path in sorted((world.root / "jobs").glob("*.yml")):
        try:
            found.append(job_place(path.stem, world))
        except UserError as error:
            problems.append(str(error))
    return found, problems


# ---------------------------------------------------------------------------------------------------
# Runs


def clean(world: World, place: Place, age: float, *, dry_run: bool) -> tuple[list[Leftover], int]:
    """(what was deleted, how many runs had not ended)."""
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


def look(store: Store, keys: RunKeys, place: Place, now: float) -> Leftover | None:
    """What there is of a run, or None if it has not surely ended."""
    rows = list(store.list(keys.run_root))
    verdict = _verdict(store, keys, rows)
    closed = closing(store, keys, results(store, keys, place))
    if closed is not None:
        ended = max(closed, verdict.modified) if verdict else closed
    elif verdict is not None and now - verdict.modified >= STALE_VERDICT:
        ended = verdict.modified
    else:
        return None
    last = [row for row in rows if row is verdict]
    return Leftover(keys=keys, ended=ended, rows=(*(row for row in rows if row is not verdict), *last))


def _verdict(store: Store, keys: RunKeys, rows: Sequence[ObjectInfo]) -> ObjectInfo | None:
    """The verdict on the run; that of a step that went well is none if other steps follow."""
    found = {}
    for row in rows:
        parsed = parse_run_key(keys.work.bucket, row.key)
        if parsed and parsed[1] == RUN_DONE:
            found[parsed[0].step] = row
    if not found:
        return None
    step = max(found)
    try:
        plan = read_head(store, keys)
    except (NotFound, CorruptData):
        return found[step]
    if plan.steps > 1:
        verdict = read_verdict(store, keys.at(step))
        goes_on = step + 1 < plan.steps or plan.accumulates
        if verdict is not None and verdict.outcome != "failed" and goes_on:
            return None
    return found[step]


def results(store: Store, keys: RunKeys, place: Place) -> Loc | None:
    """Where the run's results are; None if nothing tells it any more."""
    try:
        return read_head(store, keys).output
    except (NotFound, CorruptData):
        return results_place(place.output, keys.run) if place.output else None


def closing(store: Store, keys: RunKeys, output: Loc | None) -> float | None:
    """When this run's `_SUCCESS` or `_FAILED` was written; None if neither is there.

    A local output folder may hold another run's results: the manifest tells whose they are.
    """
    if output is None:
        return None
    ends = OutputKeys(output)
    try:
        manifest = decode(Manifest, store.get(ends.manifest), ends.manifest.url)
        if (manifest.job, manifest.run) != (keys.job, keys.run):
            return None
        return store.head(ends.success if manifest.outcome == "success" else ends.failure).modified
    except (NotFound, CorruptData):
        return None


def delete(store: Store, leftover: Leftover) -> None:
    """The verdict goes last: a run whose cleaning was interrupted can still be seen to have ended."""
    keys = [row.key for row in leftover.rows]
    bucket = leftover.keys.work.bucket
    store.delete(bucket, keys[:-1])
    store.delete(bucket, keys[-1:])


# ---------------------------------------------------------------------------------------------------
# Uploads


def abort_uploads(world: World, place: Place, gone: Sequence[RunKeys], *, dry_run: bool) -> int:
    """Abort uploads that were left behind in the work place and in the results of its runs; their number."""
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


# ---------------------------------------------------------------------------------------------------
# Telling


def told(leftover: Leftover, now: float) -> Line:
    keys = leftover.keys
    size = f"{count(len(leftover.rows), 'object')}, {human_bytes(leftover.bytes)}"
    return [
        (f"{keys.job}  {keys.run}  ", ""),
        (f"ended {human_seconds(now - leftover.ended)} ago  ", "dim"),
        (size, ""),
    ]


def summary(deleted: Sequence[Leftover], uploads: int, left: int, options: argparse.Namespace) -> list[Line]:
    objects = sum(len(item.rows) for item in deleted)
    size = human_bytes(sum(item.bytes for item in deleted))
    verb = "would free" if options.dry_run else "freed"
    line = f"{verb} {size}: {count(objects, 'object')} of {count(len(deleted), 'run')}"
    if uploads:
        line += f", {count(uploads, 'unfinished upload')}"
    lines: list[Line] = [[(line, "bold")]]
    if left:
        lines.append([(f"left {count(left, 'run')} alone that had not ended", "dim")])
    return lines


# ---------------------------------------------------------------------------------------------------
# Composition


def open_uploads(work: Loc) -> Uploads:
    if work.bucket.startswith("/"):
        from chalicelib.stores.unfinished import FolderUploads

        return FolderUploads()
    from chalicelib.stores.s3 import make_client
    from chalicelib.stores.s3_uploads import S3Uploads

    return S3Uploads(make_client("s3"))


def real_world() -> World:
    from chalicelib.aws.function import ROOT, SystemClock

    return World(
        root=ROOT,
        environ=os.environ,
        screen=Screen(sys.stdout),
        clock=SystemClock(),
        open_store=open_store,
        uploads=open_uploads,
    )


if __name__ == "__main__":
    sys.exit(run_main(lambda: main(sys.argv[1:], real_world())))
