"""How a run ends: one verdict, then the manifest, then `_SUCCESS` or `_FAILED`.

The verdict is created conditionally, so a run ends one way only, whoever decides; all that follows is a
function of the verdict and the markers, so anybody may do it again after a crash. Each step of a run has a
verdict of its own; success of a step that is not the last writes nothing: the supervisor starts the next.
"""

from __future__ import annotations

from msgspec.structs import replace

from ..core.errors import NotFound
from ..core.keys import MANIFEST, OutputKeys, RunKeys
from ..core.messages import Stats, decode, encode
from ..core.outcome import Manifest, Verdict
from ..core.plan import Earlier, Plan
from ..core.ports import Loc, Runtime, Store
from ..core.tasks import Failure, Part, ReduceMarker, ReducePlan
from ..core.totals import Shown
from ..mapreduce.guard.quarantine import over_limit
from ..mapreduce.shuffle.fetch import fetch_all
from . import totals_pointer

#: Failures that `_FAILED` shows beside its reason.
_SHOWN = 4


def conclude(runtime: Runtime, keys: RunKeys, plan: Plan, verdict: Verdict) -> Verdict:
    """End the run (or a step of it) with this verdict, or with the one that is there already; the one that stands.

    What all tasks together set aside may turn success into failure.
    """
    if verdict.outcome == "success" and plan.spec.bad_records.policy == "quarantine":
        reason = _too_many_bad(runtime.store, keys, plan)
        verdict = Verdict(outcome="failed", reason=reason) if reason else verdict
    if verdict.outcome == "failed" and totals_pointer.is_overtaken(runtime.store, plan):
        verdict = replace(verdict, outcome="overtaken")
    if not runtime.store.put_if_absent(keys.run_done, encode(verdict)):
        verdict = decode(Verdict, runtime.store.get(keys.run_done), keys.run_done.url)
    publish(runtime, keys, plan, verdict)
    return verdict


def _too_many_bad(store: Store, keys: RunKeys, plan: Plan) -> str:
    """Why the run must fail although all its tasks are done; empty if it need not."""
    _, done = outcome(store, keys, plan)
    reason = over_limit(plan.spec.bad_records, done.bad, done.mapped.records_in)
    if not reason:
        return ""
    listed = ", ".join(Loc(keys.work.bucket, key).url for key in done.quarantine)
    return f"job {keys.job}: {reason}; they are listed in {listed}"


def read_verdict(store: Store, keys: RunKeys) -> Verdict | None:
    try:
        return decode(Verdict, store.get(keys.run_done), keys.run_done.url)
    except NotFound:
        return None


def publish(runtime: Runtime, keys: RunKeys, plan: Plan, verdict: Verdict) -> None:
    """Write manifest and `_SUCCESS` or `_FAILED`; the last of these commits, and is the last write.

    Does nothing for a step after which there is another.
    """
    store, output = runtime.store, OutputKeys(plan.output)
    succeeded = verdict.outcome == "success"
    if (succeeded and not plan.last_step) or verdict.outcome == "overtaken":
        return
    if not succeeded:
        counted = "; its files are counted in the totals all the same" if plan.renders else ""
        verdict = replace(verdict, reason=plan.where + verdict.reason + counted)
    manifest = _succeeded(store, keys, plan) if succeeded else _failed(plan, verdict)
    if succeeded and plan.renders:
        totals_pointer.show(store, plan, manifest)
    store.put(output.manifest, encode(manifest))
    if succeeded:
        store.put_if_absent(output.success, b"")
    else:
        store.put_if_absent(output.failure, failure_text(keys, verdict).encode())


def publish_counted(runtime: Runtime, keys: RunKeys, plan: Plan, done: Earlier, shown: Shown) -> None:
    """End a run that another one has merged with the totals: its results are theirs.

    `keys` are those of the step that would have followed, `done` is what the run did so far.
    """
    store, output = runtime.store, OutputKeys(plan.output)
    store.put_if_absent(keys.run_done, encode(Verdict(outcome="success")))
    parts = tuple(Part(key=part.key, bytes=part.bytes, records=part.records) for part in shown.parts)
    store.put(output.manifest, encode(_manifest(keys, plan, parts, done)))
    store.put_if_absent(output.success, b"")


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


