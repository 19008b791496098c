#!/usr/bin/env python3
# PYTHON_ARGCOMPLETE_OK
"""Run a job on this machine, over files, folders and objects on S3: the local engine.

scripts/run.py wordcount texts/ --output counts/
scripts/run.py wordcount s3://bucket/texts/ --output s3://bucket/counts/ --region eu-central-1
scripts/run.py my/job.yml 'logs/*.gz' --output out/ --workers 4 --set split_size=16MiB
scripts/run.py my/join.yml left=orders/ right=customers.csv --output joined/
"""

from __future__ import annotations

import argparse
import functools
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import scripts.console.lacking  # noqa: F401 (first: it says what this Python lacks)
from chalicelib.config.load import LoadedJob, load_job
from chalicelib.config.show import format_config
from chalicelib.core.errors import RunFailed, UserError
from chalicelib.core.keys import FAILURE
from chalicelib.core.outcome import Manifest
from chalicelib.core.ports import Loc, ObjectInfo, Store
from chalicelib.job.code_digest import digest
from chalicelib.job.load_class import job_loader
from chalicelib.job.side_files import brought
from chalicelib.job.steps import all_steps
from chalicelib.local.inputs import refuse_inside, tagged_inputs
from chalicelib.local.local_run import LocalRun
from chalicelib.local.publishing import run_into
from chalicelib.local.remote.mixed_store import Remote
from chalicelib.local.remote.objects import SCHEME
from chalicelib.local.remote.results_on_s3 import ResultsOnS3, place_of
from chalicelib.local.results import Claim, claimed, is_left
from chalicelib.local.resume import Going, RunOf, going_on, input_of, settings_of
from chalicelib.local.tune import is_in_place, tune, usable_cpus
from chalicelib.local.workers import new_token
from chalicelib.run import job_code
from chalicelib.stores.disk import LocalDisk
from scripts.console.bars import bars
from scripts.console.terminal import Parser, count, human_bytes, leave, run_main, say
from scripts.projects.where import root_for
from scripts.stopping.world import local_user


class _Asked(NamedTuple):
    """What is to be run, and where."""

    loaded: LoadedJob
    options: argparse.Namespace
    load: Callable[[str], type[Any]]
    inputs: Sequence[tuple[str, ObjectInfo]]
    tags: dict[Loc, str]
    #: The place that results go to: a folder, or one on S3.
    output: Path | ResultsOnS3
    #: The folder that the work is kept in.
    kept: Path | None

    @property
    def shown(self) -> str:
        return str(self.output) if isinstance(self.output, Path) else self.output.place.url


def main() -> int:
    options = _parse()
    logging.getLogger("chalicelib").setLevel(logging.ERROR)  # a failure is told once, at the end
    root = root_for(options.job)
    loaded = load_job(options.job, root=root, overrides=options.set, environ=os.environ, require_cloud=False)
    if options.print_config:
        say(*format_config(loaded).splitlines())
        return 0
    left_out: list[str] = []
    inputs, tags = tagged_inputs(options.input, loaded.spec.inputs, left_out, _s3)
    for text in left_out:
        say(f"left out: {text}", err=True)
    on_s3 = options.output.startswith(SCHEME)
    asked = _Asked(
        loaded=loaded,
        options=options,
        load=job_loader(loaded.path.absolute().parent),
        inputs=inputs,
        tags=tags,
        output=_on_s3(options, loaded)
        if on_s3
        else _place(options.output, "--output", options.input, loaded),
        kept=_place(options.work, "--work", options.input, loaded) if options.work else None,
    )
    _require_kept_work(asked)
    started = time.perf_counter()
    job_code.check(asked.load, loaded.name, loaded.spec)  # tells of mistakes before anything is written
    for text in job_code.warnings(asked.load, loaded.spec):
        say(f"warning: {text}", err=True)
    with _terminable(), _going(asked) as going:
        if going.resumed:
            say(f"run {going.run} was killed: going on with it", err=True)
        manifest = _published(asked, going)
    say(*_summary(manifest, time.perf_counter() - started, asked))
    return 0


@contextmanager
def _going(asked: _Asked) -> Iterator[Going]:
    """The run to do: a new one or, where the work is kept, one that was killed."""
    run = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{new_token()}"
    if (asked.kept is None or asked.options.timings) and isinstance(asked.output, Path):
        yield Going(run, asked.output)
        return
    if asked.kept is None or asked.options.timings:
        from tempfile import TemporaryDirectory  # here and below: a run into a folder needs none

        with TemporaryDirectory(prefix="sluice-results-") as scratch:
            yield Going(run, Path(scratch))
        return
    new = RunOf(
        run=run,
        output=asked.shown,
        code=digest(asked.load, asked.loaded.spec),
        settings=settings_of(asked.loaded.spec),
        input=input_of(asked.inputs),
    )
    output = asked.output
    with going_on(
        _made(asked.kept),
        asked.loaded.name,
        new,
        lambda results, run: is_left(output if isinstance(output, Path) else results, run),
    ) as going:
        yield going


