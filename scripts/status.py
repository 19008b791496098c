#!/usr/bin/env python
"""Show how a job's runs stand: read from S3, or from the local engine's work folder, alone.

Without NAME: the runs of every job in jobs/ (or in the --work place). With RUN (an id, or `latest`):
the full picture of that run. With --watch, exit code 0 says that the runs succeeded, 1 that one failed.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from chalicelib.config.load import load_job
from chalicelib.core.errors import CorruptData, NotFound, StoreError, UserError
from chalicelib.core.keys import RunKeys, results_place, runs_prefix
from chalicelib.core.plan_file import read_head
from chalicelib.core.ports import Clock, Loc, Store
from chalicelib.core.spec import parse_url
from chalicelib.run.status import collect as runs
from chalicelib.run.status.collect import Memory, RunStatus
from scripts.console.progress import all_ended, follow, picture, table
from scripts.console.terminal import Line, Screen, run_main

#: Markers of each phase and failures that the full picture reads anew each time (a request each).
MAX_MARKERS = 64
MAX_FAILURES = 5
LATEST = "latest"
_RUN_ID = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True, kw_only=True)
class World:
    """What the script needs of its surroundings."""

    root: Path
    environ: Mapping[str, str]
    screen: Screen
    clock: Clock
    #: A store that can read a work place, and the results of the runs named.
    open_store: Callable[[Loc, Sequence[RunKeys]], Store]


@dataclass(frozen=True)
class Place:
    """Where to look for runs: a work place, for one job or (with "") for all."""

    work: Loc
    job: str = ""
    #: The job's output place, where manifests outlast the work place's lifecycle rule.
    output: Loc | None = None
    #: What was read before, by run.
    memories: dict[RunKeys, Memory] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return runs_prefix(self.work, self.job).url


def parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="status.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="the job: jobs/NAME.yml, or a .yml file")
    parser.add_argument("run", nargs="?", metavar="RUN", help="a run's id, or `latest`")
    parser.add_argument("--watch", action="store_true", help="redraw until the run or runs have ended")
    parser.add_argument("--json", action="store_true", help="stable JSON; with --watch, one object a change")
    parser.add_argument(
        "--work", metavar="PLACE", help="a work folder or s3:// URL, instead of the job's own work place"
    )
    parser.add_argument(
        "--last", type=int, default=20, metavar="N", help="list the newest N runs (default %(default)s)"
    )
    parser.add_argument(
        "--every", type=float, default=1.0, metavar="S", help="seconds between two looks (default 1)"
    )
    options = parser.parse_args(argv)
    if options.last < 1:
        parser.error(f"--last: expected at least 1, got {options.last}")
    if options.every <= 0:
        parser.error(f"--every: expected more than 0 seconds, got {options.every:g}")
    return options


def main(argv: Sequence[str], world: World) -> int:
    options = parse(argv)
    found, problems = places(options, world)
    if options.run is not None:
        return show_run(world, found[0], options)
    return show_list(world, found, problems, options)


# ---------------------------------------------------------------------------------------------------
# Where to look


def places(options: argparse.Namespace, world: World) -> tuple[list[Place], list[str]]:
    """The places to look at, and why a job was left out where all were asked for."""
    if options.work is not None:
        job = Path(options.name).stem if options.name else ""
        return [Place(work_place(options.work), job)], []
    if options.name:
        return [job_place(options.name, world)], []
    found, problems = [], []
    for path in sorted((world.root / "jobs").glob("*.yml")):
        try:
            found.append(job_place(path.stem, world))
        except UserError as error:
            problems.append(str(error))
    if not found and not problems:
        raise UserError(
            f"{world.root / 'jobs'}: no job there (*.yml): scripts/new_job.py NAME makes one; "
            "--work PLACE shows the runs of a work folder or s3:// URL"
        )
    return found, problems


def job_place(name: str, world: World) -> Place:
    loaded = load_job(name, root=world.root, environ=world.environ, require_cloud=True)
    return Place(loaded.spec.work_loc, loaded.name, loaded.spec.output_loc)


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


def find_runs(store: Store, place: Place) -> list[RunKeys]:
    """Runs of the place, newest last; with those of which only the results are left."""
    found = runs.list_runs(store, place.work, place.job)
    if place.output is None:
        return found
    finished = runs.list_finished(store, place.output, place.work, place.job)
    return sorted({*found, *finished}, key=lambda keys: keys.run)


def results_of(place: Place, keys: RunKeys) -> Loc | None:
    return results_place(place.output, keys.run) if place.output else None


# ---------------------------------------------------------------------------------------------------
# One run


def show_run(world: World, place: Place, options: argparse.Namespace) -> int:
    keys = named_run(world, place, options.run)
    memory = Memory()

    def look() -> list[RunStatus]:
        store = world.open_store(place.work, [keys])
        status = runs.collect(
            store,
            keys,
            now=world.clock.now(),
            output=results_of(place, keys),
            max_markers=MAX_MARKERS,
            max_failures=MAX_FAILURES,
            memory=memory,
        )
        return [status]

    def draw(statuses: Sequence[RunStatus]) -> list[Line]:
        return picture(statuses[0], terminal=world.screen.terminal)

    if not options.watch:
        (status,) = look()
        if options.json:
            world.screen.write(as_json(status))
        else:
            world.screen.print(*draw([status]))
        return 0
    seen = follow(
        look, world.screen, world.clock, finished=all_ended, draw=draw, json=options.json, every=options.every
    )
    if not options.json and not world.screen.terminal:
        world.screen.print("", *draw(seen))
    return 0 if seen[0].phase == "succeeded" else 1


def named_run(world: World, place: Place, name: str) -> RunKeys:
    if name != LATEST:
        if not _RUN_ID.fullmatch(name):
            raise UserError(f"{name!r}: expected a run's id as scripts/status.py lists it, or `latest`")
        return RunKeys(place.work, place.job, name)
    found = find_runs(world.open_store(place.work, ()), place)
    if not found:
        raise UserError(f"{place.url}: there is no run of {place.job} yet; {how_to_start(place)}")
    return found[-1]


def how_to_start(place: Place) -> str:
    return f"scripts/submit.py {place.job or 'NAME'} FILE... starts one"


# ---------------------------------------------------------------------------------------------------
# Many runs


def show_list(world: World, found: list[Place], problems: list[str], options: argparse.Namespace) -> int:
    many = len(found) != 1 or not found[0].job
    hidden = 0

    def look() -> list[RunStatus]:
        nonlocal hidden
        statuses, left_out, failed = snapshot(world, found, options.last, tolerant=len(found) > 1)
        hidden, problems[:] = left_out, [*dict.fromkeys([*problems, *failed])]
        return statuses

    def draw(statuses: Sequence[RunStatus]) -> list[Line]:
        lines = table(statuses, job=many) if statuses else [nothing_yet(place) for place in found]
        if hidden:
            lines.append([(f"... and {hidden:,} older; --last {hidden + len(statuses)} shows all", "dim")])
        return lines + [[(problem, "yellow")] for problem in problems]

    if not options.watch:
        statuses = look()
        if options.json:
            world.screen.write(as_json({"runs": statuses, "errors": problems}))
        else:
            world.screen.print(*draw(statuses))
        return 1 if problems and not statuses else 0
    return watch_list(world, look, draw, options)


def watch_list(
    world: World,
    look: Callable[[], list[RunStatus]],
    draw: Callable[[Sequence[RunStatus]], list[Line]],
    options: argparse.Namespace,
) -> int:
    """Until no run is under way. Exit code 1 if one of those that were under way failed."""
    followed: set[tuple[str, str]] = set()

    def finished(statuses: Sequence[RunStatus]) -> bool:
        followed.update((s.job, s.run) for s in statuses if not s.ended)
        return all_ended(statuses)

    seen = follow(
        look, world.screen, world.clock, finished=finished, draw=draw, json=options.json, every=options.every
    )
    if not seen and not options.json and not world.screen.terminal:
        world.screen.print(*draw(seen))
    return int(any(s.phase == "failed" and (s.job, s.run) in followed for s in seen))


def nothing_yet(place: Place) -> Line:
    return [(f"{place.url}: no runs yet; {how_to_start(place)}", "")]


def snapshot(
    world: World, found: Sequence[Place], last: int, *, tolerant: bool
) -> tuple[list[RunStatus], int, list[str]]:
    """(the newest `last` runs, newest last; how many more there are; what could not be read).

    A place that cannot be read is an error, or with `tolerant` a sentence among the results.
    """
    statuses: list[RunStatus] = []
    problems: list[str] = []
    hidden = 0
    for place in found:
        try:
            known = find_runs(world.open_store(place.work, ()), place)
            shown = known[-last:]
            hidden += len(known) - len(shown)
            for status in collect_all(world, place, shown):
                if isinstance(status, str):
                    problems.append(status)
                else:
                    statuses.append(status)
        except StoreError as error:
            if not tolerant:
                raise
            problems.append(f"{place.job}: {error}")
    statuses.sort(key=lambda status: (status.run, status.job))
    return statuses[-last:], hidden + max(0, len(statuses) - last), problems


def collect_all(world: World, place: Place, shown: Sequence[RunKeys]) -> Iterator[RunStatus | str]:
    """The status of each run, or why it cannot be read; several are read at once where that helps."""
    store, now = world.open_store(place.work, shown), world.clock.now()

    def one(keys: RunKeys) -> RunStatus | str | None:
        memory = place.memories.setdefault(keys, Memory())
        try:
            return runs.collect(store, keys, now=now, output=results_of(place, keys), memory=memory)
        except CorruptData as error:
            return f"{keys.job} {keys.run}: {error}"
        except UserError:  # deleted since it was listed
            return None

    with ThreadPoolExecutor(max_workers=max(1, store.parallel_reads)) as pool:
        yield from (status for status in pool.map(one, shown) if status is not None)


def as_json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


# ---------------------------------------------------------------------------------------------------
# Composition


def open_store(work: Loc, wanted: Sequence[RunKeys]) -> Store:
    """S3, or the work folder with the folders that the wanted runs write their results to."""
    if not work.bucket.startswith("/"):
        from chalicelib.stores.s3 import S3Store, make_client

        return S3Store(make_client("s3"))
    from chalicelib.stores.folder import FolderStore

    store = FolderStore([Path(work.bucket)])
    roots = {work.bucket, *(bucket for keys in wanted if (bucket := _output_folder(store, keys)))}
    return FolderStore([Path(root) for root in sorted(roots)])


def _output_folder(store: Store, keys: RunKeys) -> str | None:
    try:
        bucket = read_head(store, keys).output.bucket
    except (NotFound, CorruptData):  # `collect` tells of it
        return None
    return bucket if bucket.startswith("/") else None


def real_world() -> World:
    from chalicelib.aws.function import ROOT, SystemClock

    return World(
        root=ROOT,
        environ=os.environ,
        screen=Screen(sys.stdout),
        clock=SystemClock(),
        open_store=open_store,
    )


if __name__ == "__main__":
    sys.exit(run_main(lambda: main(sys.argv[1:], real_world())))
