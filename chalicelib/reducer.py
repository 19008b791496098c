"""The reduce function: start the sub-trees, reduce one task into a part, commit; the last one ends the run."""

from __future__ import annotations

from typing import Any

from . import attempts, finish
from .completion import Progress, scan
from .job import bind
from .keys import OutputKeys, RunKeys
from .model import Plan, ReduceMarker, ReducePlan, ReduceTask, TaskCall, Verdict, decode, encode
from .plan import read_head
from .ports import Loc, Runtime
from .reducing import ReducePart
from .shuffle import read_slices
from .writing import FORMATS


def handle(runtime: Runtime, payload: dict[str, Any]) -> None:
    """One invocation: a `TaskCall` for reduce tasks `[lo, hi)`, of which this one does `lo`."""
    attempts.serve(runtime, "reduce", payload, _attempt)


def _attempt(runtime: Runtime, keys: RunKeys, call: TaskCall) -> None:
    meter = attempts.Meter(runtime)
    plan = read_head(runtime.store, keys)
    reduce_plan = decode(ReducePlan, runtime.store.get(keys.reduce_plan), keys.reduce_plan.url)
    task = reduce_plan.tasks[call.lo]
    token = runtime.new_token()
    part_loc = OutputKeys(plan.output).part(call.lo, plan.spec.output.format)
    part, size = _reduce(runtime, keys, plan, task, part_loc)
    body = ReduceMarker(
        task=call.lo,
        attempt=call.attempt,
        token=token,
        part=part_loc.key,
        bytes=size,
        records=part.records,
        stats=meter.stats(
            records_in=part.pairs_in,
            records_out=part.records,
            bytes_in=part.bytes_in,
            bytes_out=size,
            spilled=part.spilled,
        ),
        started=meter.started,
        finished=runtime.clock.now(),
    )
    runtime.store.put_if_absent(keys.done("reduce", call.lo), encode(body))
    _finish_if_last(runtime, keys, plan, len(reduce_plan.tasks))


def _reduce(
    runtime: Runtime, keys: RunKeys, plan: Plan, task: ReduceTask, part_loc: Loc
) -> tuple[ReducePart, int]:
    """Write the part if it is absent; (what was done, bytes of the part that is there)."""
    job = bind(runtime.load_job(plan.spec.job), plan.job, plan.spec.params)
    slices = read_slices(runtime.store, keys, task)
    part = ReducePart(job, runtime.store, keys.work.bucket, plan.spec.budget("reducer"), runtime.scratch)
    with runtime.store.writer(part_loc, if_absent=True) as sink:
        size = 0

        def write(data: bytes) -> None:
            nonlocal size
            size += len(data)
            sink.write(data)

        part.run(task, slices, FORMATS[plan.spec.output.format], write)
        if not sink.commit():
            # An earlier attempt's part is complete and stays; ours is the same bytes unless the user's
            # code is not a function of its input, and then the marker must speak of what is there.
            there = runtime.store.head(part_loc).size
            if there != size:
                size = there
                part.records = _count_lines(runtime, part_loc)
    return part, size


def _count_lines(runtime: Runtime, loc: Loc) -> int:
    return sum(chunk.count(b"\n") for chunk in runtime.store.stream(loc))


def _finish_if_last(runtime: Runtime, keys: RunKeys, plan: Plan, tasks: int) -> None:
    """Our own marker may be the last: whoever counts R of R after it ends the run."""
    progress = Progress("reduce", tasks)
    scan(runtime.store, keys, progress)
    if progress.complete:
        finish.conclude(runtime, keys, plan, Verdict(outcome="success"))