def _published(asked: _Asked, going: Going) -> Manifest:
    """Run the job and, where results go to S3, publish them there, the failure of a run that has failed too."""
    there = asked.output
    if isinstance(there, Path):
        return _run(asked, going, there)
    there.require_free(going.run if going.resumed else "")
    try:
        _run(asked, going, going.results)
    except RunFailed as error:
        if (going.results / FAILURE).exists():
            there.publish(going.results)
        raise RunFailed(str(error).replace(str(going.results), there.place.url.rstrip("/"))) from error
    return there.publish(going.results)


def _run(asked: _Asked, going: Going, output: Path) -> Manifest:
    """Run the job into `output`, which is claimed for the time; without `kept` its work goes with the claim."""
    loaded, options, load = asked.loaded, asked.options, asked.load
    workers = options.workers or usable_cpus()
    spec = tune(
        loaded.spec,
        loaded.provenance,
        sum(info.size for _, info in asked.inputs),
        workers,
        in_place=is_in_place(loaded.spec, asked.inputs, asked.tags),
    )
    with claimed(output, going.run, force=options.force, resumed=going.resumed) as claim:
        if claim.ended:
            return _as_ended(claim.ended, output)
        work = _made(asked.kept) if asked.kept else claim.work
        steps = all_steps(load, spec) if spec.job else None
        with bars(loaded.name, steps.most if steps else 1, at_most=bool(steps and steps.loops)) as progress:
            local = LocalRun(
                name=loaded.name,
                spec=brought(_s3, spec, LocalDisk(work)),
                run=going.run,
                inputs=asked.inputs,
                tags=asked.tags,
                source=", ".join(options.input)[:500],
                output=output,
                staging=claim.results,
                private=(claim.lock, *going.locks),
                work=work,
                workers=workers,
                load_job=load,
                progress=progress,
                user=local_user,
                remote=_remote() if any(bucket != "/" for bucket, _ in asked.inputs) else None,
                resumed=going.resumed,
            )
            if not options.timings:
                return run_into(claim, local)
            return _timed(loaded, claim, local)


def _as_ended(manifest: Manifest, output: Path) -> Manifest:
    """What a run came to that was killed when all was done. Raises RunFailed if it had failed."""
    if manifest.outcome != "success":
        raise RunFailed((output / FAILURE).read_text().rstrip())
    return manifest


def _timed(loaded: LoadedJob, claim: Claim, run: LocalRun) -> Manifest:
    """Run in this process, and say where the time has gone."""
    from chalicelib.job.steps import expand
    from chalicelib.local.inline import run_inline
    from chalicelib.local.timings import Timings, advice, report

    with Timings() as found:
        manifest = run_into(claim, run, run_inline)
    say(*report(found, Path.cwd()))
    steps = [] if loaded.spec.sql.map else expand(run.load_job(loaded.spec.job), loaded.spec.params)
    hints = advice(found, loaded.spec.inputs, steps)
    say(*(f"faster: {hint}" for hint in hints))
    if hints:
        say("docs/how-to/fast-jobs.md has what each of these gains")
    return manifest


def _parse() -> argparse.Namespace:
    parser = Parser(
        prog="run.py",
        aws=True,
        description=__doc__,
        epilog="Exit code 0 means that _SUCCESS is there, among the results.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("job", metavar="JOB", help="a name in jobs/, or the path of a .yml")
    parser.add_argument(
        "input",
        metavar="INPUT",
        nargs="*",
        help="files, folders, glob patterns, s3://BUCKET/PREFIX/; TAG=INPUT where a job has several inputs",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="PLACE",
        help="folder for the results, or s3://BUCKET/PREFIX/; must be new or empty",
    )
    parser.add_argument("--workers", metavar="N", type=int, help="processes (default: one a processor)")
    parser.add_argument(
        "--work",
        metavar="DIR",
        help="keep intermediate files and status here; the same command goes on with a run that was killed",
    )
    parser.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], help="override the job file"
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="replace earlier results in a folder, once the new ones are there",
    )
    parser.add_argument(
        "--timings",
        action="store_true",
        help="run in one process, and say by stage and by line of your code where the time goes",
    )
    parser.add_argument(
        "--print-config", action="store_true", help="show each setting and its origin, and stop"
    )
    options = parser.parse_args()
    if not options.print_config:
        if not options.input:
            parser.error("expected at least one INPUT")
        if not options.output:
            parser.error("expected --output, a folder or s3://BUCKET/PREFIX/")
    if options.workers is not None and options.workers < 1:
        parser.error(f"--workers: expected at least 1, got {options.workers}")
    return options


