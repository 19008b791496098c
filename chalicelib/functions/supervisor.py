"""The first reducer: woken by any `*.done` object, it waits for the markers and moves the run on.

One supervises at a time, by a lease; all it knows is in the store, so that anyone can take over:

    map phase      count map/*.done, start failed and lost tasks again; at M of M build the shuffle
    reduce phase   count reduce/*.done, the same; at R of R (or a verdict) end the run, or start its next step

Each step of a run is supervised for itself, with markers, a lease and a verdict of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from ..core.errors import CorruptData, JobCodeError, NotFound, UserError
from ..core.keys import PLAN_DONE, Phase, RunKeys, TotalsKeys, parse_run_key
from ..core.messages import decode, encode
from ..core.outcome import Verdict
from ..core.plan import Plan, read_head
from ..core.ports import Runtime
from ..core.tasks import Failure, MapMarker, ReduceMarker, ReducePlan
from ..mapreduce.shuffle.fetch import fetch_all
from ..run import calls, totals_pointer
from ..run.events import created, event_for
from ..run.lease import NEVER, TTL, Held, Lease, Watch, acquire
from ..run.manifest import publish
from ..run.progress import Decision, Progress, decide, scan, slow_after
from ..run.reduce_plan import build_reduce_plan, read_map_markers
from ..run.verdict import conclude, first_failures, read_verdict

if TYPE_CHECKING:
    from .totals_turn import Settling

#: Seconds between two looks at the store, and the share of a run's age that they are.
_SHORTEST, _LONGEST, _SHARE = 0.1, 5.0, 0.1
#: Seconds before its own timeout at which a supervisor hands over, and the share of a short time that
#: this may take: handing over at once, again and again, would be a busy loop.
_HAND_OVER, _HAND_OVER_SHARE = 20.0, 0.7
#: Seconds beyond a function's timeout after which its silence means it is gone.
_GRACE = 60.0
#: Markers read to learn how long a task takes.
_SAMPLE = 15
#: Looks in the time after which a task is slow, and how many such times of silence they go on for.
_LOOKS, _NEAR = 30, 4
#: Hand-overs before a run is taken for endless; at the default timeout this is three days.
_MAX_HOPS = 1000


def handle(runtime: Runtime, event: dict[str, Any]) -> None:
    """One invocation: an S3 event for `*.done` objects, or a hand-over of the same shape."""
    for item in created(event):
        found = parse_run_key(*item.loc)
        if found:
            _attend(runtime, *found, item.hops)


def _attend(runtime: Runtime, keys: RunKeys, trigger: str, hops: int) -> None:
    held = _take(runtime, keys, trigger, hops)
    if held is None:
        return
    try:
        Supervision(runtime, keys, held).run()
    except Exception:
        held.release()  # so that Lambda's retry, or the next event, need not wait for the expiry
        raise


def _take(runtime: Runtime, keys: RunKeys, trigger: str, hops: int) -> Held | None:
    """The lease, or None if somebody else is supervising.

    An event that finds a live lease leaves it at that, unless it may be the very one that started the
    holder (Lambda delivers an event again when its invocation died): then it waits to see the holder
    alive. Who does not renew for as long as a lease lasts is dead, whatever its clock made of the expiry.
    """
    token, began = runtime.new_token(), runtime.clock.now()
    seen: Lease | None = None
    dead: Lease | None = None
    while True:
        now = runtime.clock.now()
        got = acquire(runtime.store, keys.lease, token, trigger, now, hops, dead)
        if isinstance(got, Held):
            return got
        same = got.trigger == trigger or trigger == PLAN_DONE
        if not same or got.expires >= NEVER or dead or seen not in (None, got):
            return None
        if runtime.remaining() < _HAND_OVER:
            return None
        seen = got
        if now - began >= TTL:
            dead = got
        else:
            runtime.clock.pause(min(max(got.expires - now, 0.05), TTL / 3 + 1))


class Supervision:
    """One supervisor's stretch of a run, from taking the lease to the run's end or the hand-over."""

    def __init__(self, runtime: Runtime, keys: RunKeys, held: Held) -> None:
        self._runtime = runtime
        self._store = runtime.store
        self._keys = keys
        self._held = held
        self._renewed = runtime.clock.now()
        self._hand_over_at = min(_HAND_OVER, runtime.remaining() * _HAND_OVER_SHARE)
        self._progress: Progress | None = None
        #: How many tasks of the phase were done when last that number grew, and when that was.
        self._seen, self._moved = 0, self._renewed
        #: For each task, the last attempt known to be started and when.
        self._started: dict[int, tuple[int, float]] = {}
        #: Seconds of silence after which a task of the phase is slow; None until that is known.
        self._slow_after: float | None = None
        #: What went wrong in the phase, by task and attempt.
        self._failures: dict[tuple[int, int], Failure] = {}
        #: How the step has ended, and where the run then stands with the totals of its job.
        self._verdict: Verdict | None = None
        self._settling: Settling | None = None

    def run(self) -> None:
        verdict = read_verdict(self._store, self._keys)
        try:
            plan = read_head(self._store, self._keys)
        except NotFound:
            self._held.end()  # a stray marker, or the work of an old run that is being deleted
            return
        if verdict:
            publish(self._runtime, self._keys, plan, verdict)
            self._verdict = verdict
        self._supervise(plan)

    def _supervise(self, plan: Plan) -> None:
        while True:
            if self._step(plan):
                self._held.end()
                return
            left = self._runtime.remaining() - self._hand_over_at
            if left < _SHORTEST:
                self._hand_over(plan)
                return
            if not self._renew(plan):
                return
            self._runtime.clock.pause(min(self._pause(plan), left))

    def _pause(self, plan: Plan) -> float:
        """A tenth of the run's age, so that looking costs little and never delays a run by much more."""
        age = self._runtime.clock.now() - plan.created
        return min(max(_SHORTEST, age * _SHARE), _LONGEST, self._until_slow(), self._near_the_end())

    def _near_the_end(self) -> float:
        """Half of the phase is done, so the rest should be in a median: look often for as long as that holds."""
        if self._slow_after is None or self._runtime.clock.now() - self._moved > _NEAR * self._slow_after:
            return _LONGEST
        return max(self._slow_after / _LOOKS, _SHORTEST)

    def _until_slow(self) -> float:
        """Seconds until a straggler would show."""
        if self._slow_after is None:
            return _LONGEST
        left = self._moved + self._slow_after - self._runtime.clock.now()
        return max(left, 0.0) + _SHORTEST if left > -_LONGEST else _LONGEST

    def _step(self, plan: Plan) -> bool:
        """Look once and do what is to be done; True when the step is behind us."""
        if self._verdict:
            return self._advance(plan, self._verdict)
        if self._progress is None or self._progress.phase == "map":
            reduce_plan = self._map_phase(plan)
            if reduce_plan is None:
                return self._ended(plan)
            self._enter("reduce", len(reduce_plan.tasks))
        assert self._progress is not None
        if self._look(plan, self._progress):
            return self._advance(plan, conclude(self._runtime, self._keys, plan, Verdict(outcome="success")))
        return self._ended(plan)

    def _ended(self, plan: Plan) -> bool:
        """Whether a verdict is there: given up by us just now, or reached by the last reducer."""
        verdict = read_verdict(self._store, self._keys)
        if verdict is None:
            return False
        publish(self._runtime, self._keys, plan, verdict)
        return self._advance(plan, verdict)

    def _advance(self, plan: Plan, verdict: Verdict) -> bool:
        """Start the step after one that has succeeded; safe to do again. False if it cannot be started yet."""
        self._verdict = verdict
        if plan.own_steps and self._among_totals(plan, verdict):
            from .totals_turn import Settling  # only jobs with totals wait for others

            self._settling = self._settling or Settling(self._runtime, self._keys, plan)
            return self._settling.look(verdict)
        if verdict.outcome != "success" or plan.last_step:
            if plan.totals:
                totals_pointer.end_turn(self._store, TotalsKeys(plan.work, plan.job), plan.run)
            return True
        from ..run.plan_step import begin_next  # only jobs of several steps need to plan here

        try:
            begin_next(self._runtime, self._keys, plan)
        except (UserError, JobCodeError, CorruptData) as error:
            following = self._keys.at(plan.step + 1)
            failed = Verdict(outcome="failed", reason=f"could not be planned: {error}")
            conclude(
                self._runtime,
                following,
                replace(plan, step=following.step, nth=plan.nth + 1, tasks=0),
                failed,
            )
        return True

    @staticmethod
    def _among_totals(plan: Plan, verdict: Verdict) -> bool:
        """Whether what follows the step depends on what other runs do meanwhile."""
        waits = plan.makes_states or plan.merges
        return verdict.outcome == "overtaken" or (verdict.outcome == "success" and waits)

    def _map_phase(self, plan: Plan) -> ReducePlan | None:
        """The reduce plan, once all map tasks are done and it is written."""
        if self._progress is None:
            stored = self._stored_reduce_plan()
            if stored:
                self._start_reducers(stored)
                return stored
            self._enter("map", plan.tasks)
        assert self._progress is not None
        if not self._look(plan, self._progress):
            return None
        markers = read_map_markers(self._store, self._keys, plan)
        try:
            reduce_plan, index = build_reduce_plan(plan, markers)
        except UserError as error:
            verdict = Verdict(outcome="failed", reason=str(error))
            conclude(self._runtime, self._keys, plan, verdict)
            return None
        self._store.put(self._keys.reduce_index, index)
        if not self._store.put_if_absent(self._keys.reduce_plan, encode(reduce_plan)):
            reduce_plan = self._stored_reduce_plan() or reduce_plan
        self._start_reducers(reduce_plan)
        return reduce_plan

    def _stored_reduce_plan(self) -> ReducePlan | None:
        try:
            return decode(ReducePlan, self._store.get(self._keys.reduce_plan), self._keys.reduce_plan.url)
        except NotFound:
            return None

    def _start_reducers(self, reduce_plan: ReducePlan) -> None:
        """Invoke the root of the reduce tree unless that is known to have been done."""
        if not reduce_plan.tasks:
            return
        started = self._keys.reduce_started
        if any(info.key == started.key for info in self._store.list(started)):
            return
        calls.start(self._runtime, "reduce", calls.call_for(self._keys, 0, len(reduce_plan.tasks)))
        self._store.put(started, b"")

    def _enter(self, phase: Phase, tasks: int) -> None:
        """Begin to watch a phase, or go on from where the last supervisor left it."""
        self._progress = Progress(phase, tasks)
        self._failures = {}
        self._slow_after = None
        left = self._held.lease.watch
        if left and left.phase == phase:
            self._seen, self._moved, self._started = left.done, left.moved, dict(left.started)
        else:
            self._seen, self._moved, self._started = 0, self._runtime.clock.now(), {}

    def _watch(self) -> Watch | None:
        """What the next supervisor has to know; None before there is anything."""
        if self._progress is None:
            return None
        return Watch(
            phase=self._progress.phase, done=self._seen, moved=self._moved, started=dict(self._started)
        )

    def _look(self, plan: Plan, progress: Progress) -> bool:
        """Scan the markers of the phase, act on failed and lost tasks; True when all are done."""
        scan(self._store, self._keys, progress)
        now = self._runtime.clock.now()
        if progress.signs > self._seen:
            self._seen, self._moved = progress.signs, now
        if progress.complete:
            return True
        self._read_failures(progress)
        # As long as tasks get done, those not heard of may still be waiting for a place to run.
        since = {task: (attempt, max(at, self._moved)) for task, (attempt, at) in self._started.items()}
        for task in progress.missing():
            since.setdefault(task, (0, self._moved))
        timeout = plan.spec.timeout.mapper if progress.phase == "map" else plan.spec.timeout.reducer
        self._learn(progress)
        decision = decide(progress, since, now, plan.spec.max_attempts, timeout + _GRACE, self._slow_after)
        self._act(plan, progress, decision)
        return False

    def _learn(self, progress: Progress) -> None:
        """Once half of a phase is done, learn from some of its markers what is slow."""
        if self._slow_after is not None or len(progress.done) * 2 < progress.tasks or not progress.done:
            return
        done = sorted(progress.done)
        sample = done[:: -(-len(done) // _SAMPLE)]
        locs = [self._keys.done(progress.phase, task) for task in sample]
        bodies = fetch_all(self._store, ((loc, 0, None) for loc in locs))
        kind: type[MapMarker] | type[ReduceMarker] = MapMarker if progress.phase == "map" else ReduceMarker
        took: list[float] = []
        for loc, body in zip(locs, bodies, strict=True):
            marker = decode(kind, body, loc.url)
            took.append(marker.finished - marker.started)
        self._slow_after = slow_after(took)

    def _act(self, plan: Plan, progress: Progress, decision: Decision) -> None:
        missing = set(progress.missing())
        fatal = [failure for failure in self._failures.values() if failure.fatal and failure.task in missing]
        if fatal or decision.given_up:
            self._give_up(plan, progress, decision, fatal)
            return
        for task, attempt in decision.start:
            call = calls.call_for(self._keys, task, task + 1, attempt)
            calls.start(self._runtime, progress.phase, call)
            self._started[task] = (attempt, self._runtime.clock.now())

    def _read_failures(self, progress: Progress) -> None:
        for task, numbers in progress.failed.items():
            for attempt in numbers:
                if task in progress.done or (task, attempt) in self._failures:
                    continue
                loc = self._keys.failed(progress.phase, task, attempt)
                self._failures[task, attempt] = decode(Failure, self._store.get(loc), loc.url)

    def _give_up(self, plan: Plan, progress: Progress, decision: Decision, fatal: list[Failure]) -> None:
        known = {failure.task for failure in self._failures.values()}
        lost = [
            Failure(
                phase=progress.phase,
                task=task,
                attempt=plan.spec.max_attempts - 1,
                error="Lost",
                message=f"{progress.phase} task {task} was started {plan.spec.max_attempts} times and never"
                " heard of again: its function was stopped, or ran out of memory or time; raise `memory`"
                " or `timeout`, or make split_size smaller",
                at=self._runtime.clock.now(),
            )
            for task in decision.given_up
            if task not in known
        ]
        failures = first_failures([*self._failures.values(), *lost])
        first = fatal[0] if fatal else failures[0]
        tried = "" if fatal else f" (tried {plan.spec.max_attempts} times)"
        reason = f"{progress.phase} task {first.task}{tried}: {first.message}"
        verdict = Verdict(outcome="failed", reason=reason, failures=failures)
        conclude(self._runtime, self._keys, plan, verdict)

    def _renew(self, plan: Plan) -> bool:
        now = self._runtime.clock.now()
        if now - self._renewed < TTL / 3:
            return True
        self._renewed = now
        if plan.totals:
            totals_pointer.keep_turn(self._store, TotalsKeys(plan.work, plan.job), plan.run, now)
        return self._held.renew(now, self._watch())

    def _hand_over(self, plan: Plan) -> None:
        """Let a fresh invocation go on, before our own timeout stops us in mid-write."""
        hops = self._held.lease.hops + 1
        if hops > _MAX_HOPS:
            reason = (
                f"supervision was handed over {hops} times and the run has not ended:"
                " raise timeout.supervisor, or start the run again"
            )
            conclude(self._runtime, self._keys, plan, Verdict(outcome="failed", reason=reason))
            self._held.end()
            return
        self._held.release(self._watch())
        self._runtime.invoker.invoke("supervisor", event_for(self._keys.plan_done, hops))
