"""Plan a step over its input and start its map tree; anybody may do so again after a crash.

The order is plan.json (conditional), the tree's root, plan.done. Whoever comes second finds the first
one's plan and does only the steps that are missing.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial

from msgspec import Struct, field
from msgspec.structs import replace

from ..core.codec import encode_column
from ..core.errors import CorruptData, LimitMet, UserError
from ..core.keys import RunKeys
from ..core.plan import Column, Plan, Split
from ..core.plan_file import Task, TaskLines, document, read_head
from ..core.ports import Loc, ObjectInfo, Runtime, Store
from ..core.spec import GIB, InputSpec, JobSpec
from ..core.tasks import Part
from ..core.totals import StatePart
from ..job.binding import BoundJob
from ..job.code_digest import check_same
from ..job.load_class import sources
from ..job.partitioners import Range
from ..job.services import FindResult, run_so_far
from ..job.side_files import finder, pin
from ..mapreduce.exchange.partitions import default_partitions
from ..mapreduce.input import splits
from ..mapreduce.input.blocks import stretch
from ..mapreduce.input.compression import compression
from . import job_code
from .job_code import JobCode, StepCode
from .manifest import step_results
from .start_step import is_started, start, start_if_planned, start_planned

#: With `split_lines`: bytes of input that are gone through to count lines, and tasks that may come of it.
MOST_COUNTED, MOST_LINE_TASKS = 1 * GIB, 1_000_000
#: Whether a step of so many map tasks and partitions may have a second level of shuffle.
MayExchange = Callable[[int, int], bool]


def never(_tasks: int, _partitions: int) -> bool:
    """One level of shuffle only."""
    return False


class NewRun(Struct, frozen=True, kw_only=True, dict=True):
    """What a run is asked to do."""

    spec: JobSpec
    #: URL of what started the run, to be shown to people.
    source: str
    #: (bucket, object) of the input, in order; it is gone through several times.
    inputs: Sequence[tuple[str, ObjectInfo]]
    #: Where its results go.
    output: Loc
    #: Reduce tasks worth having even if their data would fit in fewer.
    reducers: int = 1
    #: Which of the job's inputs an object is of, where its prefix does not tell.
    tags: Mapping[Loc, str] = field(default_factory=dict)
    #: How many runs, one started by the results of the other, led to this one.
    chain: int = 0
    #: Told how many map tasks and partitions there are before anything is written; what it raises stops the run.
    approve: Callable[[int, int], None] = lambda _tasks, _partitions: None
    may_exchange: MayExchange = never
    #: So little that it had better be one task.
    few: bool = False

    @cached_property
    def bytes(self) -> int:
        return sum(info.size for _, info in self.inputs)

    @property
    def split_size(self) -> int:
        return splits.FEW if self.few else splits.split_size(self.spec, self.bytes)

    def input_of(self, bucket: str, info: ObjectInfo) -> InputSpec:
        """Which of the job's inputs an object is of. Raises UserError if it is of none."""
        tag = self.tags.get(Loc(bucket, info.key))
        if tag is not None:
            return next(given for given in self.spec.inputs if given.tag == tag)
        return _input_of(self.spec, Loc(bucket, info.key))


def begin(runtime: Runtime, keys: RunKeys, run: NewRun) -> None:
    """Plan the first step of a run and start its map tree.

    Safe to call again for the same `keys`: the first plan stays. Raises UserError for a job that cannot run.
    """
    code = job_code.of_job(runtime, keys.job, run.spec, run.inputs, run.input_of)
    #: Where whoever waits takes nobody's place, nothing is gained by a run's being a small one.
    if runtime.seats is not None and job_code.is_few(code, run.spec, run.inputs):
        run = replace(run, few=True)
    pieces = _Cut(run, code, runtime.store)
    plan = _plan_of_run(runtime, keys, run, code)
    plan = replace(plan, bounds=_bounds(runtime, code.first.job, plan, pieces))
    tasks = sum(1 for _ in pieces.tasks())
    run.approve(tasks, plan.partitions)
    small = tasks == 1 and runtime.seats is not None and job_code.may_be_small(run.spec, code.steps)
    exchange = not plan.map_only and tasks > 0 and run.may_exchange(tasks, plan.partitions)
    plan = replace(plan, small=small, exchange=exchange)
    _commit(runtime, keys, plan, pieces.tasks())


def begin_next(runtime: Runtime, keys: RunKeys, before: Plan, may_exchange: MayExchange = never) -> None:
    """Plan the step after `before`, whose parts it reads, and start its map tree. `keys` are those of `before`.

    Of the steps of a loop what follows may be decided by the job's code: the first plan that is written stands, whoever
    wrote it. Safe to call again. Raises UserError or JobCodeError if the user's code stops it, NotConverged if a
    loop's rounds are used up.
    """
    next_keys = keys.at(keys.step + 1)
    if is_started(runtime.store, next_keys):
        return
    if before.loops and start_if_planned(runtime.store, runtime.invoker, next_keys):
        return  # whoever planned it has asked the job's code
    parts, earlier = step_results(runtime.store, keys, before)
    plan, read = before.next_step(before.job_step + 1, earlier), before
    if before.loops:
        check_same(runtime.load_job, before)  # whose code decides what follows
        from ..mapreduce.earlier.rounds import what_follows  # few jobs have loops

        plan, again = what_follows(runtime, before, earlier)
        if again is not None:
            read = read_head(runtime.store, keys.at(again))
            parts, _ = step_results(runtime.store, keys.at(again), read)
    begin_over_pairs(runtime, next_keys, plan, list(written_parts(runtime, read, parts)), may_exchange)


