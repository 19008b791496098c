#!/usr/bin/env python3
# PYTHON_ARGCOMPLETE_OK
"""Run a job on this machine, over files and folders: the local engine.

scripts/run.py wordcount texts/ --output counts/
scripts/run.py my/job.yml 'logs/*.gz' --output out/ --workers 4 --set split_size=16MiB
scripts/run.py my/join.yml left=orders/ right=customers.csv --output joined/
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import scripts.console.lacking  # noqa: F401 (first: it says what this Python lacks)
from chalicelib.config.load import LoadedJob, load_job
from chalicelib.config.show import format_config
from chalicelib.core.errors import UserError
from chalicelib.core.keys import Phase
from chalicelib.core.outcome import Manifest
from chalicelib.core.ports import ObjectInfo, Store
from chalicelib.core.spec import JobSpec
from chalicelib.job.load_class import job_loader
from chalicelib.job.side_files import brought
from chalicelib.job.steps import all_steps
from chalicelib.local.engine import LocalRun, Progress
from chalicelib.local.inputs import refuse_inside, tagged_inputs
from chalicelib.local.publishing import run_into
from chalicelib.local.results import Claim, claimed
from chalicelib.local.tune import tune, usable_cpus
from chalicelib.local.workers import new_token
from chalicelib.run import job_code
from chalicelib.stores.disk import LocalDisk
from scripts.console.terminal import Parser, count, human_bytes, run_main, say
from scripts.projects.where import root_for
from scripts.stopping.world import local_user


def main() -> int:
    options = _parse()
    logging.getLogger("chalicelib").setLevel(logging.ERROR)  # a failure is told once, at the end
    root = root_for(options.job)
    loaded = load_job(options.job, root=root, overrides=options.set, environ=os.environ, require_cloud=False)
    if options.print_config:
        say(*format_config(loaded).splitlines())
        return 0
    left_out: list[str] = []
    inputs, tags = tagged_inputs(options.input, loaded.spec.inputs, left_out)
    for text in left_out:
        say(f"left out: {text}", err=True)
    output = _place(options.output, "--output", options.input, loaded)
    kept = _place(options.work, "--work", options.input, loaded) if options.work else None
    _require_kept_work(loaded.name, loaded.spec, output, kept)
    started = time.perf_counter()
    manifest = _run(loaded, options, inputs, tags, output, kept)
    say(*_summary(manifest, time.perf_counter() - started, output, kept))
    return 0


def _run(
    loaded: LoadedJob,
    options: argparse.Namespace,
    inputs: list[ObjectInfo],
    tags: dict[str, str],
    output: Path,
    kept: Path | None,
) -> Manifest:
    """Run the job into `output`, which is claimed for the time; without `kept` its work goes with the claim."""
    workers = options.workers or usable_cpus()
    spec = tune(loaded.spec, loaded.provenance, sum(info.size for info in inputs), workers)
    load = job_loader(loaded.path.absolute().parent)
    job_code.check(load, loaded.name, spec)  # tells of mistakes before anything is written
    for text in job_code.warnings(load, spec):
        say(f"warning: {text}", err=True)
    run = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{new_token()}"
    with _terminable(), claimed(output, run, force=options.force) as claim:
        work = _made(kept) if kept else claim.work
        with _display(loaded.name, len(all_steps(load, spec).classes) if spec.job else 1) as progress:
            local = LocalRun(
                name=loaded.name,
                spec=brought(_s3, spec, LocalDisk(work)),
                run=run,
                inputs=inputs,
                tags=tags,
                source=", ".join(options.input)[:500],
                output=output,
                staging=claim.results,
                private=claim.lock,
                work=work,
                workers=workers,
                load_job=load,
                progress=progress,
                user=local_user(),
            )
            if not options.timings:
                return run_into(claim, local)
            return _timed(loaded, claim, local)


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
        description=__doc__,
        epilog="Exit code 0 means that DIR/_SUCCESS is there.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("job", metavar="JOB", help="a name in jobs/, or the path of a .yml")
    parser.add_argument(
        "input",
        metavar="INPUT",
        nargs="*",
        help="files, folders or glob patterns; TAG=INPUT where a job has several inputs",
    )
    parser.add_argument("--output", metavar="DIR", help="folder for the results; must be new or empty")
    parser.add_argument("--workers", metavar="N", type=int, help="processes (default: one a processor)")
    parser.add_argument("--work", metavar="DIR", help="keep intermediate files and status here")
    parser.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], help="override the job file"
    )
    parser.add_argument(
        "--force", action="store_true", help="replace earlier results in DIR, once the new ones are there"
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
            parser.error("expected --output DIR")
    if options.workers is not None and options.workers < 1:
        parser.error(f"--workers: expected at least 1, got {options.workers}")
    return options


def _s3() -> Store:
    """The store of side files that are objects."""
    from chalicelib.stores.s3 import S3Store, make_client

    return S3Store(make_client("s3"))


def _place(given: str, option: str, inputs: Sequence[str], loaded: LoadedJob) -> Path:
    """The folder that an option names. Raises UserError if it is no folder's name, or lies in an input folder."""
    if "://" in given:
        raise UserError(
            f"{option} {given}: expected a folder of this machine; scripts/deploy.py and scripts/submit.py run"
            " the job on AWS, into the places that its file names"
        )
    folder = Path(given).absolute()
    becomes = f"{'results' if option == '--output' else 'intermediate files'} would become input"
    refuse_inside(inputs, folder, becomes, tagged=len(loaded.spec.inputs) > 1)
    return folder


