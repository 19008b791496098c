"""Where a run with `accumulate` stands with the totals, and what to do next: merge, render, wait or end.

The supervisor of the step that the run has come to looks; all it knows is in the store. If it is another run's turn it
leaves word and goes, where waiting would take somebody's place: whoever ends its turn calls those that sleep.
"""

from __future__ import annotations

from msgspec.structs import replace

from ...core.errors import JobCodeError, NotFound, UserError
from ...core.keys import RunKeys, TotalsKeys, totals_shown
from ...core.outcome import Verdict
from ...core.plan import Earlier, Plan
from ...core.plan_file import read_head
from ...core.ports import Runtime
from ...core.totals import Asleep, Waiting, call_of
from ...run import totals_pointer
from ...run.events import event_for
from ...run.manifest import publish_counted, step_results
from ...run.plan_step import begin_over_pairs, written_parts
from ...run.start_step import start_if_planned
from ...run.totals_pointer import Totals
from ...run.verdict import conclude
from .may_exchange import may_exchange


class Settling:
    """From a step whose states wait, or that was to merge or render them, to the run's next step or its end."""

    def __init__(self, runtime: Runtime, keys: RunKeys, plan: Plan) -> None:
        self._runtime = runtime
        self._store = runtime.store
        self._keys = keys
        self._next_keys = keys.at(keys.step + 1)
        self._places = TotalsKeys(keys.work, keys.job)
        self._plan = plan
        self._own: Waiting | None = None

    def look(self, verdict: Verdict) -> bool:
        """Do what can be done now; False if the run has to wait for others. `verdict` is that of the step."""
        if start_if_planned(self._store, self._runtime.invoker, self._next_keys):
            return True
        merged = self._plan.role == "merge" and verdict.outcome == "success"
        committed = merged and self._commit(self._read())
        generation = self._read().generation_of(self._keys.run)
        if generation is None:
            return self._merge()
        done = self._done(committed=committed)
        return self._end_if_shown(generation, done) or self._render(done)

    def _read(self) -> Totals:
        return totals_pointer.read(self._store, self._places)

    def _turn(self) -> bool:
        """Whether it is the run's turn. If not, whoever has it calls the run, which may leave if it still `waits`."""
        now = self._runtime.clock.now()
        if totals_pointer.take_turn(self._store, self._places, self._keys.run, now):
            return True
        if self._runtime.seats is not None:
            totals_pointer.leave_word(self._store, self._places, Asleep(self._keys.run, self._keys.step))
        return False

    def waits(self) -> bool:
        """Whether the run has to wait for another one's turn to end; asked again behind the word that it sleeps."""
        now = self._runtime.clock.now()
        return totals_pointer.is_taken(self._store, self._places, self._keys.run, now)

    def _done(self, *, committed: bool = False) -> Earlier:
        """What the run's steps did together, merges that came to nothing left out."""
        if self._plan.role == "states" or committed:
            return step_results(self._store, self._keys, self._plan)[1]
        assert self._plan.earlier is not None
        return self._plan.earlier

    # -- the run is not merged yet ------------------------------------------------------------------------

    def _commit(self, found: Totals) -> bool:
        """Make the parts of the merge the totals, if these are still what the merge was planned on."""
        planned = self._plan.totals
        if planned is None or (found.etag != planned.etag and found.pointer.run != self._keys.run):
            return False
        parts, _ = step_results(self._store, self._keys, self._plan)
        if not found.commit(self._plan, tuple(written_parts(self._runtime, self._plan, parts))):
            return False
        self._read().clean()
        return True

    def _merge(self) -> bool:
        """Plan a merge with all runs that wait or, after one that came to nothing, of this run alone."""
        own = self._own_states()
        if not self._turn():
            return False
        found = self._read()  # who had the turn before us has changed them
        if found.generation_of(own.run) is not None:
            return False
        others = found.waiting(own.run) if self._plan.role == "states" else []
        return (bool(others) and self._merge_with(found, own, others)) or self._merge_alone(found, own)

    def _own_states(self) -> Waiting:
        """The run's own states; leaves word that they wait."""
        if self._own is None:
            keys = self._keys.at(self._plan.merge_step - 1)
            plan = self._plan if self._plan.role == "states" else read_head(self._store, keys)
            parts, _ = step_results(self._store, keys, plan)
            self._own = Waiting(run=keys.run, parts=tuple(written_parts(self._runtime, plan, parts)))
            totals_pointer.wait(self._store, self._places, self._own)
        return self._own

    def _merge_with(self, found: Totals, own: Waiting, others: list[Waiting]) -> bool:
        """Whether a merge with others is planned. What prevents it may be theirs: the run need not fail for it."""
        runs = [own, *others]
        plan = self._plan_merge(found, runs)
        try:
            self._begin_merge(plan, found, runs)
        except (NotFound, UserError, JobCodeError):
            return False
        return True

    def _merge_alone(self, found: Totals, own: Waiting) -> bool:
        """Whether a merge of this run is planned, or the run has failed because its states cannot be merged."""
        plan = self._plan_merge(found, [own])
        try:
            self._begin_merge(plan, found, [own])
        except NotFound:
            return False  # the totals to be read are totals no more
        except (UserError, JobCodeError) as error:
            return self._fail(plan, error)
        return True

    def _plan_merge(self, found: Totals, runs: list[Waiting]) -> Plan:
        plan = self._plan.next_step(self._plan.merge_step, self._done())
        return replace(plan, totals=totals_pointer.planned_on(found, sorted(waiting.run for waiting in runs)))

    def _begin_merge(self, plan: Plan, found: Totals, runs: list[Waiting]) -> None:
        in_order = sorted(runs, key=lambda waiting: waiting.run)
        states = [part for waiting in in_order for part in waiting.parts]
        parts = [*found.pointer.parts, *states]
        begin_over_pairs(self._runtime, self._next_keys, plan, parts, may_exchange(self._runtime, plan.spec))

    def _fail(self, plan: Plan, error: Exception) -> bool:
        """End the run; False if what it was planned on has changed, so that it is worth trying again."""
        failed = Verdict(outcome="failed", reason=f"could not be planned: {error}")
        if totals_pointer.is_overtaken(self._store, plan):
            return False
        conclude(self._runtime.store, self._next_keys, replace(plan, totals=None), failed)
        end_turn(self._runtime, self._keys, had_it=True)
        return True

    # -- the run is merged ----------------------------------------------------------------------------------

    def _end_if_shown(self, generation: int, done: Earlier) -> bool:
        """End the run if results are shown that have it in them: those of the totals are its own."""
        shown = totals_pointer.shown(self._store, totals_shown(self._plan.output, self._keys.run))
        if shown is None or shown[0].generation < generation:
            return False
        publish_counted(self._runtime, self._next_keys, self._plan, done, shown[0])
        end_turn(self._runtime, self._keys, had_it=False)
        return True

    def _render(self, done: Earlier) -> bool:
        """Plan the step that makes results of the totals; False if it is somebody else's turn."""
        if not self._turn():
            return False
        found = self._read()
        plan = self._plan.next_step(self._plan.merge_step + 1, done)
        plan = replace(plan, totals=totals_pointer.rendering_of(found))
        may = may_exchange(self._runtime, plan.spec)
        begin_over_pairs(self._runtime, self._next_keys, plan, found.pointer.parts, may)
        return True


def end_turn(runtime: Runtime, keys: RunKeys, *, had_it: bool) -> None:
    """Behind a run's end: give the turn back, if the run has it, and call those that sleep. Safe to do again.

    Who had the turn has shown what others wait for, so all that are merged are called, and end. Of those that are not
    one is called, which merges all of them; by anybody, as long as it is nobody's turn.
    """
    store, places = runtime.store, TotalsKeys(keys.work, keys.job)
    totals_pointer.end_turn(store, places, keys.run)
    if runtime.seats is None:
        return  # nobody sleeps
    waiting, merged = totals_pointer.to_be_called(store, places, keys.run)
    called = merged if had_it else []
    if waiting and (had_it or not totals_pointer.is_taken(store, places, keys.run, runtime.clock.now())):
        called = [waiting[0], *called]
    for asleep in called:
        loc = call_of(asleep.keys(places), keys.run)
        runtime.invoker.invoke("supervisor", event_for(loc, sent=runtime.clock.now()))
