"""Moving a run on: from the end of a step to what follows it. From phase to phase: `next_phase`.

All of it is a function of markers and verdicts, so that anybody may do it again after a crash.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...core.errors import CorruptData, JobCodeError, NotConverged, UserError
from ...core.keys import RunKeys
from ...core.outcome import Verdict
from ...core.plan import Plan
from ...core.ports import Runtime
from ...run.manifest import publish
from ...run.verdict import conclude, read_verdict

if TYPE_CHECKING:
    from .totals_turn import Settling


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
        elif plan.accumulates:
            from .totals_turn import end_turn

            end_turn(self._runtime, self._keys, had_it=plan.totals is not None)
        return True

    def waits(self) -> bool:
        """Whether the run has to wait for another one's turn to end, which then calls it."""
        return self._settling is not None and self._settling.waits()

    def _among_totals(self, verdict: Verdict) -> bool:
        """Whether what follows the step depends on what other runs do meanwhile."""
        waits = self._plan.role in ("states", "merge")
        return verdict.outcome == "overtaken" or (verdict.outcome == "success" and waits)

    def _begin_next(self) -> None:
        """Start the next step; if it cannot be planned, it ends with a verdict and without a plan."""
        from ...run.plan_step import begin_next  # only jobs of several steps need to plan here
        from .may_exchange import may_exchange

        try:
            begin_next(self._runtime, self._keys, self._plan, may_exchange(self._runtime, self._plan.spec))
        except (UserError, JobCodeError, CorruptData) as error:
            reason = str(error) if isinstance(error, NotConverged) else f"could not be planned: {error}"
            keys = self._keys.at(self._plan.step + 1)
            unplanned = self._unplanned(again=isinstance(error, NotConverged))
            conclude(self._runtime.store, keys, unplanned, Verdict(outcome="failed", reason=reason))

    def _unplanned(self, *, again: bool) -> Plan:
        """What would have followed: the step behind this one, or, after a loop's last round, this one."""
        plan = self._plan
        if again:
            return plan.next_step(plan.job_step, plan.earlier, plan.round, plan.rounds)
        return plan.next_step(plan.job_step + 1, plan.earlier)
