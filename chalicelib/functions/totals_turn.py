"""Where a run with `accumulate` stands with the totals, and what is to be done next: merge, render, wait or end.

One look at a time, by the supervisor of the step that the run came to; all it knows is in the store.
"""

from __future__ import annotations

from msgspec.structs import replace

from ..core.errors import JobCodeError, NotFound, UserError
from ..core.keys import RunKeys, TotalsKeys, totals_shown
from ..core.outcome import Verdict
from ..core.plan import Earlier, Plan, read_head
from ..core.ports import Runtime
from ..core.totals import Waiting
from ..run import totals_pointer
from ..run.lease import Held
from ..run.manifest import publish_counted, step_results
from ..run.plan_step import begin_over_pairs, resumed, written
from ..run.verdict import conclude


class Settling:
    """From a step whose states wait, or that was to merge or render them, to the step that follows it."""

    def __init__(self, runtime: Runtime, keys: RunKeys, plan: Plan) -> None:
        self._runtime = runtime
        self._store = runtime.store
        self._keys = keys
        self._following = keys.at(keys.step + 1)
        self._places = TotalsKeys(keys.work, keys.job)
        self._plan = plan
        self._own: Waiting | None = None

    def look(self, verdict: Verdict) -> bool:
        """Do what can be done now; False if the run has to wait for others."""
        if resumed(self._runtime, self._following):
            return True
        found = totals_pointer.read(self._store, self._places)
        committed = False
        if self._plan.merges and verdict.outcome == "success":
            committed = self._commit(found)
            found = totals_pointer.read(self._store, self._places)
        generation = found.generation_of(self._keys.run)
        if generation is None:
            return self._merge()
        done = self._done(committed=committed)
        shown = totals_pointer.shown(self._store, totals_shown(self._plan.output, self._keys.run))
        if shown and shown[0].generation >= generation:
            publish_counted(self._runtime, self._following, self._plan, done, shown[0])
            totals_pointer.end_turn(self._store, self._places, self._keys.run)
            return True
        if not self._turn():
            return False
        self._render(totals_pointer.read(self._store, self._places), done)
        return True

    def _turn(self) -> Held | None:
        return totals_pointer.take_turn(self._store, self._places, self._keys.run, self._runtime.clock.now())

    def _commit(self, found: totals_pointer.Totals) -> bool:
        """Make what was merged the totals, if they are still those that it was merged with."""
        planned = self._plan.totals
        if planned is None or (found.etag != planned.etag and found.pointer.run != self._keys.run):
            return False
        parts, _ = step_results(self._store, self._keys, self._plan)
        if not found.commit(self._plan, tuple(written(self._runtime, self._plan, parts))):
            return False
        totals_pointer.read(self._store, self._places).clean()
        return True

    def _done(self, *, committed: bool = False) -> Earlier:
        """What the run's steps did together, but for merges that came to nothing."""
        if self._plan.makes_states or committed:
            return step_results(self._store, self._keys, self._plan)[1]
        assert self._plan.earlier is not None
        return self._plan.earlier

    def _states(self) -> Waiting:
        """What the run itself has to be merged with the totals."""
        if self._own is None:
            keys = self._keys.at(self._plan.own_steps - 1)
            plan = self._plan if self._plan.makes_states else read_head(self._store, keys)
            parts, _ = step_results(self._store, keys, plan)
            self._own = Waiting(run=keys.run, parts=tuple(written(self._runtime, plan, parts)))
            totals_pointer.wait(self._store, self._places, self._own)
        return self._own

    def _merge(self) -> bool:
        """Plan a merge with all that wait or, after one that came to nothing, of this run alone."""
        own = self._states()
        if not self._turn():
            return False
        found = totals_pointer.read(self._store, self._places)  # who had the turn before us has changed them
        if found.generation_of(own.run) is not None:
            return False
        if not self._plan.makes_states:
            return self._planned(found, [own], last=True)
        others = found.waiting(own.run)
        return self._planned(found, [own, *others], last=not others) or self._planned(found, [own], last=True)

    def _planned(self, found: totals_pointer.Totals, runs: list[Waiting], *, last: bool) -> bool:
        """Whether the merge is planned, or the run has failed because its own states cannot be merged."""
        runs = sorted(runs, key=lambda waiting: waiting.run)
        parts = [*found.pointer.parts, *(part for waiting in runs for part in waiting.parts)]
        plan = self._next(self._plan.own_steps, self._done())
        plan = replace(plan, totals=totals_pointer.planned_on(found, [waiting.run for waiting in runs]))
        try:
            begin_over_pairs(self._runtime, self._following, plan, parts)
        except NotFound:
            return False  # what was to be read belongs to totals that are no more
        except (UserError, JobCodeError) as error:
            if not last:
                return False
            failed = Verdict(outcome="failed", reason=f"could not be planned: {error}")
            if totals_pointer.is_overtaken(self._store, plan):
                return False
            conclude(self._runtime, self._following, replace(plan, tasks=0, totals=None), failed)
            totals_pointer.end_turn(self._store, self._places, self._keys.run)
        return True

    def _render(self, found: totals_pointer.Totals, done: Earlier) -> None:
        """Plan the step that makes results of the totals."""
        plan = self._next(self._plan.own_steps + 1, done)
        plan = replace(
            plan, totals=replace(totals_pointer.planned_on(found, ()), generation=found.pointer.generation)
        )
        begin_over_pairs(self._runtime, self._following, plan, found.pointer.parts)

    def _next(self, nth: int, done: Earlier) -> Plan:
        return replace(self._plan, step=self._following.step, nth=nth, earlier=done)