def _require_kept_work(name: str, spec: JobSpec, output: Path, kept: Path | None) -> None:
    if spec.accumulate and not kept:
        raise UserError(
            f"{name}: accumulate: totals are kept from run to run in the work folder: add --work DIR,"
            " the same one each time, or leave them out with --set accumulate=false"
        )
    if kept and kept.resolve() == output.resolve():
        raise UserError(f"--work {kept}: expected another folder than that of the results")


def _made(work: Path) -> Path:
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


@contextmanager
def _display(name: str, steps: int) -> Iterator[Progress]:
    """A progress bar on a terminal, nothing in a pipe; of several steps it says which one it is of."""
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=Console(stderr=True), auto_refresh=False, transient=True) as bars:
        phases: tuple[Phase, ...] = ("map", "reduce")
        rows = {phase: bars.add_task("", total=None) for phase in phases}
        shown, place = -1, name

        def show(step: int, phase: Phase, done: int, total: int) -> None:
            nonlocal shown, place
            if step != shown:
                shown = step
                place = f"{name}, step {step + 1} of {steps}" if steps > 1 else name
                for each, row in rows.items():
                    bars.update(row, description=f"{place}, {each}", completed=0, total=None)
            if phase not in rows:  # few runs have a second level of shuffle
                rows[phase] = bars.add_task(f"{place}, {phase}", total=None)
            bars.update(rows[phase], completed=done, total=total or None, refresh=True)

        yield show


def _summary(manifest: Manifest, seconds: float, output: Path, kept: Path | None) -> list[str]:
    rate = manifest.input_bytes / max(seconds, 1e-9)
    return [
        f"{manifest.job}: {human_bytes(manifest.input_bytes)} from {manifest.inputs} file(s) in {seconds:.2f} s"
        f" ({human_bytes(rate)}/s): {manifest.map_tasks} map and {manifest.reduce_tasks} reduce task(s),"
        f" {manifest.records} records",
        *(f"  {name}: {total:,}" for name, total in manifest.counters.items()),
        *_set_aside(manifest, output, kept),
        *(f"left out: {one.message} ({', '.join(one.inputs)})" for one in manifest.left_out[:10]),
        *([f"left out: {count(len(manifest.left_out), 'map task')} in all"] if manifest.left_out else []),
        f"{output}",
    ]


def _set_aside(manifest: Manifest, output: Path, kept: Path | None) -> list[str]:
    """How many bad records there were, and where they are; nothing if there were none."""
    if not manifest.bad:
        return []
    where = ", ".join(
        sorted({str((kept or output) / name.rpartition("/")[0]) for name in manifest.quarantine})
    )
    return [f"set aside: {count(manifest.bad, 'bad record')}, listed in {where}"]


if __name__ == "__main__":
    sys.exit(run_main(main))
