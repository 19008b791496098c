"""One contract for every clock: Lambda's and the local engine's, which are real, and those of the simulated worlds.

Leases, stragglers and pauses count on this: time goes forward; a pause takes about what it was asked for, or less if
something happens; and in a simulated world the store, all invocations and the clock agree on the time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from chalicelib import Job
from chalicelib.aws.function import SystemClock
from chalicelib.core.ports import Clock, Loc, Runtime
from chalicelib.local.workers import Setup, Worker, World
from tests.worlds.parallel import Parallel
from tests.worlds.simulated import CASES, Troubled
from tests.worlds.simulation import Simulation, spec

#: What a machine with much to do may add to a pause, in seconds.
LATE = 10.0

#: Uses a clock where it lives, and says what it saw.
Use = Callable[[Clock], list[float]]


class Place(NamedTuple):
    #: Run this with the clock.
    seen: Callable[[Use], list[float]]
    #: Whether a pause takes so long for everybody, or in the world's own time only.
    real: bool


REAL = ["lambda", "worker"]
VIRTUAL = ["simulation", "simulation whose clocks are wrong", "parallel"]


@pytest.fixture(params=[*REAL, *VIRTUAL])
def place(request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue(f"{request.param.replace(' ', '_')}_place")
    return found


@pytest.fixture
def lambda_place() -> Place:
    clock = SystemClock()
    return Place(lambda use: use(clock), True)


class Watching(World):
    """A worker whose first act is to look at its clock; it reports what it saw as an invocation."""

    def __init__(self, use: Use) -> None:
        self._use = use

    def runtime(self, runtime: Runtime) -> Runtime:
        runtime.invoker.invoke("mapper", {"ready": True})
        runtime.invoker.invoke("mapper", {"seen": self._use(runtime.clock)})
        return runtime


def in_a_worker(use: Use, folder: Path, meanwhile: Callable[[Worker], None] = lambda _: None) -> list[float]:
    worker = Worker(Setup([folder], lambda _: Job, folder, lambda _: False, Watching(use)))
    try:
        assert worker.read().payload == {"ready": True}
        meanwhile(worker)
        seen: list[float] = worker.read().payload["seen"]
        return seen
    finally:
        worker.stop()


@pytest.fixture
def worker_place(tmp_path: Path) -> Place:
    return Place(lambda use: in_a_worker(use, tmp_path), True)


@pytest.fixture
def simulation_place(tmp_path: Path) -> Place:
    simulation = Simulation(Job, spec(), tmp_path)
    return Place(lambda use: use(simulation.clock()), False)


@pytest.fixture
def simulation_whose_clocks_are_wrong_place(tmp_path: Path) -> Place:
    simulation = Troubled(CASES["words"], tmp_path, 3, {"clock wrong": 1.0})
    clock = simulation.clock()
    assert clock.now() != simulation.now()
    return Place(lambda use: use(clock), False)


@pytest.fixture
def parallel_place(tmp_path: Path) -> Place:
    """There only an invocation has a clock."""
    seen: list[float] = []
    wanted: list[Use] = []

    def handler(runtime: Runtime, payload: dict[str, Any]) -> None:
        seen.extend(wanted[0](runtime.clock))

    world = Parallel(Job, spec(), tmp_path, handlers={"mapper": handler})

    def run(use: Use) -> list[float]:
        wanted.append(use)
        world.invoke("mapper", {})
        world.work()
        assert world.errors == []
        return seen

    return Place(run, False)


class TestClockContract:
    def test_it_tells_seconds_since_the_epoch(self, place: Place) -> None:
        (now,) = place.seen(lambda clock: [clock.now()])
        assert isinstance(now, float)
        if place.real:
            assert abs(now - time.time()) < LATE
        assert now > 1_600_000_000

    def test_time_never_goes_back(self, place: Place) -> None:
        def use(clock: Clock) -> list[float]:
            seen = []
            for pause in (0.0, 0.001, 0.0, 0.002):
                seen.append(clock.now())
                clock.pause(pause)
                seen.append(clock.now())
            return seen

        seen = place.seen(use)
        assert seen == sorted(seen)

    @pytest.mark.parametrize("seconds", [0.05, 0.2])
    def test_a_pause_takes_as_long_as_it_was_asked_for(self, place: Place, seconds: float) -> None:
        def use(clock: Clock) -> list[float]:
            before = clock.now()
            clock.pause(seconds)
            return [clock.now() - before]

        (took,) = place.seen(use)
        assert 0.95 * seconds <= took <= seconds + LATE

    def test_in_a_simulated_world_nobody_waits(self, place: Place) -> None:
        if place.real:
            return
        began = time.monotonic()

        def use(clock: Clock) -> list[float]:
            before = clock.now()
            for _ in range(10):
                clock.pause(3600.0)
            return [clock.now() - before]

        (took,) = place.seen(use)
        assert took == pytest.approx(36_000.0, rel=0.001)
        assert time.monotonic() - began < LATE


def test_a_worker_s_pause_ends_when_its_parent_wakes_it(tmp_path: Path) -> None:
    def use(clock: Clock) -> list[float]:
        before = clock.now()
        clock.pause(600.0)
        first = clock.now()
        clock.pause(0.05)  # one word ends one pause
        return [first - before, clock.now() - first]

    woken, slept = in_a_worker(use, tmp_path, Worker.wake)
    assert woken < 2 * LATE
    assert slept >= 0.04


def test_in_a_simulation_a_pause_ends_when_something_happens(tmp_path: Path) -> None:
    class Idle(Simulation):
        def _handle(self, function: str, payload: dict[str, Any]) -> None:
            pass

    simulation = Idle(Job, spec(), tmp_path, slow={"mapper": 30.0})
    before = simulation.now()
    simulation.deliver("mapper", {})
    simulation.clock().pause(600.0)
    assert simulation.now() - before == pytest.approx(30.0, abs=0.1)
    assert simulation.invocations["mapper"] == 1


def test_a_simulation_s_store_and_clocks_tell_one_time(tmp_path: Path) -> None:
    simulation = Simulation(Job, spec(), tmp_path)
    clocks = simulation.clock(), simulation.clock()
    for number in range(3):
        clocks[number % 2].pause(100.0)
        simulation.add(f"{number}.txt", b"")
        written = simulation.memory.head(Loc("in", f"data/{number}.txt")).modified
        assert written == clocks[0].now() == clocks[1].now()


def test_wrong_clocks_differ_from_the_store_by_the_same_all_the_time(tmp_path: Path) -> None:
    simulation = Troubled(CASES["words"], tmp_path, 3, {"clock wrong": 1.0})
    clock = simulation.clock()
    wrong = clock.now() - simulation.now()
    assert 0 < abs(wrong) <= 60.0
    clock.pause(500.0)
    assert clock.now() - simulation.now() == pytest.approx(wrong)


def test_side_by_side_pauses_overlap_and_the_store_tells_the_same_time(tmp_path: Path) -> None:
    """Two that pause for ten seconds take ten, and each sees the other's write at the time that it has itself."""
    seen: list[tuple[int, float, float]] = []

    def handler(runtime: Runtime, payload: dict[str, Any]) -> None:
        number = payload["number"]
        for _ in range(3):
            runtime.clock.pause(10.0 + number)
            loc = Loc("work", f"note/{number}")
            runtime.store.put(loc, b"")
            seen.append((number, runtime.clock.now() - start, runtime.store.head(loc).modified - start))

    world = Parallel(Job, spec(), tmp_path, handlers={"mapper": handler})
    start = world.now()
    for number in range(2):
        world.invoke("mapper", {"number": number})
    world.work()
    assert world.errors == []
    assert [(number, round(now)) for number, now, _ in seen] == [
        (0, 10),
        (1, 11),
        (0, 20),
        (1, 22),
        (0, 30),
        (1, 33),
    ]
    assert all(now == written for _, now, written in seen)
