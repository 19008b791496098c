#!/usr/bin/env python
"""Upload files into a job's input place, which starts it.

A folder is uploaded with all that is below it, named relative to it. For a job with `trigger: marker`
one manifest that lists what was uploaded follows, and starts one run over all of it. With --wait, exit
code 0 says that every run this started has succeeded.

    submit.py --resume NAME RUN    pick up a run that stopped moving because its events never came
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from chalicelib.config.load import LoadedJob, load_job
from chalicelib.core.errors import RunFailed, UserError
from chalicelib.core.keys import RunKeys, results_place
from chalicelib.core.ports import Clock, Invoker, Loc, Store
from chalicelib.core.spec import InputSpec, parse_url
from chalicelib.functions.coordinator import MANIFEST_SUFFIX, READY
from chalicelib.run.status import collect as runs
from chalicelib.run.status.collect import Memory, RunStatus
from scripts.console.progress import all_ended, failure_lines, follow, table
from scripts.console.terminal import Line, Screen, count, human_bytes, human_seconds, run_main
from scripts.submitting.resume import pick_up, resumable, resumed_run

#: Where manifests are put, below the input place; they tell which objects a run is over.
SUBMIT = "_submit/"
MAX_KEY = 1024
MAX_FAILURES = 3


@dataclass(frozen=True, kw_only=True)
class World:
    """What the script needs of its surroundings."""

    root: Path
    environ: Mapping[str, str]
    screen: Screen
    clock: Clock
    store: Callable[[], Store]
    upload: Callable[[Path, Loc], None]
    #: Starts the functions of a deployed job.
    invoker: Callable[[str], Invoker] = field(default=lambda job: _lambda_invoker(job))


@dataclass(frozen=True)
class Upload:
    path: Path
    loc: Loc
    size: int


def parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="submit.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", metavar="NAME", help="the job: jobs/NAME.yml, or a .yml file")
    parser.add_argument("files", metavar="FILE", nargs="+", type=Path, help="files and folders")
    parser.add_argument("--resume", action="store_true", help="take FILE for the id of a run (or `latest`)")
    parser.add_argument("--wait", action="store_true", help="follow the runs until they have ended")
    parser.add_argument(
        "--prefix-dir", action="store_true", help="keep a folder's own name: logs/ becomes logs/..., not ..."
    )
    parser.add_argument(
        "--start-timeout",
        type=float,
        default=180.0,
        metavar="S",
        help="with --wait: how long S3 may take to start the runs (default %(default).0f s)",
    )
    options = parser.parse_args(argv)
    if options.resume and len(options.files) != 1:
        parser.error(f"--resume: expected NAME and the id of one run, got {len(options.files)} ids")
    return options


def main(argv: Sequence[str], world: World) -> int:
    options = parse(argv)
    if options.resume:
        return resume(options, world)
    job = load_job(options.name, root=world.root, environ=world.environ, require_cloud=True)
    choice = plan_uploads(options.files, job, prefix_dir=options.prefix_dir)
    for text in choice.skipped:
        world.screen.print([(f"skipped {text}", "yellow")])
    store = world.store()
    before = known_runs(store, job) if options.wait else set()
    triggers = send(choice.uploads, job, world, store)
    if not options.wait:
        world.screen.print([(f"scripts/status.py {job.name} shows the runs", "dim")])
        return 0
    return wait(Started(store, job, before, triggers), world, options.start_timeout)


# ---------------------------------------------------------------------------------------------------
# What to upload


@dataclass(frozen=True)
class Choice:
    uploads: list[Upload]
    #: Files below a folder that would start no run, with the reason.
    skipped: list[str]


def plan_uploads(files: Sequence[Path], job: LoadedJob, *, prefix_dir: bool) -> Choice:
    """Each file with its place, in the order given; nothing is uploaded yet.

    Raises UserError, naming all that is wrong: a file that is missing or cannot be read, two files of
    one name, a name that S3 or the job cannot take, nothing at all.
    """
    uploads: dict[Loc, Upload] = {}
    problems: list[str] = []
    skipped: list[str] = []
    for given, source in by_input(files, job):
        if not os.path.lexists(given):
            problems.append(f"{given}: no such file or folder")
        for path, name, within in named_files([given], prefix_dir):
            loc = source.loc.child(name)
            if idle := _starts_nothing(name, job, source.suffix):
                (skipped if within else problems).append(f"{path}: {idle}")
                continue
            problem = _refusal(path, loc, job)
            if loc in uploads and not problem:
                problem = f"would be uploaded as {name}, and so would {uploads[loc].path}"
            if problem:
                problems.append(f"{path}: {problem}")
                continue
            uploads[loc] = Upload(path, loc, path.stat().st_size)
    if problems:
        raise UserError("\n".join(["nothing was uploaded:", *problems]))
    if not uploads:
        raise UserError("\n".join([f"nothing to upload: {', '.join(map(str, files))}: no files", *skipped]))
    return Choice(list(uploads.values()), skipped)


def by_input(files: Iterable[Path], job: LoadedJob) -> Iterator[tuple[Path, InputSpec]]:
    """Each file with the input it is for: where there are several, it is given as `TAG=FILE`. Raises UserError."""
    inputs = {given.tag: given for given in job.spec.inputs}
    for file in files:
        if len(inputs) == 1:
            yield file, job.spec.input
            continue
        tag, equals, name = str(file).partition("=")
        if not equals or not name or tag not in inputs:
            raise UserError(
                f"{file}: for which input? Expected {' or '.join(f'{known}=FILE' for known in inputs)}"
            )
        yield Path(name), inputs[tag]


def named_files(files: Iterable[Path], prefix_dir: bool) -> Iterator[tuple[Path, str, bool]]:
    """(file, its name below the input place, whether it is of a folder); a folder's files are sorted."""
    for given in files:
        if given.is_dir():
            base = given.resolve().name + "/" if prefix_dir else ""
            for path in sorted(given.rglob("*")):
                if not path.is_dir():
                    yield path, base + path.relative_to(given).as_posix(), True
        elif os.path.lexists(given):
            yield given, given.name, False