def written_parts(runtime: Runtime, plan: Plan, parts: Iterable[Part]) -> Iterator[StatePart]:
    """The parts that the step of `plan` wrote, with the etags by which the next one reads them.

    Raises CorruptData if one is gone, or is not what its marker says.
    """
    infos = {info.key: info for info in runtime.store.list(plan.results)}
    for part in parts:
        info = infos.get(part.key)
        if info is None or info.size != part.bytes:
            there = f"there are {info.size}" if info else "it is gone"
            raise CorruptData(f"{part.key}: expected {part.bytes} bytes, {there}")
        yield StatePart(key=part.key, bytes=part.bytes, etag=info.etag, edges=part.edges)


def begin_over_pairs(
    runtime: Runtime, keys: RunKeys, plan: Plan, parts: Sequence[StatePart], may_exchange: MayExchange = never
) -> None:
    """Plan a later step over the typed pairs of `parts` and start its map tree.

    `plan` is what `Plan.next_step` gives, and for a step over the totals what these are. Safe to call again: the
    first plan stays. Raises UserError if the user's code stops it, or is not the code that the run was begun by.
    """
    check_same(runtime.load_job, plan)
    code = job_code.of_step(runtime.load_job, plan)
    plan = _plan_over_pairs(runtime, plan, code, parts)
    plan = replace(plan, bounds=_bounds(runtime, code.job, plan, _cut_parts(keys, parts, 1)))
    size = splits.split_size(plan.spec, plan.bytes)
    pieces = _cut_parts(keys, parts, size)
    if plan.map_only and plan.last_step and plan.spec.output.one_file:
        tasks = splits.pack(pieces, plan.bytes)
    elif plan.spec.map_tasks:
        tasks = splits.share(pieces, plan.bytes, plan.spec.map_tasks)
    else:
        tasks = splits.pack(pieces, size)
    packed = list(tasks)
    exchange = not plan.map_only and bool(packed) and may_exchange(len(packed), plan.partitions)
    _commit(runtime, keys, replace(plan, exchange=exchange), packed)


def _commit(runtime: Runtime, keys: RunKeys, plan: Plan, tasks: Iterable[Task]) -> None:
    """Create plan.json, unless somebody else was faster, and start the tree of the plan that stands."""
    plan, pieces = document(plan, TaskLines(tasks))
    with runtime.store.writer(keys.plan, if_absent=True) as sink:
        for piece in pieces:
            sink.write(piece)
        created = sink.commit()
    if created:
        start(runtime.store, runtime.invoker, keys, plan)
    else:
        start_planned(runtime.store, runtime.invoker, keys)


# -- what a plan says -------------------------------------------------------------------------------------


def _plan_of_run(runtime: Runtime, keys: RunKeys, run: NewRun, code: JobCode) -> Plan:
    """The plan of the first step, but for the bounds and what `compose` fills in."""
    return Plan(
        job=keys.job,
        run=keys.run,
        token=runtime.new_token(),
        source=run.source,
        head=0,
        spec=run.spec,
        work=keys.work,
        output=run.output,
        steps=code.steps,
        merge_step=code.merge_step,
        loops=code.loops,
        map_only=code.first.map_only,
        partitions=_first_partitions(run, code),
        tasks=0,
        page=0,
        pages=(),
        reducers=run.reducers,
        inputs=len(run.inputs),
        bytes=run.bytes,
        sql=code.sql,
        files=pin(runtime.store, run.spec),
        created=runtime.clock.now(),
        code=code.digest,
        chain=run.chain,
    )


def _plan_over_pairs(runtime: Runtime, plan: Plan, code: StepCode, parts: Sequence[StatePart]) -> Plan:
    """The plan of a later step, but for the bounds and what `compose` fills in."""
    plan = replace(
        plan,
        token=runtime.new_token(),
        head=0,
        map_only=code.map_only,
        inputs=len(parts),
        bytes=sum(part.bytes for part in parts),
        bounds=None,
        created=runtime.clock.now(),
    )
    return replace(plan, partitions=_later_partitions(plan, code))


def _first_partitions(run: NewRun, code: JobCode) -> int:
    if run.spec.reducers == 1 or (run.spec.output.one_file and code.steps == 1):
        return 1  # so that what one task writes is sorted from end to end
    return run.spec.partitions or code.partitions or default_partitions(run.bytes, run.spec.reduce_size)


