"""The end of a run, written: the manifest, which lists its parts or its failures, then `_SUCCESS` or `_FAILED`.

All of it is a function of the verdict and the markers, so anybody may do it again after a crash. What is published is
final: once `_SUCCESS` or `_FAILED` is there, nothing is written any more, whatever becomes of the work place. Success
of a step that is not the last writes nothing: the supervisor starts the next one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from ..core.errors import NotFound, PreconditionFailed
from ..core.keys import LATEST, MANIFEST, OutputKeys, Phase, RunKeys, totals_shown
from ..core.messages import Stats, Wasted, decode, encode, sum_counters
from ..core.outcome import Latest, Manifest, Verdict
from ..core.plan import Earlier, Plan, StepDone
from ..core.ports import Loc, Runtime, Store
from ..core.tasks import Exchanged, Failure, Part, ReduceMarker, ReducePlan
from ..core.totals import Shown
from ..mapreduce.shuffle.fetch import fetch_all
from . import totals_pointer
from .progress import Spent, heard_since, wasted

#: Failures that `_FAILED` shows beside its reason.
_SHOWN = 4
#: Objects that the plans behind a step, which every task reads, list of its result, and of those of all steps.
_MOST_OF_ONE, _MOST_OF_ALL = 256, 768


def publish(store: Store, keys: RunKeys, plan: Plan, verdict: Verdict) -> None:
    """Write manifest and `_SUCCESS` or `_FAILED`; the last of these commits, and is the run's last write.

    Does nothing for a step after which there is another, nor for a run that has ended.
    """
    output = OutputKeys(plan.output)
    succeeded = verdict.outcome == "success"
    if (succeeded and not plan.last_step) or verdict.outcome == "overtaken" or is_ended(store, output):
        return
    if not succeeded:
        counted = "; its files are counted in the totals all the same" if plan.role == "render" else ""
        verdict = replace(verdict, reason=plan.where + verdict.reason + counted)
    manifest = _succeeded(store, keys, plan) if succeeded else _failed(store, keys, plan, verdict)
    if succeeded and plan.role == "render":
        totals_pointer.show(store, plan, manifest)
    _end(store, output, keys, manifest, verdict, plan.mark, latest=plan.spec.shows_latest)


def publish_counted(runtime: Runtime, keys: RunKeys, plan: Plan, done: Earlier, shown: Shown) -> None:
    """End a run that another one has merged with the totals: its results are theirs.

    `keys` are those of the step that would have followed, `done` is what the run did so far. Does nothing for a run
    that has ended.
    """
    store, output = runtime.store, OutputKeys(plan.output)
    verdict = Verdict(outcome="success")
    store.put_if_absent(keys.run_done, encode(verdict))
    if is_ended(store, output):
        return
    parts = tuple(Part(key=part.key, bytes=part.bytes, records=part.records) for part in shown.parts)
    _end(store, output, keys, _manifest(keys, plan, parts, done), verdict, plan.mark)


def publish_refused(runtime: Runtime, keys: RunKeys, source: str, output: Loc, verdict: Verdict) -> None:
    """End a run that cannot be planned: manifest and `_FAILED` are all there will ever be of it."""
    manifest = Manifest(
        job=keys.job,
        run=keys.run,
        outcome="failed",
        reason=verdict.reason,
        source=source,
        failures=verdict.failures,
        finished=max((failure.at for failure in verdict.failures), default=0.0),
    )
    place = OutputKeys(output)
    if not is_ended(runtime.store, place):
        _end(runtime.store, place, keys, manifest, verdict)


def is_ended(store: Store, output: OutputKeys) -> bool:
    """Whether `_SUCCESS` or `_FAILED` is there. Then what the run has published is final."""
    ends = (output.success.key, output.failure.key)
    return any(info.key in ends for info in store.list(output.ends))


def _end(
    store: Store,
    output: OutputKeys,
    keys: RunKeys,
    manifest: Manifest,
    verdict: Verdict,
    mark: str = "",
    *,
    latest: bool = False,
) -> None:
    _put_manifest(store, output.manifest, manifest)
    if (
        latest
        and manifest.outcome == "success"
        and not manifest.left_out
        and not output.prefix.bucket.startswith("/")
    ):
        _show_latest(store, output, manifest)
    if manifest.outcome == "success":
        store.put_if_absent(output.success, success_text(manifest).encode(), mark)
    else:
        store.put_if_absent(output.failure, failure_text(keys, verdict).encode())


def _put_manifest(store: Store, loc: Loc, manifest: Manifest) -> None:
    """Write the manifest, unless whoever publishes the same run has: that one may be committed already.

    One of another plan, by when it began, is left of a run of which everything else is gone, and was never committed.
    """
    body = encode(manifest)
    if store.put_if_absent(loc, body):
        return
    etag = store.head(loc).etag
    there = decode(Manifest, store.get(loc, etag=etag), loc.url)
    if there.started != manifest.started:
        store.put_if_match(loc, body, etag)


def _show_latest(store: Store, output: OutputKeys, manifest: Manifest) -> None:
    """Name these results as the newest, unless those of a later run are named. (A local folder has no others.)

    A run's id begins with the time of its event, so a run that took longer than a later one changes nothing.
    """
    loc = totals_shown(output.prefix, manifest.run, LATEST)
    body = encode(
        Latest(
            job=manifest.job,
            run=manifest.run,
            output=output.prefix.url,
            manifest=output.manifest.url,
            source=manifest.source,
            records=manifest.records,
            bytes=manifest.bytes,
            inputs=manifest.inputs,
            finished=datetime.fromtimestamp(manifest.finished, UTC).isoformat(timespec="seconds"),
        )
    )
    while not store.put_if_absent(loc, body):
        try:
            etag = store.head(loc).etag
            there = decode(Latest, store.get(loc, etag=etag), loc.url)
        except (NotFound, PreconditionFailed):
            continue  # deleted, or written between the two
        if there.run >= manifest.run or store.put_if_match(loc, body, etag) is not None:
            return


def success_text(manifest: Manifest) -> str:
    """What `_SUCCESS` holds: nothing, unless something was left out, or a loop has not converged."""
    text = "".join(f"{one.name}: {one.told}\n" for one in manifest.loops if one.converged is False)
    if not manifest.left_out:
        return text
    return text + "".join(
        [
            f"{len(manifest.left_out)} of {manifest.map_tasks} map tasks are left out (limits.failed_tasks)\n",
            *(
                f"step {one.step + 1}, map task {one.task}: {one.message}\n"
                for one in manifest.left_out[:_SHOWN]
            ),
            f"{MANIFEST} lists them all\n",
        ]
    )


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


def step_results(store: Store, keys: RunKeys, plan: Plan) -> tuple[tuple[Part, ...], Earlier]:
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
    parts = reduce_plan.parts or parts
    before = plan.earlier or _nothing(plan)
    counters = sum_counters(reduce_plan.counters, *(marker.counters for marker in markers))
    step = StepDone(
        records_in=reduce_plan.mapped.records_in,
        records_out=sum(part.records for part in parts),
        counters=dict(sorted(counters.items())),
        job_step=plan.job_step,
        parts=_to_be_read(plan, parts),
    )
    return parts, Earlier(
        inputs=before.inputs,
        bytes=before.bytes,
        map_tasks=before.map_tasks + plan.tasks,
        reduce_tasks=before.reduce_tasks + len(markers),
        mapped=before.mapped + reduce_plan.mapped,
        reduced=sum((marker.stats for marker in markers), before.reduced),
        map_wasted=before.map_wasted + heard_since(store, keys, "map", reduce_plan.wasted),
        reduce_wasted=before.reduce_wasted + _reduce_wasted(store, keys, plan, reduce_plan, markers),
        **_with_exchange(store, keys, before, reduce_plan.exchanged),
        counters=sum_counters(before.counters, counters),
        left_out=(*before.left_out, *reduce_plan.left_out),
        bad=before.bad + reduce_plan.bad + sum(marker.bad for marker in markers),
        quarantine=(
            *before.quarantine,
            *reduce_plan.quarantine,
            *(marker.quarantine for marker in markers if marker.quarantine),
        ),
        started=before.started,
        finished=max((marker.finished for marker in markers), default=reduce_plan.map_finished),
        steps=(*_older(before, plan, step), step),
        loops=before.loops,
    )


def _older(before: Earlier, plan: Plan, step: StepDone) -> Iterator[StepDone]:
    """The steps before `step`, without results of which there is a newer one (of a loop's next round), or too many."""
    room = _MOST_OF_ALL - len(step.parts or ())
    kept: list[StepDone] = []
    for one in reversed(before.steps):
        room -= len(one.parts or ())
        parts = () if one.job_step == plan.job_step else one.parts if room >= 0 else None
        kept.append(one if parts == one.parts else replace(one, parts=parts))
    return reversed(kept)


def _to_be_read(plan: Plan, parts: tuple[Part, ...]) -> tuple[tuple[str, int], ...] | None:
    """The objects that later steps may read as a whole."""
    if plan.role != "work" or plan.last_step:
        return ()
    if len(parts) > _MOST_OF_ONE:
        return None
    return tuple((part.key.removeprefix(plan.results.key), part.bytes) for part in parts)


def _with_exchange(store: Store, keys: RunKeys, before: Earlier, done: Exchanged | None) -> dict[str, Any]:
    """What exchange tasks did, those of this step (if it has any) and those of all before it."""
    if done is None:
        names = ("exchange_tasks", "exchanged", "exchange_wasted")
        return {name: getattr(before, name) for name in names}
    return {
        "exchange_tasks": before.exchange_tasks + done.tasks,
        "exchanged": before.exchanged + done.stats,
        "exchange_wasted": before.exchange_wasted + heard_since(store, keys, "exchange", done.wasted),
    }


def _reduce_wasted(
    store: Store, keys: RunKeys, plan: Plan, reduce_plan: ReducePlan, markers: Sequence[ReduceMarker]
) -> Wasted:
    """What the reduce phase used beside what its markers tell."""
    ended = max((marker.finished for marker in markers), default=reduce_plan.map_finished)
    spent = Spent(
        last={marker.task: marker.attempt for marker in markers},
        done=frozenset(marker.task for marker in markers),
        timeout=plan.spec.timeout.reducer,
        seconds=max(0.0, ended - reduce_plan.begun),
    )
    return wasted(store, keys, "reduce", spent) if markers else Wasted()


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


def _succeeded(store: Store, keys: RunKeys, plan: Plan) -> Manifest:
    found, done = step_results(store, keys, plan)
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
        map_wasted=done.map_wasted,
        reduce_wasted=done.reduce_wasted,
        exchange_tasks=done.exchange_tasks,
        exchanged=done.exchanged,
        exchange_wasted=done.exchange_wasted,
        counters=done.counters,
        bad=done.bad,
        left_out=done.left_out,
        loops=done.loops,
        quarantine=done.quarantine,
        started=done.started,
        finished=done.finished,
    )