def _starts_nothing(name: str, job: LoadedJob, suffix: str) -> str:
    """Why the coordinator would pass over this name; "" if it would not."""
    base = name.rpartition("/")[2]
    marker = job.spec.trigger != "each"
    if base.startswith(("_", ".")) and not (marker and base == READY):
        return "would not be read: names that start with _ or . are hidden"
    if not marker and not base.endswith(suffix):
        return f"would start no run: {job.path.name}: input.suffix is {suffix!r}"
    return ""


def _refusal(path: Path, loc: Loc, job: LoadedJob) -> str:
    """Why this file cannot be submitted; "" if it can."""
    try:
        length = len(loc.key.encode())
    except UnicodeEncodeError:
        return "its name is no UTF-8 text, which S3 keys must be: rename it"
    if not path.is_file():
        return "expected a file or a folder; it is a broken link or a special file"
    if not os.access(path, os.R_OK):
        return "cannot be read: permission denied"
    if length > MAX_KEY:
        return f"its key would have {length} bytes, S3 allows {MAX_KEY}"
    if job.spec.trigger == "each":
        return ""
    base = loc.key.rpartition("/")[2]
    if base == READY or base.endswith(MANIFEST_SUFFIX):
        return "a marker job takes this name for a marker and would start a run by it: rename it"
    if loc.url.splitlines() != [loc.url.strip()]:
        return "a manifest cannot list a name with line breaks, or spaces at its end: rename it"
    return ""


# ---------------------------------------------------------------------------------------------------
# Upload


def send(uploads: Sequence[Upload], job: LoadedJob, world: World, store: Store) -> list[Loc]:
    """Upload, telling each URL, and return the objects that start runs: the manifest last of all."""
    for upload in uploads:
        world.upload(upload.path, upload.loc)
        world.screen.print([(upload.loc.url, ""), (f"  {human_bytes(upload.size)}", "dim")])
    if job.spec.trigger == "each":
        return [upload.loc for upload in uploads]
    body = "".join(f"{upload.loc.url}\n" for upload in uploads).encode()
    manifest = manifest_loc(parse_url(job.spec.input.url), body, world.clock.now())
    store.put(manifest, body)
    world.screen.print(
        [(manifest.url, ""), (f"  starts one run over {count(len(uploads), 'object')}", "dim")]
    )
    return [manifest]


def manifest_loc(place: Loc, body: bytes, now: float) -> Loc:
    """`<input>_submit/<time>-<hash>.manifest`; the time is in microseconds, so that a repeat is another."""
    when = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    return place.child(f"{SUBMIT}{when}-{hashlib.sha256(body).hexdigest()[:12]}{MANIFEST_SUFFIX}")


# ---------------------------------------------------------------------------------------------------
# Wait


def known_runs(store: Store, job: LoadedJob) -> set[RunKeys]:
    """All runs of the job; one that was refused before it had a plan left its manifest only."""
    work, output = job.spec.work_loc, job.spec.output_loc
    return {*runs.list_runs(store, work, job.name), *runs.list_finished(store, output, work, job.name)}


@dataclass
class Started:
    """The runs that our uploads started, found among those that were not there before.

    A run's id cannot be known beforehand (it is made from S3's event); its plan names the object.
    """

    store: Store
    job: LoadedJob
    before: set[RunKeys]
    triggers: Sequence[Loc]
    memories: dict[RunKeys, Memory] = field(default_factory=dict)
    foreign: set[RunKeys] = field(default_factory=set)
    #: URLs whose run was found.
    found: set[str] = field(default_factory=set)
    #: New runs that failed without saying what had started them.
    unknown: list[RunStatus] = field(default_factory=list)

    @property
    def missing(self) -> list[str]:
        return [loc.url for loc in self.triggers if loc.url not in self.found]

    def look(self, now: float) -> list[RunStatus]:
        """Our runs, oldest first. One whose plan is not written yet is not known to be ours."""
        ours = {loc.url for loc in self.triggers}
        new = known_runs(self.store, self.job) - self.before - self.foreign
        statuses = []
        self.unknown.clear()
        for keys in sorted(new, key=lambda keys: keys.run):
            try:
                status = self._collect(keys, now)
            except UserError:  # deleted since it was listed
                continue
            source = status.source or _told_source(status, ours)
            if source in ours:
                self.found.add(source)
                statuses.append(status)
            elif source:
                self.foreign.add(keys)
            elif status.phase == "failed":
                self.unknown.append(status)
        return statuses

    def _collect(self, keys: RunKeys, now: float) -> RunStatus:
        return runs.collect(
            self.store,
            keys,
            now=now,
            output=results_place(self.job.spec.output_loc, keys.run),
            max_failures=MAX_FAILURES,
            memory=self.memories.setdefault(keys, Memory()),
        )


