"""The verdict: how a run ends, once and for all.

It is created conditionally, so a run ends one way only, whoever decides. Each step of a run has a verdict of its
own. What follows from it, the manifest and `_SUCCESS` or `_FAILED`, is in `manifest.py`.
"""

from __future__ import annotations

from msgspec.structs import replace

from ..core.errors import NotFound
from ..core.keys import RunKeys
from ..core.messages import decode, encode
from ..core.outcome import Verdict
from ..core.plan import Plan
from ..core.ports import Loc, Store
from ..core.tasks import CRASHED, Failure
from ..mapreduce.guard.quarantine import over_limit
from . import totals_pointer
from .manifest import publish, step_results


def conclude(store: Store, keys: RunKeys, plan: Plan, verdict: Verdict) -> Verdict:
    """End the run (or a step of it) with this verdict, or with the one that is there already; the one that stands.

    What all tasks together set aside may turn success into failure.
    """
    if verdict.outcome == "success" and plan.spec.bad_records.policy == "quarantine":
        reason = _too_many_bad(store, keys, plan)
        verdict = Verdict(outcome="failed", reason=reason) if reason else verdict
    if verdict.outcome == "failed" and totals_pointer.is_overtaken(store, plan):
        verdict = replace(verdict, outcome="overtaken")
    verdict = decide(store, keys, verdict)
    publish(store, keys, plan, verdict)
    return verdict


def decide(store: Store, keys: RunKeys, verdict: Verdict) -> Verdict:
    """Give this verdict, unless there is one already; the one that stands. Nothing is published."""
    if store.put_if_absent(keys.run_done, encode(verdict)):
        return verdict
    return decode(Verdict, store.get(keys.run_done), keys.run_done.url)


def _too_many_bad(store: Store, keys: RunKeys, plan: Plan) -> str:
    """Why the run must fail although all its tasks are done; empty if it need not."""
    _, done = step_results(store, keys, plan)
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


def first_failures(failures: list[Failure]) -> tuple[Failure, ...]:
    """The first failure of each task that says why (one whose process vanished does not, if another does), in order."""
    first: dict[tuple[str, int], Failure] = {}
    for failure in sorted(failures, key=lambda failure: (failure.error == CRASHED, failure.attempt)):
        first.setdefault((failure.phase, failure.task), failure)
    return tuple(first[key] for key in sorted(first))
