"""Run an MRJob over files on this machine: `make_runner()`."""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

from msgspec.structs import replace

from ..config.load import DEFAULT
from ..core.errors import RunFailed, UserError
from ..core.outcome import Manifest
from ..core.ports import Loc
from ..core.spec import InputSpec, JobSpec, OutputSpec, PlaceSpec
from ..local.engine import run_local
from ..local.inline import run_inline
from ..local.inputs import find_inputs
from ..local.local_run import LocalRun
from ..local.tune import tune, usable_cpus
from ..local.workers import new_token
from .adapt import adapt
from .definition import JobDefinition
from .step import StepFailedException
from .support import surroundings
from .support.deployed import fetch, find_deployed
from .support.options import RUNNERS, log

Counters = dict[str, dict[str, int]]

_CHUNK = 1 << 20
_ENGINES: dict[str, Callable[[LocalRun], Manifest]] = {"inline": run_inline, "local": run_local}
#: Settings that nobody has set, to be fitted to the machine.
_UNSET = {"split_size": DEFAULT, "memory_budget": DEFAULT}


def make_runner(job: JobDefinition) -> Runner:
    """The runner that the job's options ask for. Raises UserError for one that cannot run here."""
    job.checked_steps()
    name = job.options.runner or RUNNERS[0]
    return Runner(job, name) if name in _ENGINES else LambdaRunner(job, name)


class Runner:
    """One run: `run`, then `cat_output` and `counters`. As a context manager it removes what was temporary."""

    def __init__(self, job: JobDefinition, alias: str) -> None:
        self.alias = alias
        self._job = job
        self._steps = len(job.steps())
        self._scratch = Path(tempfile.mkdtemp(prefix="sluice-mrjob-"))
        chosen = job.options.output_dir
        self._output = Path(chosen).absolute() if chosen else self._scratch / "output"
        self._manifest: Manifest | None = None
        self._shown = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.cleanup()

    def cleanup(self) -> None:
        """Remove temporary files; output that went to --output-dir stays."""
        shutil.rmtree(self._scratch, ignore_errors=True)

    def run(self) -> None:
        """Run all steps. Raises StepFailedException, with the reason, if one fails; UserError for bad input."""
        if self._output.is_dir() and any(self._output.iterdir()):
            raise UserError(f"--output-dir {self._output}: expected a new or empty folder")
        try:
            self._manifest = self._run()
        except RunFailed as error:
            raise StepFailedException(str(error)) from error

    def _run(self) -> Manifest:
        inputs = find_inputs(self._inputs())
        self._output.mkdir(parents=True, exist_ok=True)
        workers = usable_cpus() if self.alias == "local" else 1
        name = type(self._job).__name__
        work = self._scratch / "work"
        work.mkdir()
        size = sum(info.size for _, info in inputs)
        root = adapt(type(self._job), Path.cwd())
        try:
            return _ENGINES[self.alias](
                LocalRun(
                    name=name,
                    spec=self._spec(name, size, workers),
                    run=f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{new_token()}",
                    inputs=inputs,
                    source=", ".join(self._job.options.args or ["stdin"])[:500],
                    output=self._output,
                    work=work,
                    workers=workers,
                    load_job=lambda _: root,
                    progress=self._show,
                )
            )
        finally:
            surroundings.leave_all()  # what a task that failed in this process could not put back

    def _show(self, step: int, phase: str, done: int, total: int) -> None:  # noqa: ARG002 - what the engine tells
        """Log when a step begins, as mrjob does."""
        if step >= self._shown:
            self._shown = step + 1
            log.info("Running step %d of %d...", self._shown, self._steps)

    def _spec(self, name: str, size: int, workers: int) -> JobSpec:
        spec = JobSpec(
            job=f"{self._job.__module__.rpartition('.')[2]}:{name}",
            input=InputSpec(url="/dev/null/input", encoding="bytes"),
            work=PlaceSpec(url="/dev/null/work"),
            output=OutputSpec(url="/dev/null/output", format="text"),
            params={"args": self._job.run_args},
        )
        spec = tune(spec, _UNSET, size, workers)
        # In this process keys come in one order from end to end, and what fails is not tried again.
        return replace(spec, partitions=1, max_attempts=1) if self.alias == "inline" else spec

    def _inputs(self) -> list[str]:
        """The input files. What comes from stdin is written to one."""
        names: list[str] = []
        for name in self._job.options.args or ["-"]:
            if name == "-":
                path = self._scratch / "STDIN"
                with path.open("wb") as file:
                    file.writelines(self._job.stdin)
                names.append(str(path))
            elif "://" in name:
                raise UserError(f"{name}: expected a local file or folder; -r lambda reads objects in S3")
            else:
                names.append(name)
        return names

    def cat_output(self) -> Iterator[bytes]:
        """The output's bytes in chunks, part after part, an empty chunk between them."""
        if self._manifest is None:
            raise UserError("cat_output(): expected run() before it")
        for part in self._manifest.parts:
            with (self._output / part.key).open("rb") as file:
                while chunk := file.read(_CHUNK):
                    yield chunk
            yield b""

    def counters(self) -> list[Counters]:
        """For each step, by group and name, what `increment_counter` counted."""
        found: list[Counters] = [{} for _ in range(self._steps)]
        for name, count in (self._manifest.counters if self._manifest else {}).items():
            group, _, rest = name.partition(",")
            counter, _, step = rest.partition(",")
            found[int(step or 0)].setdefault(group, {})[counter] = count
        return found

    def log_counters(self) -> None:
        """Log what was counted, as mrjob does."""
        for number, groups in enumerate(self.counters(), start=1):
            if groups:
                lines = [f"Counters of step {number}:"]
                for group, counts in sorted(groups.items()):
                    lines += [
                        f"\t{group}",
                        *(f"\t\t{name}={count}" for name, count in sorted(counts.items())),
                    ]
                log.info("%s", "\n".join(lines))

    def get_output_dir(self) -> str:
        return str(self._output)


class LambdaRunner(Runner):
    """The same on AWS: the job is deployed as the project says, its input uploaded, and its results fetched."""

    def __init__(self, job: JobDefinition, alias: str) -> None:
        super().__init__(job, alias)
        if "://" in (job.options.output_dir or ""):
            raise UserError(
                "--output-dir: expected a folder here: on AWS results go to the output.url of the job's YAML"
            )
        script, cls = job.mr_job_script(), type(job).__name__
        self._deployed = find_deployed(script, cls, job.run_args, job.options.buckets)
        self._place: Loc | None = None

    def _run(self) -> Manifest:
        from ..stores.s3 import S3Store, make_client  # boto3 takes its time

        logging.getLogger("botocore").setLevel(logging.WARNING)
        self._place = self._deployed.run(self._inputs())
        wanted = self._job.options.output_dir or self._job.options.cat_output is not False
        if wanted:
            self._output.mkdir(parents=True, exist_ok=True)
        return fetch(S3Store(make_client("s3")), self._place, self._output if wanted else None)

    def _inputs(self) -> list[str]:
        given = self._job.options.args
        return list(given) if given and "-" not in given else super()._inputs()

    def get_output_dir(self) -> str:
        """Where the results are: in S3, or the folder that they were fetched into."""
        kept = self._job.options.output_dir
        return self._place.url if self._place and not kept else super().get_output_dir()