def _later_partitions(plan: Plan, code: StepCode) -> int:
    """As many as the first step has: what a step before this one wrote differs a little from engine to engine."""
    assert plan.earlier is not None
    merges = plan.role == "merge"
    one_part = plan.spec.output.one_file and (plan.last_step or merges)
    if code.one_partition or plan.spec.reducers == 1 or one_part:
        return 1
    size = plan.bytes if merges else plan.earlier.bytes  # totals outgrow what any run has read
    return plan.spec.partitions or default_partitions(size, plan.spec.reduce_size)


def _bounds(runtime: Runtime, job: BoundJob | None, plan: Plan, pieces: Iterable[Split]) -> Column | None:
    """The bounds between partitions, if the step wants its keys in total order: from a sample of `pieces`."""
    if job is None or plan.map_only or not isinstance(job.partitioner, Range) or plan.partitions == 1:
        return None
    from ..mapreduce.map.sample import sample_bounds  # few jobs keep their keys in total order
    from ..mapreduce.map.task import MapTask

    job.services.find_file = finder(runtime, plan.spec, plan.files)
    job.services.disk = runtime.disk
    job.services.so_far = run_so_far(plan, partial(_open_results, runtime, plan))
    task = MapTask(
        job=job,
        sources=sources(runtime, plan.own_spec),
        store=runtime.store,
        disk=runtime.disk,
        partitions=plan.partitions,
        budget=plan.spec.budget("mapper"),
    )
    keys = sample_bounds(task, pieces, job.partitioner.samples)
    shape, body = encode_column(keys)
    return Column(shape=shape, body=body)


def _open_results(runtime: Runtime, plan: Plan) -> FindResult:
    from ..mapreduce.earlier.results import results_of  # few jobs ask for one

    return results_of(runtime, plan, "supervisor")


# -- what is read ----------------------------------------------------------------------------------------


class _Cut(Struct, frozen=True):
    """The splits of the input's objects, made anew whenever they are gone through: there may be a million."""

    run: NewRun
    code: JobCode
    store: Store
    #: With `split_lines`: where the lines are of each object that was read, by its number.
    _lines: dict[int, Sequence[int]] = {}

    def __iter__(self) -> Iterator[Split]:
        run, before = self.run, 0
        for number, (bucket, info) in enumerate(run.inputs):
            given = run.input_of(bucket, info)
            for split in self._of_object(number, bucket, info, before, given):
                yield replace(split, tag=given.tag) if given.tag else split
            before += info.size

    def tasks(self) -> Iterator[Task]:
        """The splits of each map task."""
        run = self.run
        if run.spec.split_lines:
            return ((split,) for split in self)
        if run.spec.map_tasks:
            return splits.share(self, run.bytes, run.spec.map_tasks)
        return splits.pack(self, run.split_size)

    def _of_object(
        self, number: int, bucket: str, info: ObjectInfo, before: int, given: InputSpec
    ) -> Iterator[Split]:
        spec = self.run.spec
        cuttable = not spec.is_sql if given.format == "parquet" else not compression(info.key)
        if not cuttable or self.code.whole or given.whole or given.tag in self.code.uncut:
            return splits.between(bucket, info, ())
        if spec.split_lines:
            if number not in self._lines:
                self._lines[number] = self._read_lines(bucket, info, spec.split_lines)
            return splits.between(bucket, info, self._lines[number])
        if spec.map_tasks:
            return splits.between(
                bucket, info, splits.shared_edges(info.size, before, self.run.bytes, spec.map_tasks)
            )
        return splits.cut(bucket, info, self.run.split_size, splittable=True)

    def _read_lines(self, bucket: str, info: ObjectInfo, lines: int) -> Sequence[int]:
        """Where each task's lines end. Raises LimitMet for more input, or more tasks, than can be gone through now."""
        if self.run.bytes > MOST_COUNTED:
            raise LimitMet(
                f"split_lines: to count lines, all of the input is read before the run begins: expected at most"
                f" {MOST_COUNTED:,} bytes, got {self.run.bytes:,}: use split_size, or drop fewer files at once"
            )
        (whole,) = splits.between(bucket, info, ()) if info.size else ((),)
        edges = array("Q")
        for edge in splits.line_edges(stretch(self.store, whole, 0, info.size), lines) if whole else ():
            edges.append(edge)
            if len(edges) + sum(map(len, self._lines.values())) > MOST_LINE_TASKS:
                raise LimitMet(
                    f"split_lines: {lines} lines a task make more than {MOST_LINE_TASKS:,} map tasks of"
                    f" {self.run.bytes:,} bytes of input: give each task more lines"
                )
        return edges


def _input_of(spec: JobSpec, loc: Loc) -> InputSpec:
    given = spec.input_of(loc)
    if given is None:
        places = ", ".join(f"{given.tag} in {given.loc.url}" for given in spec.inputs)
        raise UserError(f"{loc.url}: is under none of the job's inputs: expected an object of {places}")
    return given


def _cut_parts(keys: RunKeys, parts: Iterable[StatePart], size: int) -> list[Split]:
    """Splits of about `size` bytes, or of one block if that is more."""
    return [
        split
        for part in parts
        for split in splits.cut_at(
            keys.work.bucket, ObjectInfo(part.key, part.bytes, part.etag, 0.0), size, part.edges
        )
    ]
