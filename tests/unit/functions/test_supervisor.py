"""`supervisor`: take the lease, look, act, pause, hand over; seen through the store, a clock and an invoker."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.core.errors import CorruptData
from chalicelib.core.keys import OutputKeys, Phase, RunKeys
from chalicelib.core.messages import Stats, encode
from chalicelib.core.outcome import Verdict
from chalicelib.core.plan import Plan
from chalicelib.core.plan_file import compose
from chalicelib.core.ports import FunctionName, Loc, Runtime
from chalicelib.core.spec import TimeoutSpec
from chalicelib.core.tasks import Failure, ReduceMarker
from chalicelib.functions import supervisor
from chalicelib.functions.supervision import pacing
from chalicelib.run.events import event_for
from chalicelib.run.lease import TTL, Lease, Leaser, Watch, read
from chalicelib.run.verdict import read_verdict
from chalicelib.stores.disk import LocalDisk
from chalicelib.stores.memory import MemoryStore
from tests.unit.run.test_reduce_plan import marker
from tests.unit.run.test_reduce_plan import plan as plan_of
from tests.worlds.simulation import spec

START = 1_700_000_000.0
KEYS = RunKeys(Loc("work", ""), "job", "run")
OUTPUT = OutputKeys(Loc("out", ""))
#: Functions whose silence of 160 seconds is the end of them.
SPEC = spec(max_attempts=3, timeout=TimeoutSpec(mapper=100, reducer=100))


class World:
    """A run whose tasks do what the test says; an invoker that remembers; time passes in pauses alone."""

    def __init__(self, tasks: int = 2, **figures: Any) -> None:
        self.time = START
        self.store = MemoryStore(now=self.now)
        #: (seconds since the start, function, what it is to do) of each invocation.
        self.invoked: list[tuple[float, str, Any]] = []
        self.pauses: list[float] = []
        self._due: list[tuple[float, Callable[[], object]]] = []
        self._tokens = 0
        self.plan: Plan = replace(plan_of(1, tasks), spec=SPEC, created=START)
        self.plan, body = compose(replace(self.plan, **figures), [()] * tasks)
        self.store.put(KEYS.plan, body)

    # -- what a test does ---------------------------------------------------------------------------

    def at(self, seconds: float, action: Callable[[], object]) -> None:
        """Do something so many seconds after the start, in the middle of a pause."""
        self._due = sorted([*self._due, (START + seconds, action)], key=lambda item: item[0])

    def done(self, phase: Phase, *tasks: int, seconds: float = 10.0) -> None:
        for task in tasks:
            times = {"started": START, "finished": START + seconds}
            if phase == "map":
                self.store.put(KEYS.done(phase, task), encode(marker(task, [100], **times)))
                continue
            part = ReduceMarker(
                task=task, attempt=0, token="t", part="p", bytes=5, records=2, stats=Stats(), **times
            )
            self.store.put(KEYS.done(phase, task), encode(part))

    def fail(self, task: int, attempt: int = 0, *, fatal: bool = False) -> None:
        message = f"error {task}.{attempt}"
        failure = Failure(phase="map", task=task, attempt=attempt, error="E", message=message, fatal=fatal)
        self.store.put(KEYS.failed("map", task, attempt), encode(failure))

    def supervise(self, name: str = "plan.done", *, lifetime: float = 300.0, hops: int = 0) -> None:
        """One invocation, by the event of an object of the run."""
        supervisor.handle(self._runtime(lifetime), event_for(KEYS.root.child(name), hops))

    def leaser(self, owner: str, trigger: str = "plan.done") -> Leaser:
        return Leaser(self.store, KEYS.lease, owner, trigger=trigger)

    # -- what it sees -------------------------------------------------------------------------------

    @property
    def lease(self) -> Lease:
        found = read(self.store, KEYS.lease)
        assert found is not None
        return found[0]

    def started(self) -> list[tuple[str, int, int, int]]:
        """(function, first task, task after the last, attempt) of each tree of tasks that was started."""
        return [
            (function, call["lo"], call["hi"], call["attempt"])
            for _, function, call in self.invoked
            if function != "supervisor"
        ]

    def when(self, function: str) -> list[float]:
        return [seconds for seconds, invoked, _ in self.invoked if invoked == function]

    def ends(self) -> set[str]:
        return {info.key for info in self.store.list(Loc("out", ""))}

    def reason(self) -> str:
        verdict = read_verdict(self.store, KEYS)
        assert verdict is not None
        assert verdict.outcome == "failed"
        assert self.ends() == {OUTPUT.failure.key, OUTPUT.manifest.key}
        assert verdict.reason in self.store.get(OUTPUT.failure).decode()
        return verdict.reason

    # -- what the supervisor asks of the world ------------------------------------------------------

    def now(self) -> float:
        return self.time

    def pause(self, seconds: float) -> None:
        assert seconds > 0
        self.pauses.append(seconds)
        until = self.time + seconds
        while self._due and self._due[0][0] <= until:
            self.time, action = self._due.pop(0)
            action()
        self.time = until

    def invoke(self, function: FunctionName, payload: dict[str, Any]) -> None:
        self.invoked.append((self.time - START, function, payload))

    def _runtime(self, lifetime: float) -> Runtime:
        deadline = self.time + lifetime
        return Runtime(
            store=self.store,
            invoker=self,
            clock=self,
            new_token=self._token,
            remaining=lambda: deadline - self.time,
            load_job=lambda _: object,
            disk=LocalDisk(Path()),
        )

    def _token(self) -> str:
        self._tokens += 1
        return f"{self._tokens:04x}"


# -- the calm run -----------------------------------------------------------------------------------


def test_from_the_map_phase_to_the_end() -> None:
    world = World()
    world.at(1.0, lambda: world.done("map", 0))
    world.at(2.0, lambda: world.done("map", 1))
    world.at(3.0, lambda: world.done("reduce", 0))
    world.supervise()
    assert world.started() == [("reducer", 0, 1, 0)]
    assert {"reduce/plan.json", "reduce/index.000000", "reduce/started"} < {
        info.key.removeprefix(KEYS.root.key) for info in world.store.list(KEYS.root)
    }
    assert world.ends() == {OUTPUT.success.key, OUTPUT.manifest.key}
    assert world.lease.ended
    assert world.time - START < 4.0


def test_a_run_without_tasks_ends_at_the_first_look() -> None:
    world = World(tasks=0)
    world.supervise()
    assert world.pauses == []
    assert world.invoked == []
    assert OUTPUT.success.key in world.ends()


def test_looks_come_after_a_tenth_of_the_run_s_age() -> None:
    world = World()
    world.supervise(lifetime=300.0)
    age = 0.0
    for pause in world.pauses[:-1]:
        assert pause == pytest.approx(min(max(age / 10, 0.1), 5.0), abs=1e-3)
        age += pause


def test_the_lease_is_renewed_with_what_was_seen() -> None:
    world = World()
    seen: list[Lease] = []
    world.at(1.0, lambda: world.done("map", 0))
    world.at(30.0, lambda: seen.append(world.lease))
    world.supervise()
    (lease,) = seen
    assert lease.renewals >= 1
    assert lease.expires > START + 30 + TTL / 2
    assert lease.watch is not None
    assert (lease.watch.phase, lease.watch.done) == ("map", 1)


# -- acting on tasks --------------------------------------------------------------------------------


def test_a_failed_attempt_is_followed_at_the_next_look() -> None:
    world = World()
    world.at(1.0, lambda: world.fail(1))
    world.at(5.0, lambda: world.fail(1, 1))
    world.supervise(lifetime=60.0)
    assert world.started() == [("mapper", 1, 2, 1), ("mapper", 1, 2, 2)]
    first, second = world.when("mapper")
    assert first == pytest.approx(1.0, abs=0.2)
    assert second == pytest.approx(5.0, abs=0.6)


def test_a_straggler_gets_one_second_attempt() -> None:
    world = World(tasks=3)
    world.at(10.0, lambda: world.done("map", 0, 1, seconds=10.0))
    world.supervise(lifetime=100.0)
    assert world.started() == [("mapper", 2, 3, 1)]
    assert world.when("mapper")[0] == pytest.approx(22.25, abs=1.5)


def test_a_task_that_was_lost_is_started_again_after_its_timeout_and_a_minute() -> None:
    world = World()
    world.supervise(lifetime=300.0)
    assert world.started() == [("mapper", 0, 1, 1), ("mapper", 1, 2, 1)]
    assert world.when("mapper")[0] == pytest.approx(162.5, abs=2.6)


def test_lost_reducers_are_started_again_too() -> None:
    world = World()
    world.done("map", 0, 1)
    world.supervise(lifetime=300.0)
    assert world.started() == [("reducer", 0, 1, 0), ("reducer", 0, 1, 1)]


# -- giving up --------------------------------------------------------------------------------------


def test_a_task_that_failed_too_often_fails_the_run() -> None:
    world = World()
    for attempt in range(3):
        world.fail(1, attempt)
    world.supervise()
    assert world.reason() == "map task 1 (tried 3 times): error 1.0"
    assert world.started() == []
    assert world.lease.ended


def test_a_task_that_is_never_heard_of_fails_the_run_across_hand_overs() -> None:
    world = World(tasks=1)
    for hops in range(20):
        world.supervise(lifetime=70.0, hops=hops)
    assert world.started() == [("mapper", 0, 1, 1), ("mapper", 0, 1, 2)]
    assert "started 3 times and never heard of again" in world.reason()
    assert world.time - START == pytest.approx(3 * 160.0, abs=20.0)


def test_a_fatal_failure_fails_the_run_at_once() -> None:
    world = World()
    world.fail(0, fatal=True)
    world.supervise()
    assert world.reason() == "map task 0: error 0.0"
    assert world.started() == []


def test_what_cannot_be_shuffled_fails_the_run() -> None:
    world = World()
    for task, kind in enumerate(("int", "str")):
        world.store.put(KEYS.done("map", task), encode(marker(task, [100], key_types=(kind,))))
    world.supervise()
    assert "keys of one job must be of one type" in world.reason()
    assert world.lease.ended


# -- handing over -----------------------------------------------------------------------------------


def test_a_supervisor_hands_over_before_its_own_timeout() -> None:
    world = World(tasks=3)
    world.at(1.0, lambda: world.done("map", 0))
    world.supervise(lifetime=60.0)
    ((seconds, function, event),) = world.invoked
    assert (seconds, function) == (pytest.approx(40.0, abs=0.1), "supervisor")
    assert event == event_for(KEYS.plan_done, 1, START + seconds)
    assert world.lease.expires == 0.0, "anybody may take it"
    assert world.lease.watch is not None
    assert world.lease.watch.done == 1


class SlowMarkers(MemoryStore):
    """Each marker of a map task takes four seconds to read."""

    world: World

    def get(self, loc: Loc, start: int = 0, stop: int | None = None, etag: str | None = None) -> bytes:
        if loc.key.endswith(".done") and "/map/" in loc.key:
            self.world.time += 4.0
        return super().get(loc, start, stop, etag)


def slow_to_plan(tasks: int) -> World:
    world = World(tasks=tasks)
    store = SlowMarkers(now=world.now)
    store.world, before, world.store = world, world.store, store
    for info in before.list(Loc("work", "")):
        store.put(Loc("work", info.key), before.get(Loc("work", info.key)))
    world.done("map", *range(tasks))
    return world


def test_the_lease_is_renewed_while_the_reduce_phase_is_planned() -> None:
    world = slow_to_plan(30)
    world.supervise(lifetime=170.0)
    assert world.started() == [("reducer", 0, 1, 0)]
    assert world.lease.renewals >= 3, "in two minutes"


def test_a_supervisor_hands_over_in_the_middle_of_planning() -> None:
    world = slow_to_plan(30)
    world.supervise(lifetime=60.0)
    assert [function for _, function, _ in world.invoked] == ["supervisor"]
    assert world.time - START == pytest.approx(40.0, abs=4.1), "before its own timeout"
    world.supervise(lifetime=200.0, hops=1)
    assert world.started() == [("reducer", 0, 1, 0)]


def test_one_with_a_short_life_does_not_hand_over_in_a_busy_loop() -> None:
    world = World()
    world.supervise(lifetime=10.0)
    assert world.when("supervisor") == [pytest.approx(3.0, abs=0.1)]


def test_the_next_supervisor_goes_on_with_the_reduce_phase() -> None:
    world = World()
    world.done("map", 0, 1)
    world.supervise(lifetime=60.0)
    lists = world.store.requests["list"]
    world.done("reduce", 0)
    world.supervise(hops=1)
    assert world.started() == [("reducer", 0, 1, 0)], "once"
    assert world.store.requests["list"] == lists + 4, (
        "reduce/started, the markers, at the end whether it is there and what else was used; nothing of the map phase"
    )
    assert OUTPUT.success.key in world.ends()


def test_a_run_that_is_handed_over_without_end_fails() -> None:
    world = World()
    world.supervise(lifetime=60.0, hops=pacing.MAX_HOPS)
    assert world.reason().startswith("supervision was handed over 1001 times and the run has not ended")
    assert world.when("supervisor") == []
    assert world.lease.ended


# -- other supervisors ------------------------------------------------------------------------------


def test_an_event_that_finds_a_supervisor_at_work_leaves_it_at_that() -> None:
    world = World()
    world.leaser("other").acquire(START)
    world.supervise("map/000000.done")
    assert world.pauses == []
    assert world.lease.token == "other"


def test_an_event_delivered_again_takes_over_from_the_supervisor_that_died() -> None:
    world = World(tasks=0)
    world.leaser("dead", "map/000000.done").acquire(START)
    world.supervise("map/000000.done")
    assert world.time - START == pytest.approx(TTL, abs=1.0)
    assert OUTPUT.success.key in world.ends()


def test_one_whose_clock_was_fast_is_known_to_be_dead_all_the_same() -> None:
    world = World(tasks=0)
    world.leaser("dead").acquire(START + 500)
    world.supervise()
    assert world.time - START < TTL + 20
    assert OUTPUT.success.key in world.ends()


def test_an_event_delivered_again_leaves_a_supervisor_that_is_alive() -> None:
    world = World(tasks=0)
    alive = world.leaser("alive")
    alive.acquire(START)
    world.at(15.0, lambda: alive.renew(START + 15))
    world.supervise()
    assert world.time - START < TTL
    assert world.lease.token == "alive"
    assert world.ends() == set()


def test_one_that_has_lost_its_lease_stops_without_a_word() -> None:
    world = World()

    def rob() -> None:
        world.leaser("robber").acquire(world.time, dead=world.lease)

    world.at(1.0, rob)
    world.supervise()
    assert world.invoked == []
    assert world.lease.token == "robber"
    assert world.time - START < TTL


def test_the_lease_is_released_when_the_supervisor_raises() -> None:
    world = World()
    world.store.put(KEYS.failed("map", 0, 0), b"not json")
    with pytest.raises(CorruptData, match=r"map/000000\.0\.failed"):
        world.supervise()
    assert world.lease.expires == 0.0


# -- nothing to do ----------------------------------------------------------------------------------


def test_a_stray_marker_of_a_run_without_a_plan_ends_the_lease() -> None:
    world = World()
    world.store.delete("work", [KEYS.plan.key])
    world.supervise("map/000000.done")
    assert world.lease.ended
    assert world.invoked == []
    assert world.ends() == set()


def test_an_object_that_is_of_no_run_is_passed_over() -> None:
    world = World()
    runtime = world._runtime(300.0)
    supervisor.handle(runtime, event_for(Loc("work", "elsewhere/x.done")))
    supervisor.handle(runtime, {})
    assert read(world.store, KEYS.lease) is None


def test_a_run_that_has_ended_is_left_alone() -> None:
    world = World(tasks=0)
    world.supervise()
    requests = sum(world.store.requests.values())
    world.supervise("run.done")
    assert sum(world.store.requests.values()) == requests + 1, "the lease was looked at, and that was all"


def test_the_end_of_a_run_that_a_crash_left_undone_is_done() -> None:
    world = World()
    world.store.put(KEYS.run_done, encode(Verdict(outcome="failed", reason="why")))
    world.supervise("run.done")
    assert world.reason() == "why"
    assert world.started() == []
    assert world.lease.ended


def test_a_step_after_which_there_is_another_starts_it_or_says_why_not() -> None:
    world = World(steps=2)
    world.done("map", 0, 1)
    world.done("reduce", 0)  # its part is gone
    world.supervise()
    verdict = read_verdict(world.store, KEYS)
    following = read_verdict(world.store, KEYS.at(1))
    assert verdict is not None
    assert verdict.outcome == "success"
    assert following is not None
    assert following.reason.startswith("could not be planned: p: expected 5 bytes")
    assert json.loads(world.store.get(OUTPUT.manifest))["outcome"] == "failed"
    assert world.store.get(OUTPUT.failure).startswith(
        b"job job, run run failed: step 2 of 2: could not be planned"
    )
    assert world.lease.ended


def test_what_an_earlier_supervisor_saw_is_taken_over_from_its_lease() -> None:
    world = World()
    last = world.leaser("last")
    last.acquire(START - 100)
    last.release(Watch(phase="map", done=0, moved=START - 161.0, started={0: (1, START - 10)}))
    world.supervise(lifetime=60.0)
    assert world.started() == [("mapper", 1, 2, 1)], "task 1 is lost; task 0 was started again just now"
