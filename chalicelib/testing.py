"""Try a job in memory, in milliseconds, for users' own tests.

    from chalicelib.testing import run_job
    from jobs.wordcount import WordCount

    def test_words_are_counted():
        assert run_job(WordCount, ["a b", "b"]) == [("a", 1), ("b", 2)]

It is the engine's own map and reduce work, over a store in memory: what it accepts and refuses, and the order
of what comes out, are those of every engine.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from . import splits
from .job import Job, bind
from .keys import RunKeys
from .mapping import MapTask
from .model import ReduceTask, Slice
from .partition import Range
from .ports import Loc
from .reading import compression
from .reducing import ReducePart
from .runfile import RunWriter
from .sampling import sample_bounds
from .spec import MIB, InputSpec, JobSpec, OutputSpec, PlaceSpec
from .stores.memory import MemoryStore

_BUCKET = "memory"
_KEYS = RunKeys(Loc(_BUCKET, ""), "job", "run")


def run_job(
    job: type[Job],
    records: Iterable[str] | str | bytes,
    *,
    params: dict[str, Any] | None = None,
    input: dict[str, Any] | None = None,
    record_type: type[Any] | None = None,
    split_size: int = 1 * MIB,
    partitions: int = 1,
) -> list[tuple[Any, Any]]:
    """The (key, value) pairs that the job gives for these records, in the order it would write them.

    `records` are lines without their ends, or a whole object's text or bytes. `input` holds settings of
    the job file's `input` (`{"format": "csv", "header": True}`), `params` those of `params`. A small
    `split_size` cuts the input into many tasks, which must change nothing. Raises what a run would end
    with, the user's own error chained.
    """
    body = _body(records)
    spec = JobSpec(
        job="job:Job",
        input=InputSpec(url="s3://memory/in/", **(input or {})),
        work=PlaceSpec(url="s3://memory/work/"),
        output=OutputSpec(url="s3://memory/out/"),
        params=params or {},
        split_size=split_size,
        partitions=partitions,
    )
    store = MemoryStore()
    loc = Loc(_BUCKET, "in/records")
    store.put(loc, body)
    bound = bind(job, job.__name__, spec.params)
    whole = bound.mapper == "mapper_raw" or spec.input.format == "whole_file" or spec.input.multiline
    splittable = not whole and compression(loc.key) is None
    pieces = list(splits.cut(_BUCKET, store.head(loc), split_size, splittable))
    with tempfile.TemporaryDirectory(prefix="sluice-test-") as folder:
        scratch = Path(folder)
        bounds: Sequence[Any] = ()
        if isinstance(bound.partitioner, Range) and partitions > 1:
            samples = bound.partitioner.samples
            bounds = sample_bounds(bound, spec, record_type, pieces, samples, partitions, store, scratch)
        slices = [
            _map(job, spec, task, number, bounds, record_type, store, scratch)
            for number, task in enumerate(splits.pack(pieces, split_size))
        ]
        return _reduce(job, spec, slices, store, scratch) if slices else []


def _body(records: Iterable[str] | str | bytes) -> bytes:
    if isinstance(records, bytes):
        return records
    if isinstance(records, str):
        return records.encode()
    return "".join(f"{line}\n" for line in records).encode()


def _map(
    job: type[Job],
    spec: JobSpec,
    task: Sequence[Any],
    number: int,
    bounds: Sequence[Any],
    record_type: type[Any] | None,
    store: MemoryStore,
    scratch: Path,
) -> Slice:
    """One map task's run file, as the slice that one reduce task over all partitions takes."""
    partitions = spec.partitions or 1
    run_file = _KEYS.run_file(number, 0, "0")
    with store.writer(run_file) as sink:
        writer = RunWriter(sink.write, partitions)
        bound = bind(job, job.__name__, spec.params, bounds)
        budget = spec.budget("mapper")
        MapTask(bound, spec.input, store, partitions, budget, scratch, record_type).run(task, writer)
        offsets = writer.finish()
        sink.commit()
    return Slice(run_file=run_file.key, offsets=offsets)


def _reduce(
    job: type[Job], spec: JobSpec, slices: Sequence[Slice], store: MemoryStore, scratch: Path
) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []

    def keep(keys: Sequence[Any], values: Sequence[Any]) -> bytes:
        found.extend(zip(keys, values, strict=True))
        return b""

    partitions = spec.partitions or 1
    task = ReduceTask(first=0, last=partitions, bytes=0, index_start=0, index_stop=0)
    bound = bind(job, job.__name__, spec.params)
    ReducePart(bound, store, _BUCKET, spec.budget("reducer"), scratch).run(
        task, slices, keep, lambda _data: None
    )
    return found
