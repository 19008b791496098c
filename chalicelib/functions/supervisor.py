"""The supervisor, or first reducer: woken by any `*.done` object, it counts the markers and moves the run on.

Take the lease, look, act; then pause and look again, or leave:

    map phase        count map/*.done, start failed and lost tasks again; at M of M build the shuffle
    exchange phase   of a shuffle of two levels: count exchange/*.done, the same; then build its index
    reduce phase     count reduce/*.done, the same; at R of R (or a verdict) end the run, or start its next step

One supervises at a time, by a lease. It stays only where waiting takes nobody's place, or if it has a seat: then it
sees stragglers and silence, and hands over before its time is up. Otherwise it leaves, and whatever happens next makes
another one look: a marker, a failed attempt, or what Lambda gave up on. Everything it knows is in the store, so that
anyone can go on. Each step of a run is supervised by itself, with markers, a lease and a verdict of its own.

`phase_watch` sees, `run.stragglers` decides about tasks, `pacing` about time, `advance` moves the run on.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from msgspec.structs import replace

from ..core.errors import NotFound, RunStopped, UserError
from ..core.keys import PLAN_DONE, RUN_DONE, RunKeys, TotalsKeys, parse_run_key
from ..core.outcome import Verdict
from ..core.plan import Plan
from ..core.plan_file import read_head
from ..core.ports import Runtime
from ..core.tasks import Failure
from ..run import calls, stragglers, totals_pointer
from ..run.events import created, event_for
from ..run.lease import TTL, Lease, LeaseHeld, Leaser, Watch
from . import given_up
from .supervision import early, pacing, seats, stalled_runs
from .supervision.advance import StepEnd
from .supervision.next_phase import Begun, begin_next, resume
from .supervision.notices import Register, Tell, tell_of_end
from .supervision.phase_watch import PhaseWatch


def handle(
    runtime: Runtime,
    event: dict[str, Any],
    configured: given_up.Configured | None = None,
    tell: Tell | None = None,
    register: Register | None = None,
) -> None:
    """One invocation: an S3 event for `*.done` objects, a hand-over of the same shape, or what Lambda gave up on.

    `configured` tells the job that is deployed, which is needed for events that were never planned. `tell` delivers
    notices, and `register` tells the catalog, if the job wants any.
    """
    event = given_up.note(runtime, event, configured)
    for item in created(event):
        found = parse_run_key(*item.loc)
        if found and not early.is_early(runtime, *found):
            keys, trigger = found
            leaser = Leaser(runtime.store, keys.lease, runtime.new_token(), trigger=trigger, hops=item.hops)
            late = item.age(runtime.clock.now()) > pacing.LATE
            _attend(runtime, keys, leaser, late=late)
            if tell and configured and trigger == RUN_DONE:
                tell_of_end(runtime, keys, configured()[1], tell, register)


def _attend(runtime: Runtime, keys: RunKeys, leaser: Leaser, *, late: bool) -> None:
    """Supervise, until there is nothing left to be done now.

    An event that found our lease has left it at that. So whoever leaves looks once more when the lease is free.
    """
    while _take(runtime, leaser):
        try:
            plan = _plan(runtime, keys)
            if plan is None:
                leaser.end()
                return
            supervision = Supervision(runtime, plan.keys(keys), plan, leaser, late=late)
            supervision.run()
        except Exception:
            leaser.release()  # so that Lambda's retry, or the next event, need not wait for the expiry
            raise
        if not (supervision.left and supervision.has_missed_something()):
            return


def _take(runtime: Runtime, leaser: Leaser) -> bool:
    """Take the lease; False if somebody else is supervising.

    An event that finds a live lease leaves it at that, unless it may be the very one that started the
    holder (Lambda delivers an event again when its invocation died). Then it waits to see the holder alive.
    A holder that does not renew for as long as a lease lasts is dead, whatever its clock made of the expiry.
    """
    began = runtime.clock.now()
    seen: Lease | None = None
    dead: Lease | None = None
    while True:
        now = runtime.clock.now()
        try:
            leaser.acquire(now, dead)
        except LeaseHeld as held:
            theirs = held.lease
        else:
            return True
        same_event = leaser.lease.trigger == theirs.trigger or (
            leaser.lease.trigger == PLAN_DONE and runtime.seats is None
        )
        alive = seen not in (None, theirs)
        if theirs.ended or alive or dead or not same_event or runtime.remaining() < pacing.RESERVE:
            return False
        seen = theirs
        if now - began >= TTL:
            dead = theirs
        else:
            runtime.clock.pause(pacing.until_holder_shows(theirs.expires - now))


def _plan(runtime: Runtime, keys: RunKeys) -> Plan | None:
    """None for a stray marker, or for the work of an old run that is being deleted."""
    try:
        return read_head(runtime.store, keys)
    except NotFound:
        return None


class _OutOfTime(Exception):
    """The rest of the time is needed to hand over."""


class _Taken(Exception):
    """Somebody else has taken the lease."""


class Supervision:
    """One supervisor's stretch of a step, from taking the lease to the step's end, the hand-over or leaving.

    `late`: the event that called it was long under way, so functions have to wait for a slot.
    """

    def __init__(self, runtime: Runtime, keys: RunKeys, plan: Plan, leaser: Leaser, *, late: bool) -> None:
        self._runtime, self._keys, self._plan, self._leaser = runtime, keys, plan, leaser
        self._reserve = pacing.reserve(runtime.remaining())
        self._end = StepEnd(runtime, keys, plan)
        self._watch: PhaseWatch | None = None
        #: How the step has ended.
        self._verdict: Verdict | None = None
        self._late = late and runtime.seats is not None
        self._seat: Leaser | None = None
        #: Whether it left while the step was under way.
        self.left = False

    def run(self) -> None:
        try:
            self._verdict = self._end.found()
            while not self._look():
                left = self._runtime.remaining() - self._reserve
                if left < pacing.SHORTEST:
                    self._hand_over()
                    return
                if not self._may_stay():
                    self.left = self._leaser.release(self._notes())
                    return
                if not self._keep_leases():
                    return
                self._wait(min(self._until_next_look(), left))
            self._leaser.end()
            if self._runtime.seats is not None:  # nobody stays with the others
                stalled_runs.pick_up(self._runtime, self._keys, totals=self._plan.accumulates)
        except _Taken:
            pass  # whoever has the lease goes on
        finally:
            if self._seat:
                self._seat.release()

    def has_missed_something(self) -> bool:
        """Whether something has happened since the last look; asked when the lease is free again."""
        if self._verdict:
            return not self._end.waits()
        return bool(self._end.found()) or (self._watch is not None and self._watch.has_moved())

    def _may_stay(self) -> bool:
        """Whether to wait for what comes. Who waits for another run's turn to end is called then."""
        if self._runtime.seats is None:
            return True
        if self._verdict:
            return not self._end.waits()
        young = self._runtime.clock.now() - self._plan.created < pacing.YOUNG
        if not self._runtime.seats or self._late or not (young or self._is_worth_waiting()):
            return False
        if self._seat is None:
            now, token = self._runtime.clock.now(), self._leaser.lease.token
            self._seat = seats.take(self._runtime.store, self._keys, self._runtime.seats, token, now)
        return self._seat is not None

    def _is_worth_waiting(self) -> bool:
        return self._watch is None or self._watch.is_worth_waiting()

    def _look(self) -> bool:
        """Look at the store once and act on what is there; True when the step is behind us."""
        self._verdict = self._verdict or self._look_at_tasks() or self._end.found()
        return self._verdict is not None and self._end.follow(self._verdict)

    def _look_at_tasks(self) -> Verdict | None:
        """The verdict, if what the tasks have done calls for one."""
        if self._watch is None:
            self._watch = self._begin_watch(resume(self._runtime, self._keys, self._plan))
        watch = self._watch
        if not watch.look():
            return self._act(watch)
        if watch.phase == "reduce":
            return self._end.conclude(Verdict(outcome="success"))
        try:
            known = replace(self._runtime, store=watch.ahead)
            begun = begin_next(known, self._keys, self._plan, watch.phase, self._keep_on)
        except UserError as error:
            return self._end.fail(str(error))
        except (_OutOfTime, RunStopped):  # a stopped run has its verdict, which is looked for next
            return None
        self._watch = self._begin_watch(begun)
        return self._look_at_tasks()

    def _begin_watch(self, begun: Begun) -> PhaseWatch:
        """Watch the phase that the step is in, from where the last supervisor left it."""
        phase, tasks = begun
        watch = PhaseWatch(self._runtime, self._keys, phase, tasks, self._leaser.lease.watch)
        if self._runtime.seats is not None and (self._late or not self._leaser.lease.hops):
            watch.forget_silence()
        return watch

    def _notes(self) -> Watch | None:
        """What the next supervisor has to know; None before there is anything."""
        return self._watch.notes if self._watch else None

    def _act(self, watch: PhaseWatch) -> Verdict | None:
        """Start failed, lost and slow tasks again; the verdict, if one of them will never be done."""
        now = self._runtime.clock.now()
        limits = stragglers.limits_for(self._plan.spec, watch.phase, watch.slow_after, watch.most_slow())
        decision = stragglers.decide(watch.progress, watch.last_heard(), now, limits)
        failures = [*watch.failures.values()]
        failed = stragglers.failed_for_good(watch.progress, failures, decision.given_up, limits, now)
        hopeless = stragglers.hopeless(watch.progress, failures, decision.given_up) if failed else []
        if failed and not self._leaves_out(watch, hopeless, (*failures, *failed.failures)):
            return self._end.conclude(failed)
        for task, attempt in decision.start:
            if task in hopeless:
                continue
            calls.start(self._runtime, watch.phase, calls.call_for(self._keys, task, task + 1, attempt))
            watch.note_started(task, attempt)
        return None

    def _leaves_out(self, watch: PhaseWatch, tasks: Sequence[int], failures: Sequence[Failure]) -> bool:
        """Whether the job bears that these tasks have failed; then their markers say so."""
        if watch.phase != "map" or not self._plan.may_fail:
            return False
        from .supervision.left_out import leave_out  # few jobs bear any

        return leave_out(self._runtime, self._keys, self._plan, watch.progress, tasks, failures)

    def _wait(self, seconds: float) -> None:
        """Until the next look; on Lambda markers are read meanwhile that the next phase is made of."""
        until = self._runtime.clock.now() + seconds
        if self._watch and self._seat:
            with suppress(_OutOfTime):
                self._watch.read_ahead(self._keep_on)
        left = until - self._runtime.clock.now()
        if left > 0:
            self._runtime.clock.pause(left)

    def _until_next_look(self) -> float:
        age = self._runtime.clock.now() - self._plan.created
        if self._watch is None:
            return pacing.until_next_look(age)
        return pacing.until_next_look(age, self._watch.silent(), self._watch.slow_after)

    def _keep_on(self) -> None:
        """Called again and again while the reduce phase is planned."""
        if self._runtime.remaining() - self._reserve < pacing.SHORTEST:
            raise _OutOfTime
        if not self._keep_leases():
            raise _Taken

    def _keep_leases(self) -> bool:
        """Renew the lease, and the seat, when that is due. False if somebody else has taken the lease."""
        now = self._runtime.clock.now()
        if not pacing.renewal_is_due(self._leaser.lease.expires, now):
            return True
        if self._plan.totals:
            places = TotalsKeys(self._plan.work, self._plan.job)
            totals_pointer.keep_turn(self._runtime.store, places, self._plan.run, now)
        if self._seat and not self._seat.renew(now):
            self._seat = None
        return self._leaser.renew(now, self._notes())

    def _hand_over(self) -> None:
        """Let a fresh invocation go on, before our own timeout stops us in mid-write."""
        hops = self._leaser.lease.hops + 1
        if hops > pacing.MAX_HOPS:
            self._end.fail(
                f"supervision was handed over {hops} times and the run has not ended:"
                " raise timeout.supervisor, or start the run again"
            )
            self._leaser.end()
            return
        self._leaser.release(self._notes())
        self._runtime.invoker.invoke(
            "supervisor", event_for(self._keys.plan_done, hops, self._runtime.clock.now())
        )
