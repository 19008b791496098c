#!/usr/bin/env python3
"""Run a job on this machine, over files and folders: the local engine.

scripts/run.py wordcount texts/ --output counts/
scripts/run.py my/job.yml 'logs/*.gz' --output out/ --workers 4 --set split_size=16MiB
scripts/run.py my/join.yml left=orders/ right=customers.csv --output joined/
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from chalicelib.config.load import load_job  # noqa: E402
from chalicelib.config.show import format_config  # noqa: E402
from chalicelib.core.errors import UserError  # noqa: E402
from chalicelib.core.keys import FAILURE, MANIFEST, SUCCESS, TOTALS  # noqa: E402
from chalicelib.core.outcome import Manifest  # noqa: E402
from chalicelib.core.ports import Store  # noqa: E402
from chalicelib.core.spec import JobSpec  # noqa: E402
from chalicelib.job.load_class import job_loader  # noqa: E402
from chalicelib.job.side_files import brought  # noqa: E402
from chalicelib.local import LocalRun, run_local  # noqa: E402
from chalicelib.local.engine import Progress, usable_cpus  # noqa: E402
from chalicelib.local.inputs import tagged_inputs  # noqa: E402
from chalicelib.local.tune import tune  # noqa: E402
from chalicelib.local.workers import new_token  # noqa: E402
from chalicelib.run import job_code  # noqa: E402
from chalicelib.stores.disk import LocalDisk  # noqa: E402
from scripts.console.terminal import human_bytes, run_main  # noqa: E402


def main() -> int:
    options = _parse()
    logging.getLogger("chalicelib").setLevel(logging.ERROR)  # a failure is told once, at the end
    loaded = load_job(options.job, root=ROOT, overrides=options.set, environ=os.environ, require_cloud=False)
    if options.print_config:
        print(format_config(loaded), end="")
        return 0
    output = Path(options.output).absolute()
    inputs, tags = tagged_inputs(options.input, loaded.spec.inputs)
    _refuse_overlap(options.input, output, tagged=len(loaded.spec.inputs) > 1)
    workers = options.workers or usable_cpus()
    size = sum(info.size for info in inputs)
    spec = tune(loaded.spec, loaded.provenance, size, workers)
    load = job_loader(loaded.path.absolute().parent)
    _require_kept_work(loaded.name, spec, options.work)
    job_code.check(load, loaded.name, spec)  # tells of mistakes before anything is written
    _clear(output, options.force)
    started = time.perf_counter()
    with _work_folder(options.work, output) as work, _display(loaded.name) as progress:
        manifest = run_local(
            LocalRun(
                name=loaded.name,
                spec=brought(_s3, spec, LocalDisk(work)),
                run=f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{new_token()}",
                inputs=inputs,
                tags=tags,
                source=", ".join(options.input)[:500],
                output=output,
                work=work,
                workers=workers,
                load_job=load,
                progress=progress,
            )
        )
    print(_summary(manifest, time.perf_counter() - started, output))
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Run a job on this machine, over files and folders.",
        epilog="Exit code 0 means that DIR/_SUCCESS is there.",
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
    parser.add_argument("--force", action="store_true", help="replace earlier results in DIR")
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


def _refuse_overlap(inputs: Sequence[str], output: Path, *, tagged: bool) -> None:
    for given in inputs:
        name = given.partition("=")[2] if tagged else given
        if Path(name).is_dir() and output.resolve().is_relative_to(Path(name).resolve()):
            raise UserError(
                f"{output}: lies in the input folder {name}; results would become input: move it out"
            )


def _require_kept_work(name: str, spec: JobSpec, work: str | None) -> None:
    if spec.accumulate and not work:
        raise UserError(
            f"{name}: accumulate: totals are kept from run to run in the work folder: add --work DIR,"
            " the same one each time, or leave them out with --set accumulate=false"
        )


def _clear(output: Path, force: bool) -> None:
    """Make the folder; with --force, remove earlier results from it and nothing else."""
    if output.exists() and not output.is_dir():
        raise UserError(f"{output}: expected a folder for the results, this is a file")
    output.mkdir(parents=True, exist_ok=True)
    if not any(output.iterdir()):
        return
    if not force:
        raise UserError(
            f"{output}: is not empty: choose another folder, or replace earlier results with --force"
        )
    parts = [*output.glob("part-*"), *output.glob("*=*/part-*")]
    for old in [*parts, *(output / name for name in (MANIFEST, SUCCESS, FAILURE, TOTALS))]:
        old.unlink(missing_ok=True)
    for folder in output.glob("*=*/"):
        if not any(folder.iterdir()):
            folder.rmdir()


@contextmanager
def _work_folder(chosen: str | None, output: Path) -> Iterator[Path]:
    if chosen:
        work = Path(chosen).absolute()
        work.mkdir(parents=True, exist_ok=True)
        yield work
        return
    work = output / f"_work-{new_token()}"
    work.mkdir()
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def _display(name: str) -> Iterator[Progress]:
    """A progress bar on a terminal, nothing in a pipe."""
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Bars(*columns, console=Console(stderr=True), auto_refresh=False, transient=True) as bars:
        rows = {phase: bars.add_task(f"{name} {phase}", total=None) for phase in ("map", "reduce")}

        def show(phase: str, done: int, total: int) -> None:
            bars.update(rows[phase], completed=done, total=total or None, refresh=True)

        yield show


def _summary(manifest: Manifest, seconds: float, output: Path) -> str:
    rate = manifest.input_bytes / max(seconds, 1e-9)
    return (
        f"{manifest.job}: {human_bytes(manifest.input_bytes)} from {manifest.inputs} file(s) in {seconds:.2f} s"
        f" ({human_bytes(rate)}/s): {manifest.map_tasks} map and {manifest.reduce_tasks} reduce task(s),"
        f" {manifest.records} records\n"
        + "".join(f"  {name}: {total:,}\n" for name, total in manifest.counters.items())
        + f"{output}"
    )


if __name__ == "__main__":
    sys.exit(run_main(main))
