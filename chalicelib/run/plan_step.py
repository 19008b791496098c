"""Plan a step over its input and start its map tree; anybody may do so again after a crash.

The order is plan.json (conditional), the tree's root, plan.done. Whoever comes second finds the first
one's plan and does only the steps that are missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from ..core.codec import encode_column
from ..core.errors import CorruptData, UserError
from ..core.keys import RunKeys
from ..core.plan import Column, Plan, Split, read_head, render
from ..core.ports import Loc, ObjectInfo, Runtime
from ..core.spec import InputSpec, JobSpec
from ..core.tasks import Part
from ..core.totals import StatePart
from ..job.binding import BoundJob
from ..job.load_class import sources
from ..job.partitioners import Range
from ..job.side_files import finder, pin
from ..mapreduce.input import splits
from ..mapreduce.input.compression import compression
from ..mapreduce.map.sample import sample_bounds
from ..mapreduce.map.task import MapTask
from ..mapreduce.shuffle.partitions import default_partitions
from . import calls, job_code
from .verdict import outcome


def begin(
    runtime: Runtime,
    keys: RunKeys,
    spec: JobSpec,
    source: str,
    inputs: Iterable[tuple[str, ObjectInfo]],
    output: Loc,
    reducers: int = 1,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Plan a run over `inputs` and start its map tree; `source` is what it is shown to come from.

    `tags` say by key which of several inputs an object is of, where its prefix does not. `reducers` is how
    many reduce tasks are worth having even if their data would fit in fewer.

    Safe to call again for the same `keys`: the first plan stays. Raises UserError for a job that
    cannot run.
    """
    found = list(inputs)
    code = job_code.describe(runtime, keys.job, spec, found)
    pieces = list(_cut(found, spec, code.whole, tags or {}))
    size = sum(info.size for _, info in found)
    partitions = spec.partitions or code.partitions or default_partitions(size, spec.reduce_size)
    if spec.output.one_file and code.steps == 1:
        partitions = 1
    plan = Plan(
        job=keys.job,
        run=keys.run,
        token=runtime.new_token(),
        source=source,
        head=0,
        spec=spec,
        work=keys.work,
        output=output,
        steps=code.steps,
        own_steps=code.own_steps,
        map_only=code.map_only,
        partitions=partitions,
        tasks=0,
        page=0,
        pages=(),
        reducers=reducers,
        inputs=len(found),
        bytes=size,
        sql=code.sql,
        files=pin(runtime.store, spec),
        created=runtime.clock.now(),
        code=code.digest,
    )
    plan = replace(plan, bounds=_bounds(runtime, code.job, plan, pieces))
    _start(runtime, keys, plan, list(splits.pack(pieces, spec.split_size)))


def begin_next(runtime: Runtime, keys: RunKeys, before: Plan) -> None:
    """Plan the step after `before`, whose parts it reads, and start its map tree. `keys` are those of `before`.

    Safe to call again. Raises UserError if the user's code stops it.
    """
    following = keys.at(keys.step + 1)
    if _exists(runtime, following.plan_done):
        return
    parts, earlier = outcome(runtime.store, keys, before)
    plan = replace(before, nth=before.nth + 1, earlier=earlier)
    begin_over_pairs(runtime, following, plan, list(written(runtime, before, parts)))


def written(runtime: Runtime, plan: Plan, parts: Iterable[Part]) -> Iterator[StatePart]:
    """The typed pairs that the step of `plan` wrote, as they can be read."""
    infos = {info.key: info for info in runtime.store.list(plan.results)}
    for part in parts:
        info = infos.get(part.key)
        if info is None or info.size != part.bytes:
            there = f"there are {info.size}" if info else "it is gone"
            raise CorruptData(f"{part.key}: expected {part.bytes} bytes, {there}")
        yield StatePart(key=part.key, bytes=part.bytes, etag=info.etag, edges=part.edges)


