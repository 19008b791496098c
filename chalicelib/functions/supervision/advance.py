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

    def give_up(self, reason: str) -> None:
        """End the run, here or, if this step has succeeded, where the next could not be planned."""
        verdict = self.fail(reason)
        if verdict.outcome != "success" or self._plan.last_step or self._plan.role != "work":
            return
        from ...run.start_step import start_if_planned  # seldom needed

        following = self._keys.at(self._plan.step + 1)
        if not start_if_planned(self._runtime.store, self._runtime.invoker, following):
            self._end_unplanned(reason)

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
            self._end_unplanned(reason, again=isinstance(error, NotConverged))

    def _end_unplanned(self, reason: str, *, again: bool = False) -> None:
        """End the run behind this step, which has succeeded. `again`: what would have followed is one more round."""
        plan = self._plan
        job_step, nth = (plan.job_step, (plan.round, plan.rounds)) if again else (plan.job_step + 1, (0, 0))
        unplanned = plan.next_step(job_step, plan.earlier, *nth)
        verdict = Verdict(outcome="failed", reason=reason)
        conclude(self._runtime.store, self._keys.at(plan.step + 1), unplanned, verdict)
