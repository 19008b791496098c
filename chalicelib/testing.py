"""Try a job in memory, in milliseconds, for users' own tests.

    from chalicelib.testing import run_job
    from jobs.wordcount import WordCount

    def test_words_are_counted():
        assert run_job(WordCount, ["a b", "b"]) == [("a", 1), ("b", 2)]

It is the engine's own map and reduce work, over a store in memory: what it accepts and refuses, and the order
of what comes out, are those of every engine.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from msgspec import structs

from .core.errors import ConfigError, RunFailed
from .core.keys import Phase, RunKeys
from .core.messages import sum_counters
from .core.plan import Split, StepDone
from .core.ports import Loc
from .core.spec import MIB, BadRecordsSpec, InputSpec, JobSpec, OutputSpec, PlaceSpec
from .core.tasks import BadRecord, ReduceTask, Slice
from .job.binding import BoundJob, bind
from .job.job import Job, Output
from .job.likely_mistakes import LikelyMistake, likely_mistakes
from .job.load_class import Source, can_be_cut
from .job.partitioners import Range
from .job.services import RunSoFar, Services
from .job.steps import Steps, all_steps, expand
from .mapreduce.guard.quarantine import Quarantine, over_limit
from .mapreduce.input import splits
from .mapreduce.input.compression import compression
from .mapreduce.input.typed_pairs import Edges
from .mapreduce.map.map_only import MapOnlyTask, RowWriter
from .mapreduce.map.sample import sample_bounds
from .mapreduce.map.task import MapTask
from .mapreduce.reduce.task import ReducePart
from .mapreduce.shuffle.index import Slices
from .mapreduce.shuffle.run_file import RunWriter
from .stores.disk import LocalDisk
from .stores.memory import MemoryStore

_BUCKET = "memory"
_KEYS = RunKeys(Loc(_BUCKET, ""), "job", "run")

Pair = tuple[Any, Any]
T = TypeVar("T", bound=MapTask)


@dataclass(frozen=True)
class Object:
    """An object of the input by its name: lines without their ends, or its whole text or bytes, packed if it is `.gz`.

    Mappers see the name as the end of `self.input.key` and `self.input.url`; its size and etag are those of its bytes.
    """

    name: str
    body: Iterable[str] | str | bytes


@dataclass
class Totals:
    """What a job with `accumulate: true` keeps from run to run: give the same one to each call."""

    states: list[Pair] = field(default_factory=list)


#: Lines without their ends, a whole object's text or bytes, or objects.
Records = Iterable[str] | str | bytes | Iterable[Object]


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
    inputs = _inputs(records, input or {})
    given = [settings for settings, _ in inputs.values()]
    if reader:
        given = [structs.replace(settings, reader=reader.__name__) for settings in given]
    figures = {"params": params or {}, "split_size": split_size, "partitions": partitions}
    spec = _spec(given, bad_records=_policy(bad_records, bad), accumulate=totals is not None, **figures)
    steps = all_steps(lambda _: job, spec)
    with tempfile.TemporaryDirectory(prefix="sluice-test-") as folder:
        bench = _Bench(
            name=job.__name__,
            spec=spec,
            split_size=split_size,
            sources={settings.tag: Source(settings, record_type, reader) for settings in given},
            store=MemoryStore(),
            disk=LocalDisk(Path(folder) / "scratch"),
            files=_files(files or {}, Path(folder) / "files"),
            counted={},
            bad=[],
            outputs=outputs or {},
            steps=len(steps.classes),
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
    bench: _Bench, steps: Steps, bodies: Mapping[str, dict[str, bytes]], totals: Totals | None
) -> list[Pair]:
    """The pairs of the last step; the first one reads `bodies`, by tag and name, each other one the pairs before."""
    found: list[Pair] = []
    for number, cls in enumerate(steps.classes):
        bench.began()
        if number:
            before = totals.states if totals and number == steps.merge_step else []
            pieces = list(bench.pieces_of_pairs([*before, *found]))
        else:
            bound = bench.bind(cls, number, "map", 0)
            pieces = [piece for tag, some in bodies.items() for piece in bench.pieces(bound, tag, some)]
        found = bench.step(cls, number, pieces)
        if totals and number == steps.merge_step:
            totals.states = found
        bench.ended(len(found))
    return found


def _inputs(
    records: Records | Mapping[str, Records], settings: dict[str, Any]
) -> dict[str, tuple[InputSpec, dict[str, bytes]]]:
    """(settings, bodies by name) of each input by tag; the tag of an only input may be empty."""
    if not isinstance(records, Mapping):
        return {"": (InputSpec(url="s3://memory/in/", **settings), _bodies(records))}
    unknown = settings.keys() - records.keys()
    if unknown:
        raise ConfigError(
            f"input: expected settings by tag, one of {', '.join(records)}, got {unknown.pop()!r}"
        )
    return {
        tag: (InputSpec(tag=tag, url=f"s3://memory/in-{tag}/", **settings.get(tag, {})), _bodies(some))
        for tag, some in records.items()
    }


def _bodies(records: Records) -> dict[str, bytes]:
    """The bytes of each object by its name; what has no name is called `records`."""
    given = records if isinstance(records, str | bytes) else list(records)
    if not isinstance(given, list) or not any(isinstance(one, Object) for one in given):
        return {"records": _body(given)}  # type: ignore[arg-type]
    found: dict[str, bytes] = {}
    for one in given:
        if not isinstance(one, Object):
            raise ConfigError(f"records: expected lines or objects, got Object(...) and {one!r:.100}")
        if one.name in found:
            raise ConfigError(f"records: two objects are called {one.name!r}: give each its own name")
        found[one.name] = _body(one.body)
    return found


def _body(records: Iterable[str] | str | bytes) -> bytes:
    if isinstance(records, bytes):
        return records
    if isinstance(records, str):
        return records.encode()
    return "".join(f"{line}\n" for line in records).encode()


def _files(files: Mapping[str, str | bytes | Path], folder: Path) -> dict[str, Path]:
    found = {}
    folder.mkdir()
    for name, content in files.items():
        found[name] = content if isinstance(content, Path) else folder / name
        if not isinstance(content, Path):
            found[name].write_bytes(content.encode() if isinstance(content, str) else content)
    return found


@dataclass
class _Bench:
    """What the steps of one job are tried on."""

    name: str
    spec: JobSpec
    split_size: int
    sources: dict[str, Source]
    store: MemoryStore
    disk: LocalDisk
    files: dict[str, Path]
    counted: dict[str, int]
    bad: list[BadRecord]
    outputs: dict[str, list[Pair]]
    steps: int
    so_far: RunSoFar
    #: Of the step that is under way: records that its mappers have read, and what was counted before it.
    read: int = 0
    before: dict[str, int] = field(default_factory=dict)

    def began(self) -> None:
        """A step begins."""
        self.read, self.before = 0, self.counted

    def ended(self, pairs: int) -> None:
        """The step has given so many pairs: later ones may ask."""
        counters = {
            name: count - self.before.get(name, 0)
            for name, count in sorted(self.counted.items())
            if count != self.before.get(name)
        }
        step = StepDone(records_in=self.read, records_out=pairs, counters=counters)
        self.so_far = replace(self.so_far, steps=(*self.so_far.steps, step))

    def bind(
        self, cls: type[Job], step: int, phase: Phase, task: int, bounds: Sequence[Any] = ()
    ) -> BoundJob:
        writes = phase == "reduce" or not cls.shuffle
        services = Services(
            job=self.name,
            run="test",
            phase=phase,
            step=step,
            task=task,
            find_file=self._file,
            disk=self.disk,
            budget=self.spec.budget("mapper" if phase == "map" else "reducer"),
            so_far=self.so_far,
            outputs=tuple(self.outputs) if step + 1 == self.steps and writes else (),
        )
        return bind(cls, cls.__name__, self.spec.params, bounds, services, identity=step > 0)

    def _file(self, name: str) -> Path:
        if name not in self.files:
            known = ", ".join(self.files) or "none"
            raise ConfigError(f"self.file({name!r}): run_job was given {known}: add it to files={{...}}")
        return self.files[name]

    def pieces(self, job: BoundJob, tag: str, bodies: Mapping[str, bytes]) -> Iterator[Split]:
        spec, reader = self.sources[tag].spec, self.sources[tag].reader
        whole = job.mapper == "mapper_raw" or spec.whole or (reader and not can_be_cut(reader))
        for name, body in sorted(bodies.items()):  # as a listing has them
            loc = spec.loc.child(name)
            self.store.put(loc, body)
            splittable = not whole and compression(loc.key) is None
            for piece in splits.cut(_BUCKET, self.store.head(loc), self.split_size, splittable):
                yield structs.replace(piece, tag=tag)

    def pieces_of_pairs(self, pairs: list[Pair]) -> Iterator[Split]:
        """What a step gave, for the next one to read."""
        body, edges = bytearray(), Edges()
        writer = RunWriter(body.extend, 1)
        if pairs:
            writer.add(0, [key for key, _ in pairs], [value for _, value in pairs])
        writer.finish()
        edges.feed(bytes(body))
        loc = Loc(_BUCKET, "pairs")
        self.store.put(loc, bytes(body))
        yield from splits.cut_at(_BUCKET, self.store.head(loc), self.split_size, edges.found)

    def step(self, cls: type[Job], step: int, pieces: list[Split]) -> list[Pair]:
        """One step over its input; its pairs in the order in which its parts hold them."""
        partitions = self.spec.partitions or 1
        job = self.bind(cls, step, "map", 0)
        bounds: Sequence[Any] = ()
        if isinstance(job.partitioner, Range) and partitions > 1 and cls.shuffle:
            bounds = sample_bounds(self._task(MapTask, job, step), pieces, job.partitioner.samples)
        found: list[Pair] = []

        def keep(keys: Sequence[Any], values: Sequence[Any]) -> bytes:
            found.extend(zip(keys, values, strict=True))
            return b""

        slices = []
        records, known = 0, len(self.bad)
        for number, some in enumerate(splits.pack(pieces, self.split_size)):
            bound = self.bind(cls, step, "map", number, bounds)
            if cls.shuffle:
                task: MapTask = self._task(MapTask, bound, step)
                slices.append(self._map(task, step, number, some))
            else:
                task = self._task(MapOnlyTask, bound, step)
                task.run(some, RowWriter(keep, lambda _data: None))
            records += task.records
            self._count(bound, task.quarantine)
        self.read = records
        self._check_bad(len(self.bad) - known, records)
        if slices:
            bound = self.bind(cls, step, "reduce", 0)
            whole = ReduceTask(first=0, last=partitions, bytes=0, index_start=0, index_stop=0)
            budget = self.spec.budget("reducer")
            part = ReducePart(
                job=bound,
                store=self.store,
                work_bucket=_BUCKET,
                disk=self.disk,
                budget=budget,
                quarantine=Quarantine(self.spec.bad_records, "reduce"),
            )
            part.run(whole, Slices.of(slices), keep, lambda _data: None)
            self._count(bound, part.quarantine)
            self._check_bad(len(self.bad) - known, records)
        return found

    def _check_bad(self, bad: int, records: int) -> None:
        if reason := over_limit(self.spec.bad_records, bad, records):
            raise RunFailed(
                f"job {self.name}: {reason}; the last: {self.bad[-1].source}: {self.bad[-1].error}"
            )

    def _map(self, task: MapTask, step: int, number: int, pieces: Sequence[Split]) -> Slice:
        """One map task's run file, as the slice that one reduce task over all partitions takes."""
        run_file = _KEYS.at(step).run_file(number, 0, "0")
        with self.store.writer(run_file) as sink:
            writer = RunWriter(sink.write, self.spec.partitions or 1)
            task.run(pieces, writer)
            offsets = writer.finish()
            sink.commit()
        return Slice(run_file=run_file.key, offsets=offsets)

    def _task(self, kind: type[T], job: BoundJob, step: int) -> T:
        """A map task of one step; what goes from one step to the next is typed pairs."""
        passed_on = {"": Source(InputSpec(url=self.spec.input.url, format="pairs"))}
        return kind(
            job=job,
            sources=passed_on if step else self.sources,
            store=self.store,
            disk=self.disk,
            partitions=self.spec.partitions or 1,
            budget=self.spec.budget("mapper"),
            quarantine=Quarantine(self.spec.bad_records, "map"),
        )

    def _count(self, job: BoundJob, quarantine: Quarantine) -> None:
        self.bad += quarantine.records
        self.counted = sum_counters(self.counted, job.services.counters.totals())