def begin_over_pairs(runtime: Runtime, keys: RunKeys, plan: Plan, parts: Sequence[StatePart]) -> None:
    """Plan the step of `keys` over typed pairs and start its map tree; `plan` says what is not of its input.

    Safe to call again: the first plan stays. Raises UserError if the user's code stops it.
    """
    pieces: list[Split] = []
    samples: list[Split] = []
    for part in parts:
        info = ObjectInfo(part.key, part.bytes, part.etag, 0.0)
        pieces += splits.cut_at(keys.work.bucket, info, plan.spec.split_size, part.edges)
        samples += splits.cut_at(keys.work.bucket, info, 1, part.edges)
    plan = replace(
        plan,
        step=keys.step,
        token=runtime.new_token(),
        head=0,
        tasks=0,
        inputs=len(parts),
        bytes=sum(part.bytes for part in parts),
        bounds=None,
        created=runtime.clock.now(),
    )
    code = job_code.of_step(runtime.load_job, plan)
    plan = replace(plan, map_only=code.map_only, partitions=_partitions(plan, code))
    plan = replace(plan, bounds=_bounds(runtime, code.job, plan, samples))
    one_part = plan.map_only and plan.last_step and plan.spec.output.one_file
    _start(runtime, keys, plan, list(splits.pack(pieces, plan.bytes if one_part else plan.spec.split_size)))


def resumed(runtime: Runtime, keys: RunKeys) -> bool:
    """Whether the step of `keys` is planned; then its map tree is started, if it was not."""
    there = {info.key for info in runtime.store.list(keys.plan)}
    if keys.plan.key not in there:
        return False
    if not _exists(runtime, keys.plan_done):
        _start_tree(runtime, keys, read_head(runtime.store, keys))
    return True


def _start(runtime: Runtime, keys: RunKeys, plan: Plan, tasks: list[tuple[Split, ...]]) -> None:
    plan, body = render(plan, tasks)
    if not runtime.store.put_if_absent(keys.plan, body):
        plan = read_head(runtime.store, keys)
        if _exists(runtime, keys.plan_done):
            return
    _start_tree(runtime, keys, plan)


def _start_tree(runtime: Runtime, keys: RunKeys, plan: Plan) -> None:
    if plan.tasks:
        calls.start(runtime, "map", calls.call_for(keys, 0, plan.tasks))
    runtime.store.put(keys.plan_done, b"")


def _exists(runtime: Runtime, loc: Loc) -> bool:
    return any(info.key == loc.key for info in runtime.store.list(loc))


def _partitions(plan: Plan, code: job_code.Code) -> int:
    """As many as the first step has: what a step before this one wrote differs a little from engine to engine."""
    assert plan.earlier is not None
    size = plan.bytes if plan.merges else plan.earlier.bytes  # totals outgrow what any run has read
    first = default_partitions(size, plan.spec.reduce_size)
    alone = code.one_partition or (plan.spec.output.one_file and (plan.last_step or plan.merges))
    return 1 if alone else plan.spec.partitions or first


def _bounds(runtime: Runtime, job: BoundJob | None, plan: Plan, pieces: list[Split]) -> Column | None:
    """The bounds between partitions, if the step wants its keys in total order."""
    if job is None or plan.map_only or not isinstance(job.partitioner, Range) or plan.partitions == 1:
        return None
    job.services.find_file = finder(runtime, plan.spec, plan.files)
    job.services.disk = runtime.disk
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


def _cut(
    inputs: list[tuple[str, ObjectInfo]], spec: JobSpec, whole: bool, tags: Mapping[str, str]
) -> Iterator[Split]:
    by_tag = {given.tag: given for given in spec.inputs}
    for bucket, info in inputs:
        given = by_tag[tags[info.key]] if info.key in tags else _input_of(spec, Loc(bucket, info.key))
        splittable = not (whole or given.whole or (compression(info.key) and given.format != "parquet"))
        for split in splits.cut(bucket, info, spec.split_size, splittable):
            yield replace(split, tag=given.tag) if given.tag else split


def _input_of(spec: JobSpec, loc: Loc) -> InputSpec:
    given = spec.input_of(loc)
    if given is None:
        places = ", ".join(f"{given.tag} in {given.loc.url}" for given in spec.inputs)
        raise UserError(f"{loc.url}: is under none of the job's inputs: expected an object of {places}")
    return given
