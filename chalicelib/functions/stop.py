"""Stop a run: a verdict that nobody can take back, then nothing left in its place that could still be committed.

    verdict ──▶ the plan says so ──▶ each marker, and plan, that is not there is taken ──▶ manifest, `_FAILED`

The verdict decides: with it no `_SUCCESS` can come any more, nor a further step. What follows makes everybody notice,
by requests that they make anyway. An invocation that begins reads in the plan that it need not; one that is at work
finds, when it comes to commit, that its marker is there already, as if another attempt had been first, and tidies up.
All of it may be done again: a second stop goes on where a first one died. The supervisor that the verdict calls ends
the run's lease, and publishes what is not yet.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from ..core.errors import NotFound, UserError
from ..core.keys import Phase, RunKeys
from ..core.messages import Stats, decode, encode
from ..core.outcome import Stopped, Verdict
from ..core.plan import Plan
from ..core.plan_file import compose, mark_stopped, read_head
from ..core.ports import Store
from ..core.tasks import STOPPED, ExchangePlan, MapMarker, ReduceMarker, ReducePlan
from ..run.manifest import publish
from ..run.progress import Progress, scan
from ..run.verdict import decide

#: Requests under way for each that the store says is worth having.
_ABREAST = 4


def stop(
    store: Store, keys: RunKeys, by: str, why: str, now: float, *, publishes: bool = True, seals: bool = True
) -> tuple[Plan, Verdict]:
    """End a run, at the step it has come to, and say in its verdict who did so and why. `keys` are of the first step.

    Returns the last step that began, or would have, and the verdict that stands: another one if the run had ended by
    itself. Without `publishes` that is left to whoever supervises (only the local engine knows where its results lie
    for now), and without `seals` nobody is at work any more. Raises NotFound for a run without a plan, UserError for
    one that is being merged with the totals.
    """
    plan = read_head(store, keys)
    while True:
        keys = plan.keys(keys.at(plan.step))
        _check_role(plan)
        verdict = decide(store, keys, _verdict(store, keys, plan, by, why, now))
        if verdict.outcome == "failed":
            break
        if plan.last_step:
            return plan, verdict
        plan = _planned(store, keys.at(plan.step + 1)) or plan.next_step(plan.job_step + 1, plan.earlier)
    if seals:
        seal(store, keys, plan)
    if publishes:
        publish(store, keys, plan, verdict)
    return plan, verdict


def _check_role(plan: Plan) -> None:
    if plan.role in ("merge", "render"):
        raise UserError(
            f"job {plan.job}, run {plan.run}: its files are being merged with the totals (accumulate), with those of"
            " other runs perhaps: that takes moments, and cannot be stopped"
        )


def _verdict(store: Store, keys: RunKeys, plan: Plan, by: str, why: str, now: float) -> Verdict:
    done = {phase: _done(store, keys, phase, tasks) for phase, tasks in _tasks(store, keys, plan).items()}
    stopped = Stopped(
        by=by,
        why=why,
        at=now,
        map_done=len(done["map"].done),
        exchange_done=len(done["exchange"].done),
        reduce_done=len(done["reduce"].done),
    )
    return Verdict(outcome="failed", reason=f"stopped by {by}" + (f": {why}" if why else ""), stopped=stopped)


def _tasks(store: Store, keys: RunKeys, plan: Plan) -> dict[Phase, int]:
    """How many tasks each phase of a step has, as far as it is planned."""
    reduce_plan = _reduce_plan(store, keys)
    exchange = _exchange_tasks(store, keys) if plan.exchange else 0
    return {"map": plan.tasks, "exchange": exchange, "reduce": len(reduce_plan.tasks) if reduce_plan else 0}


def _done(store: Store, keys: RunKeys, phase: Phase, tasks: int) -> Progress:
    progress = Progress(phase, tasks)
    if tasks:
        scan(store, keys, progress)
    return progress


def _planned(store: Store, keys: RunKeys) -> Plan | None:
    try:
        return read_head(store, keys)
    except NotFound:
        return None


def _exchange_tasks(store: Store, keys: RunKeys) -> int:
    try:
        return decode(ExchangePlan, store.get(keys.exchange_plan), keys.exchange_plan.url).tasks
    except NotFound:
        return 0


def _reduce_plan(store: Store, keys: RunKeys) -> ReducePlan | None:
    try:
        return decode(ReducePlan, store.get(keys.reduce_plan), keys.reduce_plan.url)
    except NotFound:
        return None


def seal(store: Store, keys: RunKeys, plan: Plan) -> None:
    """Let nothing be committed any more in a step that has failed, in the order in which it would be."""
    _seal_plan(store, keys, plan)
    _take(store, keys, "map", plan.tasks)
    if plan.exchange and not store.put_if_absent(
        keys.exchange_plan, encode(ExchangePlan(reduce=_no_reduce_plan(plan)))
    ):
        _take(store, keys, "exchange", _exchange_tasks(store, keys))
    if not store.put_if_absent(keys.reduce_plan, encode(_no_reduce_plan(plan))):
        found = _reduce_plan(store, keys)
        _take(store, keys, "reduce", len(found.tasks) if found else 0)


def _seal_plan(store: Store, keys: RunKeys, plan: Plan) -> None:
    """Say in the plan that the run was stopped; where there is none yet, put one without tasks in its place."""
    _, body = compose(replace(plan, tasks=0, stopped=True), [])
    if store.put_if_absent(keys.plan, body):
        return
    found = read_head(store, keys)
    if not found.stopped:
        mark_stopped(store, keys, found)


def _no_reduce_plan(plan: Plan) -> ReducePlan:
    return ReducePlan(
        tasks=(),
        mapped=Stats(),
        counters={},
        map_started=plan.created,
        map_finished=plan.created,
        stopped=True,
    )


def _take(store: Store, keys: RunKeys, phase: Phase, tasks: int) -> None:
    """Take the markers that are not there yet; whoever comes later finds them, as those of another attempt."""
    missing: Iterable[int] = _done(store, keys, phase, tasks).missing() if tasks else ()

    def take(task: int) -> None:
        store.put_if_absent(keys.done(phase, task), encode(_marker(phase, task)))

    from concurrent.futures import ThreadPoolExecutor  # few runs are stopped

    with ThreadPoolExecutor(max(1, _ABREAST * store.parallel_reads), "stop") as pool:
        for _ in pool.map(take, missing):
            pass


def _marker(phase: Phase, task: int) -> MapMarker | ReduceMarker:
    """What stands in the place of a marker, and names nothing."""
    if phase != "reduce":
        return MapMarker(
            task=task, attempt=0, token=STOPPED, run_file="", offsets=(), stats=Stats(), started=0.0, finished=0.0
        )  # fmt: skip
    return ReduceMarker(
        task=task, attempt=0, token=STOPPED, part="", bytes=0, records=0, stats=Stats(), started=0.0, finished=0.0
    )  # fmt: skip
