"""The tasks of one job's steps, one after the other, in memory: what `run_job` tries a job on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from msgspec import structs

from ..core.errors import ConfigError, RunFailed
from ..core.keys import Phase, RunKeys
from ..core.messages import sum_counters
from ..core.plan import Split, StepDone
from ..core.ports import Loc
from ..core.spec import InputSpec, JobSpec
from ..core.tasks import BadRecord, ReduceTask, Slice
from ..job.binding import BoundJob, bind
from ..job.job import Job
from ..job.load_class import Source, can_be_cut
from ..job.partitioners import Range
from ..job.services import RunSoFar, Services
from ..job.steps import Steps
from ..mapreduce.earlier.results import SHARE, Results
from ..mapreduce.earlier.rounds import Turn, turn
from ..mapreduce.guard.quarantine import Quarantine, over_limit
from ..mapreduce.input import splits
from ..mapreduce.input.compression import compression
from ..mapreduce.input.typed_pairs import Edges
from ..mapreduce.map.map_only import MapOnlyTask, RowWriter
from ..mapreduce.map.sample import sample_bounds
from ..mapreduce.map.task import MapTask
from ..mapreduce.reduce.task import ReducePart
from ..mapreduce.shuffle.index import Slices
from ..mapreduce.shuffle.run_file import Block, RunWriter
from ..stores.disk import LocalDisk
from ..stores.memory import MemoryStore

_BUCKET = "memory"
_KEYS = RunKeys(Loc(_BUCKET, ""), "job", "run")

Pair = tuple[Any, Any]
T = TypeVar("T", bound=MapTask)


@dataclass
class Bench:
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
    #: Of the job's steps.
    classes: Sequence[type[Any]]
    so_far: RunSoFar
    #: What each step that was done gave.
    given: list[list[Pair]] = field(default_factory=list)
    #: Of the step that is under way: which it is, the records that its mappers have read, and what was counted.
    turn: Turn = field(default_factory=lambda: Turn(0))
    read: int = 0
    counting: dict[str, int] = field(default_factory=dict)

    def began(self, turn: Turn) -> None:
        """A step begins, which of the job's."""
        self.turn, self.read, self.counting = turn, 0, {}
        self.so_far = structs.replace(self.so_far, round=turn.round)

    def next_turn(self, steps: Steps) -> Turn | None:
        """What follows the step that has ended; None behind the last."""
        now = self.turn
        if now.job_step + 1 == len(self.classes):
            return None
        services = self._services(len(self.given), "round")
        return turn(steps, now.job_step, now.round, self.so_far.steps, services, self.spec.params)

    def ended(self, pairs: list[Pair]) -> None:
        """The step has given these pairs: later ones may ask."""
        counters = dict(sorted(self.counting.items()))
        self.counted = sum_counters(self.counted, counters)
        self.given.append(pairs)
        step = StepDone(
            records_in=self.read, records_out=len(pairs), counters=counters, job_step=self.turn.job_step
        )
        self.so_far = structs.replace(
            self.so_far, steps=(*self.so_far.steps, step), open_results=self.results
        )

    def results(self) -> Results:
        """What `self.run.result` finds."""

        def blocks(number: int) -> Iterator[Block]:
            pairs = self.given[number]
            yield [key for key, _ in pairs], [value for _, value in pairs]

        limit = self.spec.budget("mapper") // SHARE
        return Results(self.so_far.steps, self.classes, blocks, limit, f"job {self.name}")

    def bind(
        self, cls: type[Job], step: int, phase: Phase, task: int, bounds: Sequence[Any] = ()
    ) -> BoundJob:
        """An instance of a step's class for one task; `step` counts those that the run has done."""
        writes = (phase == "reduce" or not cls.shuffle) and self.turn.job_step + 1 == len(self.classes)
        services = self._services(step, phase, task, tuple(self.outputs) if writes else ())
        return bind(cls, cls.__name__, self.spec.params, bounds, services, identity=step > 0)

    def _services(
        self, step: int, phase: Phase | Literal["round"], task: int = 0, outputs: tuple[str, ...] = ()
    ) -> Services:
        return Services(
            job=self.name,
            run="test",
            phase=phase,
            step=step,
            task=task,
            find_file=self._file,
            disk=self.disk,
            budget=self.spec.budget("mapper" if phase == "map" else "reducer"),
            so_far=self.so_far,
            outputs=outputs,
        )

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
        self.counting = sum_counters(self.counting, job.services.counters.totals())
