"""The map function: start the sub-trees, map one task into one run file, commit its marker."""

from __future__ import annotations

from typing import Any

from . import attempts
from .codec import decode_column
from .errors import SluiceError
from .job import bind
from .keys import RunKeys
from .loading import input_type
from .mapping import MapTask
from .model import MapMarker, Plan, TaskCall, encode
from .plan import Task, read_head, read_tasks
from .ports import Runtime
from .runfile import RunWriter


def handle(runtime: Runtime, payload: dict[str, Any]) -> None:
    """One invocation: a `TaskCall` for map tasks `[lo, hi)`, of which this one does `lo`."""
    attempts.serve(runtime, "map", payload, _attempt)


def _attempt(runtime: Runtime, keys: RunKeys, call: TaskCall) -> None:
    meter = attempts.Meter(runtime)
    plan = read_head(runtime.store, keys)
    (splits,) = read_tasks(runtime.store, keys, plan, call.lo, call.lo + 1)
    token = runtime.new_token()
    run_file = keys.run_file(call.lo, call.attempt, token)
    marker = keys.done("map", call.lo)
    with runtime.store.writer(run_file) as sink:
        writer = RunWriter(sink.write, plan.partitions)
        task = _map(runtime, plan, splits, writer)
        offsets = writer.finish()
        sink.commit()
    body = MapMarker(
        task=call.lo,
        attempt=call.attempt,
        token=token,
        run_file=run_file.key,
        offsets=offsets,
        key_types=tuple(sorted(writer.key_types)),
        stats=meter.stats(
            records_in=task.records,
            records_out=writer.pairs,
            bytes_in=task.bytes,
            bytes_out=offsets[-1],
            spilled=task.spilled,
        ),
        started=meter.started,
        finished=runtime.clock.now(),
    )
    if not runtime.store.put_if_absent(marker, encode(body)):
        runtime.store.delete(run_file.bucket, [run_file.key])


def _map(runtime: Runtime, plan: Plan, splits: Task, writer: RunWriter) -> MapTask:
    bounds = decode_column(plan.bounds.shape, plan.bounds.body) if plan.bounds else ()
    job = bind(runtime.load_job(plan.spec.job), plan.job, plan.spec.params, bounds)
    budget = plan.spec.budget("mapper")
    task = MapTask(
        job,
        plan.spec.input,
        runtime.store,
        plan.partitions,
        budget,
        runtime.scratch,
        input_type(runtime, plan.spec),
    )
    try:
        task.run(splits, writer)
    except SluiceError as error:
        error.add_note(f"run {plan.run}")
        raise
    return task
