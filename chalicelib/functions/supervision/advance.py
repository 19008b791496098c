"""Moving a run on: from the map phase to the reducers, and from the end of a step to what follows it.

All of it is a function of markers and verdicts, so that anybody may do it again after a crash.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ...core.errors import CorruptData, JobCodeError, NotFound, RunStopped, UserError
from ...core.keys import RunKeys, TotalsKeys
from ...core.messages import decode, encode
from ...core.outcome import Verdict
from ...core.plan import Plan
from ...core.ports import Runtime
from ...core.tasks import ReducePlan
from ...run import calls, totals_pointer
from ...run.manifest import publish
from ...run.reduce_plan import plan_reduce
from ...run.verdict import conclude, read_verdict

if TYPE_CHECKING:
    from .totals_turn import Settling


def begin_reduce(
    runtime: Runtime, keys: RunKeys, plan: Plan, tick: Callable[[], None] = lambda: None
) -> ReducePlan:
    """Plan the reduce phase over the markers of all map tasks, and start its tree.

    The order is the index, the reduce plan (conditional), the tree's root, `reduce/started`. With thousands of
    markers this takes minutes: `tick` is called between them, to renew a lease or to look at the time. If it raises,
    whoever begins again goes on behind the last block of the index that was written.
    Raises UserError if what the map tasks wrote cannot be reduced, RunStopped if somebody has stopped the run.
    """
    reduce_plan = commit_plan(runtime, keys, plan_reduce(runtime.store, keys, plan, tick))
    _start_reducers(runtime, keys, reduce_plan)
    return reduce_plan


def commit_plan(runtime: Runtime, keys: RunKeys, reduce_plan: ReducePlan) -> ReducePlan:
    """End the map phase by this plan of the reduce phase, or by the one that is there already; the one that stands.

    Raises RunStopped if the run was stopped.
    """
    if runtime.store.put_if_absent(keys.reduce_plan, encode(reduce_plan)):
        return reduce_plan
    stored = _stored_reduce_plan(runtime, keys) or reduce_plan
    if stored.stopped:
        raise RunStopped(f"job {keys.job}, run {keys.run}: was stopped: nothing is reduced")
    return stored


def resume_reduce(runtime: Runtime, keys: RunKeys) -> ReducePlan | None:
    """The reduce plan if there is one already, with its tree started; None during the map phase."""
    stored = _stored_reduce_plan(runtime, keys)
    if stored:
        _start_reducers(runtime, keys, stored)
    return stored


def _stored_reduce_plan(runtime: Runtime, keys: RunKeys) -> ReducePlan | None:
    try:
        return decode(ReducePlan, runtime.store.get(keys.reduce_plan), keys.reduce_plan.url)
    except NotFound:
        return None


def _start_reducers(runtime: Runtime, keys: RunKeys, reduce_plan: ReducePlan) -> None:
    """Invoke the root of the reduce tree unless that is known to have been done."""
    if not reduce_plan.tasks:
        return
    started = keys.reduce_started
    if any(info.key == started.key for info in runtime.store.list(started)):
        return
    calls.start(runtime, "reduce", calls.call_for(keys, 0, len(reduce_plan.tasks)))
    runtime.store.put(started, b"")


class StepEnd:
    """The end of one step of a run: its verdict, and what follows."""

    def __init__(self, runtime: Runtime, keys: RunKeys, plan: Plan) -> None:
        self._runtime, self._keys, self._plan = runtime, keys, plan
        #: Where the run stands with the totals of its job, if it has any.
        self._settling: Settling | None = None

    def conclude(self, verdict: Verdict) -> Verdict:
        """End the step with this verdict, or with the one that is there already; the one that stands."""
        return conclude(self._runtime.store, self._keys, self._plan, verdict)

    def fail(self, reason: str) -> Verdict:
        return self.conclude(Verdict(outcome="failed", reason=reason))

    def found(self) -> Verdict | None:
        """The verdict that is there, perhaps by the last reducer; what a crash left undone of it is done."""
        verdict = read_verdict(self._runtime.store, self._keys)
        if verdict:
            publish(self._runtime.store, self._keys, self._plan, verdict)
        return verdict

    def follow(self, verdict: Verdict) -> bool:
        """Start what follows; safe to do again. False if the run has to wait for others and must be looked at again."""
        plan = self._plan
        if plan.accumulates and self._among_totals(verdict):
            from .totals_turn import Settling  # only jobs with totals wait for others

            self._settling = self._settling or Settling(self._runtime, self._keys, plan)
            return self._settling.look(verdict)
        if verdict.outcome == "success" and not plan.last_step:
            self._begin_next()
        elif plan.totals:
            totals_pointer.end_turn(self._runtime.store, TotalsKeys(plan.work, plan.job), plan.run)
        return True

    def _among_totals(self, verdict: Verdict) -> bool:
        """Whether what follows the step depends on what other runs do meanwhile."""
        waits = self._plan.role in ("states", "merge")
        return verdict.outcome == "overtaken" or (verdict.outcome == "success" and waits)

    def _begin_next(self) -> None:
        """Start the next step; if it cannot be planned, it ends with a verdict and without a plan."""
        from ...run.plan_step import begin_next  # only jobs of several steps need to plan here

        try:
            begin_next(self._runtime, self._keys, self._plan)
        except (UserError, JobCodeError, CorruptData) as error:
            keys = self._keys.at(self._plan.step + 1)
            unplanned = self._plan.next_step(self._plan.job_step + 1, self._plan.earlier)
            reason = f"could not be planned: {error}"
            conclude(self._runtime.store, keys, unplanned, Verdict(outcome="failed", reason=reason))
