"""Run an MRJob over files on this machine: `make_runner()`."""

from __future__ import annotations

import json
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
from ..core.spec import InputSpec, JobSpec, OutputSpec, PlaceSpec
from ..local.engine import LocalRun, run_local, usable_cpus
from ..local.inline import run_inline
from ..local.inputs import find_inputs
from ..local.tune import tune
from ..local.workers import new_token
from .adapt import adapt
from .definition import JobDefinition
from .step import StepFailedException
from .support import surroundings
from .support.options import RUNNERS, log
from .support.side_files import folder_of

Counters = dict[str, dict[str, int]]

_CHUNK = 1 << 20
_ENGINES: dict[str, Callable[[LocalRun], Manifest]] = {"inline": run_inline, "local": run_local}
#: Settings that nobody has set, to be fitted to the machine.
_UNSET = {"split_size": DEFAULT, "memory_budget": DEFAULT}


def make_runner(job: JobDefinition) -> Runner:
    """The runner that the job's options ask for. Raises UserError for one that cannot run here."""
    job.checked_steps()
    name = job.options.runner or RUNNERS[0]
    if name not in _ENGINES:
        raise UserError(how_to_deploy(job))
    return Runner(job, name)


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
        inputs = find_inputs(self._inputs())
        self._output.mkdir(parents=True, exist_ok=True)
        workers = usable_cpus() if self.alias == "local" else 1
        name = type(self._job).__name__
        work = self._scratch / "work"
        work.mkdir()
        size = sum(info.size for info in inputs)
        root = adapt(type(self._job), Path.cwd())
        try:
            self._manifest = _ENGINES[self.alias](
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
                )
            )
        except RunFailed as error:
            raise StepFailedException(str(error)) from error
        finally:
            surroundings.leave_all()  # what a task that failed in this process could not put back

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
                raise UserError(
                    f"{name}: expected a local file or folder; objects in S3 are for deployed jobs"
                )
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


def how_to_deploy(job: JobDefinition) -> str:
    """What to do to run the job on AWS: its YAML and the commands."""
    cls, script = type(job), job.mr_job_script() or "job.py"
    module = Path(script).stem
    name = module.lower()
    side = [*job.files(), *job.run_args]
    shown = " ".join(job.options.args or ["FILE..."])
    return "\n".join(
        [
            "-r lambda: a job is deployed once, and then runs over every file that is put into its bucket:",
            f"1. put {script}{' and the files it needs' if side else ''} into jobs/ (now in {folder_of(script)})",
            f"2. write jobs/{name}.yml:",
            f"     job: {module}:{cls.__name__}",
            f'     input: {{url: "s3://BUCKET-in/{name}/", format: text, encoding: bytes}}',
            '     work: {url: "s3://BUCKET-work/"}',
            f'     output: {{url: "s3://BUCKET-out/{name}/", format: text}}',
            f"     params: {{args: {json.dumps(job.run_args)}}}",
            f"3. scripts/deploy.py {name}",
            f"4. scripts/submit.py {name} {shown} --wait",
        ]
    )