def outcome(store: Store, keys: RunKeys, plan: Plan) -> tuple[tuple[Part, ...], Earlier]:
    """The parts of a step that has succeeded, and what it and all steps before it did together."""
    reduce_plan = decode(ReducePlan, store.get(keys.reduce_plan), keys.reduce_plan.url)
    locs = [keys.done("reduce", task) for task in range(len(reduce_plan.tasks))]
    bodies = fetch_all(store, ((loc, 0, None) for loc in locs))
    markers = [decode(ReduceMarker, body, loc.url) for loc, body in zip(locs, bodies, strict=True)]
    parts = tuple(
        Part(
            key=marker.part,
            bytes=marker.bytes,
            records=marker.records,
            edges=marker.edges,
            folders=marker.folders,
        )
        for marker in markers
    )
    before = plan.earlier or _nothing(plan)
    return reduce_plan.parts or parts, Earlier(
        inputs=before.inputs,
        bytes=before.bytes,
        map_tasks=before.map_tasks + plan.tasks,
        reduce_tasks=before.reduce_tasks + len(markers),
        mapped=before.mapped + reduce_plan.mapped,
        reduced=sum((marker.stats for marker in markers), before.reduced),
        counters=_summed(before.counters, reduce_plan.counters, *(marker.counters for marker in markers)),
        bad=before.bad + reduce_plan.bad + sum(marker.bad for marker in markers),
        quarantine=(
            *before.quarantine,
            *reduce_plan.quarantine,
            *(marker.quarantine for marker in markers if marker.quarantine),
        ),
        started=before.started,
        finished=max((marker.finished for marker in markers), default=reduce_plan.map_finished),
    )


def _nothing(plan: Plan) -> Earlier:
    """What was done before the first step."""
    return Earlier(
        inputs=plan.inputs,
        bytes=plan.bytes,
        map_tasks=0,
        reduce_tasks=0,
        mapped=Stats(),
        reduced=Stats(),
        started=plan.created,
        finished=plan.created,
    )


def _summed(*counters: dict[str, int]) -> dict[str, int]:
    total: dict[str, int] = {}
    for some in counters:
        for name, count in some.items():
            total[name] = total.get(name, 0) + count
    return total


def _succeeded(store: Store, keys: RunKeys, plan: Plan) -> Manifest:
    found, done = outcome(store, keys, plan)
    return _manifest(keys, plan, tuple(one for part in found for one in part.objects), done)


def _manifest(keys: RunKeys, plan: Plan, parts: tuple[Part, ...], done: Earlier) -> Manifest:
    return Manifest(
        job=keys.job,
        run=keys.run,
        outcome="success",
        source=plan.source,
        parts=parts,
        records=sum(part.records for part in parts),
        bytes=sum(part.bytes for part in parts),
        inputs=done.inputs,
        input_bytes=done.bytes,
        steps=plan.steps,
        map_tasks=done.map_tasks,
        reduce_tasks=done.reduce_tasks,
        mapped=done.mapped,
        reduced=done.reduced,
        counters=done.counters,
        bad=done.bad,
        quarantine=done.quarantine,
        started=done.started,
        finished=done.finished,
    )


def _failed(plan: Plan, verdict: Verdict) -> Manifest:
    before = plan.earlier or _nothing(plan)
    return Manifest(
        job=plan.job,
        run=plan.run,
        outcome="failed",
        reason=verdict.reason,
        source=plan.source,
        inputs=before.inputs,
        input_bytes=before.bytes,
        steps=plan.steps,
        map_tasks=before.map_tasks + plan.tasks,
        failures=verdict.failures,
        started=before.started,
        finished=max((failure.at for failure in verdict.failures), default=before.finished),
    )


def first_failures(failures: list[Failure]) -> tuple[Failure, ...]:
    """The first failure of each task, in task order."""
    first: dict[tuple[str, int], Failure] = {}
    for failure in sorted(failures, key=lambda failure: failure.attempt):
        first.setdefault((failure.phase, failure.task), failure)
    return tuple(first[key] for key in sorted(first))
