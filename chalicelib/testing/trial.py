"""`run_job`: all steps of a job, one after the other, and what comes of them."""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec import structs

from ..core.messages import sum_counters
from ..core.spec import MIB, BadRecordsSpec, InputSpec, JobSpec, OutputSpec, PlaceSpec
from ..core.tasks import BadRecord
from ..job.job import Job, Output
from ..job.likely_mistakes import LikelyMistake, likely_mistakes
from ..job.load_class import Source
from ..job.services import RunSoFar
from ..job.steps import Steps, all_steps, expand
from ..mapreduce.earlier.rounds import Turn
from ..stores.disk import LocalDisk
from ..stores.memory import MemoryStore
from .bench import Bench
from .records import Records, files_of, inputs_of

Pair = tuple[Any, Any]


@dataclass
class Totals:
    """What a job with `accumulate: true` keeps from run to run: give the same one to each call."""

    states: list[Pair] = field(default_factory=list)


def run_job(
    job: type[Job],
    records: Records | Mapping[str, Records],
    *,
    params: dict[str, Any] | None = None,
    input: dict[str, Any] | None = None,
    record_type: type[Any] | None = None,
    reader: Callable[..., Any] | None = None,
    split_size: int = 1 * MIB,
    partitions: int = 1,
    counters: dict[str, int] | None = None,
    files: Mapping[str, str | bytes | Path] | None = None,
    bad_records: dict[str, Any] | None = None,
    bad: list[BadRecord] | None = None,
    totals: Totals | None = None,
    outputs: dict[str, list[Pair]] | None = None,
) -> list[Pair]:
    """The (key, value) pairs that the job gives for these records, in the order it would write them.

    `records` are lines without their ends, a whole object's text or bytes, or several `Object`s; of a job with several
    inputs a dict of them by tag. `input` holds settings of the job file's `input` (`{"format": "csv", "header":
    True}`), with several inputs by tag, `record_type` and `reader` what `input.type` and `input.reader` would name,
    `params` those of `params`, `files` the contents (or paths) of side files by name. `counters` is filled with what
    the job counted, and the lists of `outputs`, by name, with the pairs of other outputs.

    `bad_records` holds settings of that name. `bad` is filled with the records (and groups) that were set aside: as
    many as there are, unless `bad_records` says how many there may be. With `totals` the job accumulates: the results
    are those of all calls that were given the same `Totals`. A small `split_size` cuts the input into many tasks,
    which must change nothing. Warns (LikelyMistake) of hooks under another name, and of a mapper that never yields.
    Raises what a run would end with, the user's own error chained.
    """
    inputs = inputs_of(records, input or {})
    given = [settings for settings, _ in inputs.values()]
    if reader:
        given = [structs.replace(settings, reader=reader.__name__) for settings in given]
    figures = {"params": params or {}, "split_size": split_size, "partitions": partitions}
    spec = _spec(given, bad_records=_policy(bad_records, bad), accumulate=totals is not None, **figures)
    steps = all_steps(lambda _: job, spec)
    with tempfile.TemporaryDirectory(prefix="sluice-test-") as folder:
        bench = Bench(
            name=job.__name__,
            spec=spec,
            split_size=split_size,
            sources={settings.tag: Source(settings, record_type, reader) for settings in given},
            store=MemoryStore(),
            disk=LocalDisk(Path(folder) / "scratch"),
            files=files_of(files or {}, Path(folder) / "files"),
            counted={},
            bad=[],
            outputs=outputs or {},
            classes=steps.classes,
            so_far=RunSoFar(
                sum(len(some) for _, some in inputs.values()),
                sum(len(body) for _, some in inputs.values() for body in some.values()),
            ),
        )
        bench.disk.root.mkdir()
        for text in likely_mistakes(expand(job, spec.params)):
            warnings.warn(text, LikelyMistake, stacklevel=2)
        try:
            found = _all_steps(bench, steps, {tag: body for tag, (_, body) in inputs.items()}, totals)
        finally:
            for cls in steps.classes:
                cls._put_back()
    if counters is not None:
        counters.update(sum_counters(counters, bench.counted))
    if bad is not None:
        bad += bench.bad
    for key, value in found:
        if type(key) is Output:
            bench.outputs[key.name].append((key.key, value))
    return [pair for pair in found if type(pair[0]) is not Output]


def _policy(given: dict[str, Any] | None, bad: list[BadRecord] | None) -> BadRecordsSpec:
    if given is not None or bad is None:
        return BadRecordsSpec(**(given or {}))
    return BadRecordsSpec(policy="quarantine", max=sys.maxsize, max_fraction=1.0)


def _spec(given: Sequence[InputSpec], **figures: Any) -> JobSpec:
    return JobSpec(
        job="job:Job",
        input=given[0],
        more_inputs=tuple(given[1:]),
        work=PlaceSpec(url="s3://memory/work/"),
        output=OutputSpec(url="s3://memory/out/"),
        **figures,
    )


def _all_steps(
    bench: Bench, steps: Steps, bodies: Mapping[str, dict[str, bytes]], totals: Totals | None
) -> list[Pair]:
    """The pairs of the last step; the first one reads `bodies`, by tag and name, each other one the pairs before."""
    found: list[Pair] = []
    turn: Turn | None = Turn(0)
    while turn:
        number, cls = len(bench.given), steps.classes[turn.job_step]
        merges = totals if turn.job_step and turn.job_step == steps.merge_step else None
        bench.began(turn)
        if number:
            read = found if turn.again is None else bench.given[turn.again]
            pieces = list(bench.pieces_of_pairs([*(merges.states if merges else []), *read]))
        else:
            bound = bench.bind(cls, number, "map", 0)
            pieces = [piece for tag, some in bodies.items() for piece in bench.pieces(bound, tag, some)]
        found = bench.step(cls, number, pieces)
        if merges:
            merges.states = found
        bench.ended(found)
        turn = bench.next_turn(steps)
    return found
