"""How a run ends: one verdict, then the manifest, then `_SUCCESS` or `_FAILED`.

The verdict is created conditionally, so a run ends one way only, whoever decides; all that follows is a
function of the verdict and the markers, so anybody may do it again after a crash.
"""

from __future__ import annotations

from .errors import NotFound
from .fetch import fetch_all
from .keys import MANIFEST, OutputKeys, RunKeys
from .model import Failure, Manifest, Part, Plan, ReduceMarker, ReducePlan, Stats, Verdict, decode, encode
from .ports import Runtime, Store

#: Failures that `_FAILED` shows beside its reason.
_SHOWN = 4


def conclude(runtime: Runtime, keys: RunKeys, plan: Plan, verdict: Verdict) -> None:
    """End the run with this verdict, or with the one that is there already."""
    if not runtime.store.put_if_absent(keys.run_done, encode(verdict)):
        verdict = decode(Verdict, runtime.store.get(keys.run_done), keys.run_done.url)
    publish(runtime, keys, plan, verdict)


def read_verdict(store: Store, keys: RunKeys) -> Verdict | None:
    try:
        return decode(Verdict, store.get(keys.run_done), keys.run_done.url)
    except NotFound:
        return None


def publish(runtime: Runtime, keys: RunKeys, plan: Plan, verdict: Verdict) -> None:
    """Write manifest and `_SUCCESS` or `_FAILED`; the last of these commits, and is the last write."""
    store, output = runtime.store, OutputKeys(plan.output)
    succeeded = verdict.outcome == "success"
    manifest = _succeeded(store, keys, plan) if succeeded else _failed(plan, verdict)
    store.put(output.manifest, encode(manifest))
    if succeeded:
        store.put_if_absent(output.success, b"")
    else:
        store.put_if_absent(output.failure, failure_text(keys, verdict).encode())


def failure_text(keys: RunKeys, verdict: Verdict) -> str:
    """What `_FAILED` holds: the reason with the user's traceback, then the other tasks' first errors."""
    lines = [f"job {keys.job}, run {keys.run} failed: {verdict.reason}"]
    others = list(verdict.failures)
    for failure in others:
        if failure.message in verdict.reason:
            lines += failure.detail.splitlines()
            others.remove(failure)
            break
    for failure in others[:_SHOWN]:
        lines += ["", f"{failure.phase} task {failure.task}, attempt {failure.attempt}: {failure.message}"]
    if len(others) > _SHOWN:
        lines += ["", f"and {len(others) - _SHOWN} more tasks; {MANIFEST} lists them all"]
    return "\n".join(lines) + "\n"


def _succeeded(store: Store, keys: RunKeys, plan: Plan) -> Manifest:
    reduce_plan = decode(ReducePlan, store.get(keys.reduce_plan), keys.reduce_plan.url)
    locs = [keys.done("reduce", task) for task in range(len(reduce_plan.tasks))]
    bodies = fetch_all(store, ((loc, 0, None) for loc in locs))
    markers = [decode(ReduceMarker, body, loc.url) for loc, body in zip(locs, bodies, strict=True)]
    return Manifest(
        job=keys.job,
        run=keys.run,
        outcome="success",
        source=plan.source,
        parts=tuple(Part(key=marker.part, bytes=marker.bytes, records=marker.records) for marker in markers),
        records=sum(marker.records for marker in markers),
        bytes=sum(marker.bytes for marker in markers),
        inputs=plan.inputs,
        input_bytes=plan.bytes,
        map_tasks=plan.tasks,
        reduce_tasks=len(markers),
        mapped=reduce_plan.mapped,
        reduced=sum((marker.stats for marker in markers), Stats()),
        counters=reduce_plan.counters,
        bad=reduce_plan.bad,
        quarantine=reduce_plan.quarantine,
        started=plan.created,
        finished=max((marker.finished for marker in markers), default=reduce_plan.map_finished),
    )


def _failed(plan: Plan, verdict: Verdict) -> Manifest:
    return Manifest(
        job=plan.job,
        run=plan.run,
        outcome="failed",
        reason=verdict.reason,
        source=plan.source,
        inputs=plan.inputs,
        input_bytes=plan.bytes,
        map_tasks=plan.tasks,
        failures=verdict.failures,
        started=plan.created,
        finished=max((failure.at for failure in verdict.failures), default=plan.created),
    )


def first_failures(failures: list[Failure]) -> tuple[Failure, ...]:
    """The first failure of each task, in task order."""
    first: dict[tuple[str, int], Failure] = {}
    for failure in sorted(failures, key=lambda failure: failure.attempt):
        first.setdefault((failure.phase, failure.task), failure)
    return tuple(first[key] for key in sorted(first))