def _failed(store: Store, keys: RunKeys, plan: Plan, verdict: Verdict) -> Manifest:
    before = plan.earlier or _nothing(plan)
    told = verdict.stopped.at if verdict.stopped else before.finished
    ended = max((failure.at for failure in verdict.failures), default=told)

    def used(phase: Phase) -> Wasted:
        return wasted(store, keys, phase, _given_up(plan, phase, verdict.failures, ended))

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
        map_wasted=before.map_wasted + used("map"),
        reduce_wasted=before.reduce_wasted + used("reduce"),
        exchange_tasks=before.exchange_tasks,
        exchanged=before.exchanged,
        exchange_wasted=before.exchange_wasted + (used("exchange") if plan.exchange else Wasted()),
        started=before.started,
        finished=ended,
        stopped=verdict.stopped,
    )


def _given_up(plan: Plan, phase: Phase, failures: Sequence[Failure], ended: float) -> Spent:
    """Of a phase of a run that fails: nobody reads the markers of tasks that are done, so only failures tell."""
    timeout = plan.spec.timeout.mapper if phase == "map" else plan.spec.timeout.reducer
    return Spent(
        last={failure.task: failure.attempt for failure in failures if failure.phase == phase},
        done=frozenset(),
        timeout=timeout,
        seconds=max(0.0, ended - plan.created),
    )
