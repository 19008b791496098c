"""The first reducer: woken by any `*.done` object, it waits for the markers and moves the run on.

One supervises at a time, by a lease; all it knows is in the store, so that anyone can take over:

    map phase      count map/*.done, start failed and lost tasks again; at M of M build the shuffle
    reduce phase   count reduce/*.done, the same; at R of R (or a verdict) end the run
"""

from __future__ import annotations

from typing import Any

from . import attempts, finish, shuffle
from .completion import Decision, Progress, decide, scan, slow_after
from .errors import NotFound, UserError
from .events import created, event_for
from .fetch import fetch_all
from .keys import PLAN_DONE, Phase, RunKeys, parse_run_key
from .lease import TTL, Held, acquire
from .model import Failure, MapMarker, Plan, ReduceMarker, ReducePlan, Verdict, Watch, decode, encode
from .plan import read_head
from .ports import Runtime

#: Seconds between two looks at the store, and the share of a run's age that they are.
_SHORTEST, _LONGEST, _SHARE = 0.1, 5.0, 0.1
#: Seconds before its own timeout at which a supervisor hands over, and the share of a short time that
#: this may take: handing over at once, again and again, would be a busy loop.
_HAND_OVER, _HAND_OVER_SHARE = 20.0, 0.7
#: Seconds beyond a function's timeout after which its silence means it is gone.
_GRACE = 60.0
#: Markers read to learn how long a task takes.
_SAMPLE = 15
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
    alive.
    """
    token, waited, seen = runtime.new_token(), 0.0, -1
    while True:
        now = runtime.clock.now()
        got = acquire(runtime.store, keys.lease, token, trigger, now, hops)
        if isinstance(got, Held):
            return got
        same = got.trigger == trigger or trigger == PLAN_DONE
        if not same or got.expires > now + 2 * TTL or seen not in (-1, got.renewals):
            return None
        if waited > 2 * TTL or runtime.remaining() < _HAND_OVER:
            return None
        seen = got.renewals
        pause = min(max(got.expires - now, 0.05), TTL / 3 + 1)
        runtime.clock.pause(pause)
        waited += pause


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

    def run(self) -> None:
        verdict = finish.read_verdict(self._store, self._keys)
        try:
            plan = read_head(self._store, self._keys)
        except NotFound:
            self._held.end()  # a stray marker, or the work of an old run that is being deleted
            return
        if verdict:
            finish.publish(self._runtime, self._keys, plan, verdict)
            self._held.end()
            return
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
            if not self._renew():
                return
            self._runtime.clock.pause(min(self._pause(plan), left))

    def _pause(self, plan: Plan) -> float:
        """A tenth of the run's age, so that looking costs little and never delays a run by much more."""
        age = self._runtime.clock.now() - plan.created
        return min(max(_SHORTEST, age * _SHARE), _LONGEST, self._until_slow())

    def _until_slow(self) -> float:
        """Seconds until a straggler would show."""
        if self._slow_after is None:
            return _LONGEST
        left = self._moved + self._slow_after - self._runtime.clock.now()
        return max(left, 0.0) + _SHORTEST if left > -_LONGEST else _LONGEST

    def _step(self, plan: Plan) -> bool:
        """Look once and do what is to be done; True when the run has ended."""
        if self._progress is None or self._progress.phase == "map":
            reduce_plan = self._map_phase(plan)
            if reduce_plan is None:
                return self._ended(plan)
            self._enter("reduce", len(reduce_plan.tasks))
        assert self._progress is not None
        if self._look(plan, self._progress):
            finish.conclude(self._runtime, self._keys, plan, Verdict(outcome="success"))
            return True
        return self._ended(plan)

    def _ended(self, plan: Plan) -> bool:
        """Whether a verdict is there: given up by us just now, or reached by the last reducer."""
        verdict = finish.read_verdict(self._store, self._keys)
        if verdict is None:
            return False
        finish.publish(self._runtime, self._keys, plan, verdict)
        return True

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
        markers = shuffle.read_map_markers(self._store, self._keys, plan)
        try:
            reduce_plan, index = shuffle.build(plan, markers)
        except UserError as error:
            verdict = Verdict(outcome="failed", reason=str(error))
            finish.conclude(self._runtime, self._keys, plan, verdict)
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
        attempts.start(self._runtime, "reduce", attempts.call_for(self._keys, 0, len(reduce_plan.tasks)))
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
            call = attempts.call_for(self._keys, task, task + 1, attempt)
            attempts.start(self._runtime, progress.phase, call)
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
        failures = finish.first_failures([*self._failures.values(), *lost])
        first = fatal[0] if fatal else failures[0]
        tried = "" if fatal else f" (tried {plan.spec.max_attempts} times)"
        reason = f"{progress.phase} task {first.task}{tried}: {first.message}"
        verdict = Verdict(outcome="failed", reason=reason, failures=failures)
        finish.conclude(self._runtime, self._keys, plan, verdict)

    def _renew(self) -> bool:
        now = self._runtime.clock.now()
        if now - self._renewed < TTL / 3:
            return True
        self._renewed = now
        return self._held.renew(now, self._watch())

    def _hand_over(self, plan: Plan) -> None:
        """Let a fresh invocation go on, before our own timeout stops us in mid-write."""
        hops = self._held.lease.hops + 1
        if hops > _MAX_HOPS:
            reason = (
                f"supervision was handed over {hops} times and the run has not ended:"
                " raise timeout.supervisor, or start the run again"
            )
            finish.conclude(self._runtime, self._keys, plan, Verdict(outcome="failed", reason=reason))
            self._held.end()
            return
        self._held.release(self._watch())
        self._runtime.invoker.invoke("supervisor", event_for(self._keys.plan_done, hops))