@functools.cache
def _s3() -> Store:
    """The store of input, and of side files, that are objects: anybody's, public ones too."""
    from chalicelib.stores.s3 import S3Store, make_client

    return S3Store(make_client("s3"))


def _remote() -> Remote:
    """The same for workers. Processes must not share connections."""
    from chalicelib.stores.s3 import make_client

    return Remote(_s3(), make_client("s3").close)


def _on_s3(options: argparse.Namespace, loaded: LoadedJob) -> ResultsOnS3:
    """Where results go on S3, in a bucket of one's own account. Raises UserError for what cannot be there."""
    from chalicelib.stores.s3 import S3Store
    from scripts.deployment.aws.owner import own_s3

    several = len(loaded.spec.inputs) > 1
    place = place_of(
        options.output, [given.partition("=")[2] if several else given for given in options.input]
    )
    if options.force:
        raise UserError(f"--force: what is published on S3 is never replaced: give {place.url} another name")
    if loaded.spec.accumulate:
        raise UserError(
            f"{loaded.name}: accumulate: totals of this machine are kept in folders: expected --output DIR, or deploy"
            " the job; --set accumulate=false leaves the totals out"
        )
    return ResultsOnS3(S3Store(own_s3()), place)


def _place(given: str, option: str, inputs: Sequence[str], loaded: LoadedJob) -> Path:
    """The folder that an option names. Raises UserError if it is no folder's name, or lies in an input folder."""
    if "://" in given:
        raise UserError(
            f"{option} {given}: expected a folder of this machine"
            f"{' or s3://BUCKET/PREFIX/' if option == '--output' else ''}"
        )
    folder = Path(given).absolute()
    becomes = f"{'results' if option == '--output' else 'intermediate files'} would become input"
    refuse_inside(inputs, folder, becomes, tagged=len(loaded.spec.inputs) > 1)
    return folder


def _require_kept_work(asked: _Asked) -> None:
    kept = asked.kept
    if asked.loaded.spec.accumulate and not kept:
        raise UserError(
            f"{asked.loaded.name}: accumulate: totals are kept from run to run in the work folder: add --work DIR,"
            " the same one each time, or leave them out with --set accumulate=false"
        )
    if kept and isinstance(asked.output, Path) and kept.resolve() == asked.output.resolve():
        raise UserError(f"--work {kept}: expected another folder than that of the results")


def _made(work: Path) -> Path:
    from tempfile import TemporaryFile

    try:
        work.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=work):
            return work
    except OSError as error:
        raise UserError(
            f"--work {work}: cannot be written to: {error.strerror}: choose another folder"
        ) from error


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the command as Ctrl-C does: processes are stopped and folders tidied first."""

    def end(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_IGN)
        say(f"{signal.Signals(number).name}: ended", err=True)
        raise SystemExit(128 + number)

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # as nohup wants it
            signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _summary(manifest: Manifest, seconds: float, asked: _Asked) -> list[str]:
    rate = manifest.input_bytes / max(seconds, 1e-9)
    return [
        f"{manifest.job}: {human_bytes(manifest.input_bytes)} from {manifest.inputs} file(s) in {seconds:.2f} s"
        f" ({human_bytes(rate)}/s): {manifest.map_tasks} map and {manifest.reduce_tasks} reduce task(s),"
        f" {manifest.records} records",
        *(f"  {name}: {total:,}" for name, total in manifest.counters.items()),
        *_set_aside(manifest, asked),
        *(f"left out: {one.message} ({', '.join(one.inputs)})" for one in manifest.left_out[:10]),
        *([f"left out: {count(len(manifest.left_out), 'map task')} in all"] if manifest.left_out else []),
        *(f"{loop.name}: {loop.told}" for loop in manifest.loops),
        asked.shown,
    ]


def _set_aside(manifest: Manifest, asked: _Asked) -> list[str]:
    """How many bad records there were, and where they are; nothing if there were none."""
    if not manifest.bad:
        return []
    there = asked.shown if isinstance(asked.output, Path) else f"s3://{asked.output.place.bucket}"
    folders = {f"{asked.kept or there}/{name.rpartition('/')[0]}" for name in manifest.quarantine}
    return [f"set aside: {count(manifest.bad, 'bad record')}, listed in {', '.join(sorted(folders))}"]


if __name__ == "__main__":
    leave(run_main(main))
