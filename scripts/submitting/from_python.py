"""Run a deployed job from Python, and have its results as records: what Lithops does with functions.

    from sluice import submit                                 # of an installed Sluice
    from scripts.submitting.from_python import submit         # in a checkout

    counting = submit("wordcount", "s3://my-in/words/")       # comes back at once
    for line in counting.result():                            # waits for the end
        ...

It does what `scripts/submit.py`, `status.py`, `get.py` and `stop.py` do, by the same code, and prints nothing.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from chalicelib.core.errors import NotFound, RunFailed, UserError
from chalicelib.core.keys import RunKeys, results_place
from chalicelib.core.outcome import Manifest
from chalicelib.core.ports import Loc
from chalicelib.core.spec import OutputSpec
from chalicelib.functions.stop import stop
from chalicelib.mapreduce.shuffle.run_file import read_blocks
from chalicelib.run.status.collect import RunStatus
from scripts.console.terminal import Screen
from scripts.getting.results import Results, contents, published
from scripts.stopping.world import who

from .existing import is_url
from .submit import begin_existing, begin_files
from .waiting import Started, not_started
from .world import World, real_world

#: Seconds between two looks, and those that S3 may take to start a run.
_EVERY, _START_TIMEOUT = 1.0, 180.0


def submit(
    job: str,
    what: str | Path | Iterable[str | Path],
    *,
    prefix_dir: bool = False,
    world: World | None = None,
    by: Callable[[Loc], str] = who,
) -> Deployed:
    """Begin what `scripts/submit.py JOB WHAT` begins: files are uploaded, `s3://` URLs are run over where they are.

    `job` is a name in the project's `jobs/`, or the path of a .yml. `world` is what it reaches (default: S3 and Lambda
    by the usual variables and profile). Raises UserError for what cannot be submitted, mostly before anything is done.
    """
    names = [what] if isinstance(what, str | Path) else list(what)
    remote = {is_url(str(name)) for name in names}
    if len(remote) != 1:
        raise UserError("submit: expected files to upload, or s3:// URLs of what is there")
    world = world or replace(real_world(), screen=Screen(io.StringIO(), terminal=False))
    if remote == {True}:
        started = begin_existing(job, [str(name) for name in names], world, followed=True)
    else:
        files = [Path(name) for name in names]
        started = begin_files(job, files, world, prefix_dir=prefix_dir, followed=True)
    return Deployed(started, world, by)


class Deployed:
    """What was submitted: a run or, of a job with `trigger: each`, one for each object. They end without the caller."""

    def __init__(self, started: Started, world: World, by: Callable[[Loc], str]) -> None:
        self._started, self._world, self._by = started, world, by
        self._begun = world.clock.now()

    def status(self) -> list[RunStatus]:
        """The runs that have begun, oldest first, as `status.py --json` shows them."""
        return self._started.look(self._world.clock.now())

    @property
    def done(self) -> bool:
        """Whether all runs have begun and ended, well or not."""
        return self._ended(self.status())

    def wait(self, timeout: float | None = None) -> list[Manifest]:
        """Wait until all have ended, at most so many seconds; their manifests, oldest first.

        Raises RunFailed, with the reason, if one has failed or was not started within three minutes, and TimeoutError.
        """
        return [results.manifest for results in self._results(timeout)]

    def result(self, output: str = "", timeout: float | None = None) -> Iterator[Any]:
        """The records of all results, or of one of the job's other `outputs`, in order; waits as `wait` does.

        `pairs` are (key, value) of the types that were yielded, `jsonl` documents, `csv` rows (lists; with a header
        dicts), all else lines. Memory: one object of pairs' blocks, or a line. Raises UserError for Parquet and formats
        of one's own, which `get.py` downloads.
        """
        spec = self._started.job.spec
        if output and output not in spec.outputs:
            raise UserError(
                f"{spec.job}: outputs: there is no {output!r}: expected one of {', '.join(spec.outputs)}"
            )
        given = spec.output_of(output) if output else spec.output
        read = _reader(given)
        for results in self._results(timeout):
            for part in results.parts(output):
                yield from read(contents(results, [part]), part.key)

    def cancel(self, why: str = "") -> int:
        """Stop all runs that have begun, by the caller's name; how many had not ended. What has not begun goes on."""
        store, job, stopped = self._started.store, self._started.job, 0
        for status in self.status():
            if status.ended:
                continue
            keys = RunKeys(job.spec.work_loc, job.name, status.run)
            by = self._by(job.spec.work_loc)
            try:
                _, verdict = stop(store, keys, by, why, self._world.clock.now())
            except NotFound:  # it has ended, and its work is gone
                continue
            stopped += verdict.stopped is not None
        return stopped

    def _ended(self, statuses: list[RunStatus]) -> bool:
        return not self._started.missing and all(status.ended for status in statuses)

    def _results(self, timeout: float | None) -> list[Results]:
        clock, job = self._world.clock, self._started.job
        began = clock.now()
        while not self._ended(statuses := self.status()):
            now = clock.now()
            if self._started.missing and now - self._begun > _START_TIMEOUT:
                raise RunFailed(not_started(self._started, now - self._begun))
            if timeout is not None and now - began >= timeout:
                raise TimeoutError(f"job {job.name}: has not ended in {timeout} s")
            clock.pause(_EVERY if timeout is None else min(_EVERY, timeout))
        for status in statuses:
            if status.phase == "failed":
                raise RunFailed(f"job {job.name}, run {status.run} failed: {status.reason}")
        return [
            published(
                self._started.store,
                results_place(job.spec.output_loc, status.run),
                f"job {job.name}, run {status.run}",
            )
            for status in statuses
        ]


_Reader = Callable[[Iterator[bytes], str], Iterator[Any]]


def _reader(output: OutputSpec) -> _Reader:
    """How the bytes of a part become records. Raises UserError for what only other programs read."""
    if output.container or output.format == "parquet":
        kind = output.container or output.format
        raise UserError(f"result(): parts are {kind}: download them with scripts/get.py JOB -o DIR")
    if output.format == "pairs":
        return _pairs
    if output.format == "jsonl":
        decode = msgspec.json.Decoder().decode
        return lambda chunks, _: (decode(line) for line in _lines(chunks))
    if output.format == "csv":
        return _rows_with_names if output.header else lambda chunks, _: csv.reader(_lines(chunks, ends=True))
    return lambda chunks, _: _lines(chunks)


def _pairs(chunks: Iterator[bytes], name: str) -> Iterator[Any]:
    for keys, values in read_blocks(chunks, name):
        yield from zip(keys, values, strict=True)


def _rows_with_names(chunks: Iterator[bytes], _: str) -> Iterator[Any]:
    return csv.DictReader(_lines(chunks, ends=True))


def _lines(chunks: Iterator[bytes], *, ends: bool = False) -> Iterator[str]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.decode() + ("\n" if ends else "")
    if rest:
        yield rest.decode()