def _told_source(status: RunStatus, ours: set[str]) -> str:
    """For a run that failed before it had a plan: the one of our objects that its reason names."""
    if status.phase != "failed":
        return ""
    told = [status.reason, *(failure.message for failure in status.failures)]
    return next((url for url in sorted(ours, key=len, reverse=True) if any(url in text for text in told)), "")


def wait(started: Started, world: World, start_timeout: float) -> int:
    """Follow our runs until all have ended. Raises RunFailed if S3 started none for some upload."""
    begun = world.clock.now()

    def finished(statuses: Sequence[RunStatus]) -> bool:
        waited = world.clock.now() - begun
        if started.missing and waited > start_timeout:
            raise RunFailed(_not_started(started, waited))
        return not started.missing and all(status.ended for status in statuses)

    def draw(statuses: Sequence[RunStatus]) -> list[Line]:
        lines = table(statuses, job=False)
        waiting = len(started.missing)
        return lines + ([[(f"waiting for {count(waiting, 'run')} to start", "dim")]] if waiting else [])

    seen = follow(
        lambda: started.look(world.clock.now()), world.screen, world.clock, finished=finished, draw=draw
    )
    for status in seen:
        world.screen.print(*ending(status))
    return int(any(status.phase == "failed" for status in seen))


def ending(status: RunStatus) -> list[Line]:
    """The results' place, or why there are none."""
    if status.phase == "succeeded":
        return [[(f"{status.run}: ", "green"), (f"{status.output}", "")]]
    lines: list[Line] = [[(f"{status.run} failed: ", "bold red"), (status.reason, "")]]
    for failure in status.failures:
        lines += failure_lines(failure, status.reason)
    return lines


# ---------------------------------------------------------------------------------------------------
# Resume


def resume(options: argparse.Namespace, world: World) -> int:
    """Do for a run what its events should have done. Doing it twice, or for a run that moves, is harmless."""
    job = resumable(options.name, world.root, world.environ)
    store = world.store()
    keys = resumed_run(store, job, str(options.files[0]))
    memory = Memory()

    def look() -> list[RunStatus]:
        output = results_place(job.spec.output_loc, keys.run)
        return [
            runs.collect(
                store, keys, now=world.clock.now(), output=output, max_failures=MAX_FAILURES, memory=memory
            )
        ]

    (status,) = look()
    if status.ended:
        world.screen.print(*ending(status), [("this run has ended: there is nothing to resume", "dim")])
        return int(status.phase == "failed")
    for text in pick_up(store, keys, world.invoker(job.name)):
        world.screen.print(text)
    if not options.wait:
        world.screen.print([(f"scripts/status.py {job.name} {keys.run} --watch shows how it goes on", "dim")])
        return 0
    (status,) = follow(
        look, world.screen, world.clock, finished=all_ended, draw=lambda seen: table(seen, job=False)
    )
    world.screen.print(*ending(status))
    return int(status.phase == "failed")


def _lambda_invoker(job: str) -> Invoker:
    from chalicelib.aws.invoker import LambdaInvoker
    from chalicelib.stores.s3 import make_client

    return LambdaInvoker(make_client("lambda"), f"sluice-{job}")


def _not_started(started: Started, waited: float) -> str:
    missing = started.missing
    shown = missing[:3] + ([f"and {len(missing) - 3:,} more"] if len(missing) > 3 else [])
    if started.unknown:
        told = "\n".join(f"{status.run}: {status.reason}" for status in started.unknown)
        return f"no run is known to be of {', '.join(shown)}; these could not start meanwhile:\n{told}"
    return (
        f"no run started within {human_seconds(waited)} for {', '.join(shown)}: "
        f"is the job deployed? scripts/deploy.py {started.job.name} deploys it; "
        "the coordinator's log tells if it failed"
    )


def real_world() -> World:
    from chalicelib.aws.function import ROOT, SystemClock
    from chalicelib.stores.s3 import S3Store, make_client
    from chalicelib.stores.upload import upload_file

    return World(
        root=ROOT,
        environ=os.environ,
        screen=Screen(sys.stdout),
        clock=SystemClock(),
        store=lambda: S3Store(make_client("s3")),
        upload=lambda path, loc: upload_file(make_client("s3"), path, loc),
    )


if __name__ == "__main__":
    sys.exit(run_main(lambda: main(sys.argv[1:], real_world())))
