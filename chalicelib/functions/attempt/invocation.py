"""One invocation of an attempt: which task it was called for, what earlier ones left, and what it has to work with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Literal, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from ...core.errors import RunStopped
from ...core.keys import Phase, RunKeys
from ...core.messages import Stats, decode
from ...core.plan import Plan
from ...core.ports import Loc, Runtime, Store
from ...core.tasks import Continuation, ReduceContinuation, TaskCall
from ...job.code_digest import check_same
from ...job.services import Counters, FindResult, Services, run_so_far
from ...job.side_files import finder
from ...mapreduce.guard.deadline import Pace
from ...mapreduce.guard.quarantine import Quarantine

#: What an attempt of the one phase or the other leaves to its next invocation when it runs out of time.
C = TypeVar("C", bound=Continuation | ReduceContinuation)
#: One attempt at the task that a call names.
Attempt = Callable[[Runtime, RunKeys, TaskCall], object]


class Invocation(Struct, Generic[C], frozen=True, kw_only=True):
    """What all of one invocation's code shares. `begin` makes one."""

    runtime: Runtime
    phase: Phase
    keys: RunKeys
    call: TaskCall
    plan: Plan
    #: What earlier invocations of this attempt left; of the first one nothing but when it started.
    before: C
    #: Tells what this execution writes from what any other does, a repeated delivery of the same call included.
    token: str
    meter: Meter
    #: Bad records so far, earlier invocations' first, and counters, added to theirs.
    quarantine: Quarantine
    services: Services

    def pace(self) -> Pace:
        """The time there is from now on. The meter asks it what the time went into."""
        pace = Pace(self.runtime.clock.now, self.runtime.remaining, careful=self.before.careful)
        self.meter.pace = pace
        return pace

    def marker_fields(self) -> dict[str, Any]:
        """What the markers of both phases say. Stores the bad records, if there are any, which the marker names."""
        call, quarantine = self.call, self.quarantine
        return {
            "task": call.lo,
            "attempt": call.attempt,
            "token": self.token,
            "bad": quarantine.count,
            "quarantine": quarantine.write(self.runtime.store, self.keys, call.lo, call.attempt, self.token),
            "started": self.before.started,
            "finished": self.runtime.clock.now(),
            "counters": self.services.counters.totals(),
        }


def begin(
    runtime: Runtime, kind: type[C], phase: Phase, keys: RunKeys, call: TaskCall, plan: Plan
) -> Invocation[C]:
    """`kind` is what the phase's attempts leave to their next invocation.

    Raises RunStopped if the run is, CodeChanged if it was begun by other code than this function's.
    """
    if plan.stopped:
        raise RunStopped(f"job {plan.job}, run {plan.run}: was stopped: {phase} task {call.lo} is not begun")
    check_same(runtime.load_job, plan)
    meter = Meter(runtime)
    before = kind(stats=Stats(), started=meter.started)
    if call.resume:
        before = left_behind(runtime.store, kind, keys, call)
    if not before.started:  # older versions did not always say
        before = replace(before, started=meter.started)
    quarantine = Quarantine(plan.own_spec.bad_records, phase)
    quarantine.extend(before.bad)
    return Invocation(
        runtime=runtime,
        phase=phase,
        keys=keys,
        call=call,
        plan=plan,
        before=before,
        token=runtime.new_token(),
        meter=meter,
        quarantine=quarantine,
        services=_services(runtime, phase, plan, call, len(before.work_objects), before.counters),
    )


def left_behind(store: Store, kind: type[C], keys: RunKeys, call: TaskCall) -> C:
    """What earlier invocations of a resumed attempt left."""
    loc = Loc(keys.work.bucket, call.resume)
    return decode(kind, store.get(loc), loc.url)


def _services(
    runtime: Runtime, phase: Phase, plan: Plan, call: TaskCall, piece: int, counted: dict[str, int]
) -> Services:
    """What the user's code may use. `counted` is what earlier invocations counted."""
    function: Literal["mapper", "reducer"] = "mapper" if phase == "map" else "reducer"

    def open_results() -> FindResult:
        from ...mapreduce.earlier.results import results_of  # few jobs ask for one

        return results_of(runtime, plan, function)

    return Services(
        job=plan.job,
        run=plan.run,
        phase=phase,
        step=plan.step,
        task=call.lo,
        attempt=call.attempt,
        piece=piece,
        find_file=finder(runtime, plan.spec, plan.files),
        disk=runtime.disk,
        budget=plan.spec.budget(function),
        counters=Counters(counted),
        so_far=run_so_far(plan, open_results),
        outputs=tuple(plan.spec.outputs) if plan.last_step and (plan.map_only or phase == "reduce") else (),
    )


class Meter:
    """What one invocation uses, from its beginning to `stats`: seconds, requests of the store, memory."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._before = runtime.store.requests.copy()
        self.started = runtime.clock.now()
        #: Of the work, once it has begun.
        self.pace: Pace | None = None

    def stats(self, done: Stats) -> Stats:
        """`done`, which says what was read and written, with what that took."""
        used = self._runtime.store.requests - self._before
        return replace(
            done,
            gets=used["get"] + used["head"],
            puts=used["put"],
            lists=used["list"],
            seconds=round(self._runtime.clock.now() - self.started, 6),
            **self._known(),
        )

    def _known(self) -> dict[str, Any]:
        return {**self._process(), **self._parts()}

    def _process(self) -> dict[str, float]:
        """What the process tells: a start, and memory."""
        host = self._runtime.host
        if host is None:
            return {}
        init = round(host.init, 3) if host.cold else 0.0
        return {
            "starts": 1,
            "cold": int(host.cold),
            "init": init,
            "memory": host.memory,
            "peak": host.peak(),
        }

    def _parts(self) -> dict[str, float]:
        """What the time went into, to a millisecond, as far as the work itself knows."""
        pace = self.pace
        if pace is None:
            return {}
        parts = {
            "starting": pace.made - self.started,
            "reading": max(0.0, pace.fed - pace.code),
            "code": pace.code,
        }
        return {name: round(seconds, 3) for name, seconds in parts.items()}
