"""Run a job from Python, and have its results as pairs: what PyWren and Lithops do with functions.

    from chalicelib.local import submit

    counting = submit(WordCount, "texts/")      # begins at once, in processes of its own
    for word, count in counting.results():      # waits for the end
        ...

The run is that of `scripts/run.py`; types survive, since the results are read as typed pairs.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import time
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from msgspec import ValidationError, convert

from ..config.load import DEFAULT
from ..core.errors import ConfigError, RunFailed, UserError
from ..core.keys import MANIFEST
from ..core.messages import decode
from ..core.outcome import Manifest
from ..core.spec import JobSpec
from ..job.job import Job
from ..mapreduce.shuffle.run_file import read_blocks
from ..run import job_code
from .engine import run_local
from .inputs import find_inputs
from .local_run import LocalRun
from .tune import tune
from .workers import new_token

_REASON = "reason"


def submit(
    job: type[Job],
    inputs: str | Path | Iterable[str | Path],
    *,
    params: dict[str, Any] | None = None,
    input: dict[str, Any] | None = None,
    workers: int | None = None,
    **settings: Any,
) -> Submitted:
    """Begin a run over files, folders and patterns on this machine; it goes on while the caller does.

    `input` holds settings of the job file's `input` (`{"format": "csv"}`), `settings` all others (`partitions=4`,
    `bad_records={"policy": "quarantine"}`) but for places, `workers` is how many processes take part (default: all
    processors). Raises ConfigError or UserError for what cannot run at all.
    """
    names = [str(name) for name in ([inputs] if isinstance(inputs, str | Path) else inputs)]
    if remote := next((name for name in names if "://" in name), None):
        raise UserError(
            f"{remote}: expected a file or folder of this machine; scripts/submit.py runs a job that is deployed"
        )
    spec, found = _spec(job, params, input, settings), find_inputs(names)
    count = workers or len(os.sched_getaffinity(0))
    given = {
        "split_size": "" if spec.split_size else DEFAULT,
        "memory_budget": "" if spec.memory_budget else DEFAULT,
    }
    spec = tune(spec, given, sum(info.size for _, info in found), count)
    job_code.check(lambda _: job, job.__name__, spec)
    root = Path(mkdtemp(prefix="sluice-submitted-"))
    output, work = root / "results", root / "work"
    output.mkdir()
    work.mkdir()
    run = LocalRun(
        name=job.__name__,
        spec=spec,
        run=f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{new_token()}",
        inputs=found,
        source=", ".join(names)[:500],
        output=output,
        work=work,
        workers=count,
        load_job=lambda _: job,
    )
    return Submitted(run, root)


def _spec(
    job: type[Job], params: dict[str, Any] | None, given: dict[str, Any] | None, settings: dict[str, Any]
) -> JobSpec:
    places = [name for name in ("job", "work", "output", "outputs", "accumulate") if name in settings]
    if places:
        raise ConfigError(f"submit: {places[0]}: is given by what is run, and where; leave it out")
    body = {
        "job": f"{job.__module__.rpartition('.')[2]}:{job.__name__}",
        "input": {"url": "/dev/null/input", **(given or {})},
        "work": {"url": "/dev/null/work"},
        "output": {"url": "/dev/null/output", "format": "pairs"},
        "params": params or {},
        **settings,
    }
    try:
        return convert(body, JobSpec)
    except ValidationError as error:
        raise ConfigError(f"submit: {error}") from error


class Submitted:
    """A run that has begun. Its files go when nobody holds it any more."""

    def __init__(self, run: LocalRun, root: Path) -> None:
        self._run = run
        # A process of its own: the engine forks workers, which a thread beside others should not.
        self._process = multiprocessing.get_context("fork").Process(target=_work, args=(run, root))
        self._process.start()
        self._root = root
        self._tidy = weakref.finalize(self, _end, self._process, root)

    @property
    def done(self) -> bool:
        """Whether the run has ended, well or not."""
        return not self._process.is_alive()

    def wait(self, timeout: float | None = None) -> Manifest:
        """Wait for the end, at most so many seconds; the run's manifest.

        Raises RunFailed, with the reason, if the run has failed, and TimeoutError if it has not ended.
        """
        self._process.join(timeout)
        if not self.done:
            raise TimeoutError(f"job {self._run.name}, run {self._run.run}: has not ended in {timeout} s")
        reason = self._root / _REASON
        if reason.exists():
            raise RunFailed(reason.read_text())
        path = self._run.output / MANIFEST
        if self._process.exitcode or not path.exists():
            raise RunFailed(f"job {self._run.name}: its process ended with code {self._process.exitcode}")
        return decode(Manifest, path.read_bytes(), str(path))

    @property
    def manifest(self) -> Manifest:
        """As `wait()`."""
        return self.wait()

    def results(self) -> Iterator[tuple[Any, Any]]:
        """The pairs of the result, part after part, types and all; waits for the end. Memory: one block."""
        for part in self.wait().parts:
            with (self._run.output / part.key).open("rb") as file:
                for keys, values in read_blocks(iter(lambda file=file: file.read(1 << 20), b""), part.key):  # type: ignore[misc]
                    yield from zip(keys, values, strict=True)

    def stop(self) -> None:
        """End the run, if it has not ended; its results are none."""
        _end(self._process, None)


def _work(run: LocalRun, root: Path) -> None:
    """What the process does."""
    # Whoever was started in the background, without a terminal, ignores this signal, and so would its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        run_local(run)
    except (RunFailed, UserError) as error:
        (root / _REASON).write_text(str(error))
    except KeyboardInterrupt:
        (root / _REASON).write_text(f"job {run.name}, run {run.run}: was stopped")


def _end(process: Any, root: Path | None) -> None:
    """Stop a run as Ctrl-C does, so that its workers end, too; then remove its files."""
    if process.is_alive() and process.pid != os.getpid():
        os.kill(process.pid, signal.SIGINT)
        process.join(10)
        process.kill()
        process.join()
    if root:
        shutil.rmtree(root, ignore_errors=True)
