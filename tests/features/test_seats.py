"""Where supervisors have no seat, or one: nobody waits, nothing is lost, and whatever is killed for good is told of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job, Sum
from chalicelib.core.errors import StoreError
from chalicelib.core.keys import FAILURE, SUCCESS
from tests.strategies import places
from tests.worlds.simulation import Killed, Simulation, spec

TEXT = b"".join(b"%d and %d\n" % (number % 7, number % 3) for number in range(40))
SPEC = spec(split_size=100, max_attempts=2)


class Words(Job):
    def mapper(self, _: Any, line: str) -> Any:
        for word in line.split():
            yield word, 1

    reducer = Sum()


def expected() -> bytes:
    counts: dict[str, int] = {}
    for word in TEXT.decode().split():
        counts[word] = counts.get(word, 0) + 1
    return "".join(f"{word}\t{counts[word]}\n" for word in sorted(counts)).encode()


def run(tmp_path: Path, world: type[Simulation] = Simulation, **figures: Any) -> Simulation:
    simulation = world(Words, SPEC, tmp_path, **figures)
    simulation.drop("a.txt", TEXT)
    simulation.run()
    return simulation


def assert_right(simulation: Simulation) -> None:
    assert SUCCESS in simulation.output()
    assert simulation.text() == expected()


def reason(simulation: Simulation) -> str:
    assert SUCCESS not in simulation.output()
    return simulation.output()[FAILURE].decode()


class Restless(Simulation):
    """Nobody may wait."""

    def pause(self, seconds: float) -> None:
        raise AssertionError(f"waited for {seconds} s")


def test_without_a_seat_nobody_ever_waits(tmp_path: Path) -> None:
    assert_right(run(tmp_path, Restless, seats=0))


def test_with_a_seat_one_supervisor_waits_and_leaves_it_free(tmp_path: Path) -> None:
    simulation = run(tmp_path, seats=1)
    assert_right(simulation)
    assert [key for key in simulation.work() if key.startswith("seats/")] == ["seats/job/0"]
    assert b'"expires":0.0' in simulation.objects()["work/seats/job/0"]


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("seats", [0, 1])
def test_a_kill_at_any_call_changes_nothing(tmp_path: Path, seats: int, before: bool) -> None:
    calm = run(tmp_path, seats=seats)
    for number in places(calm.calls, 3, 1 + seats):
        simulation = run(tmp_path, seats=seats, kill_at={number}, before=before)
        assert SUCCESS in simulation.output(), f"call {number}"
        assert simulation.text() == expected(), f"call {number}"


@pytest.mark.parametrize("seed", range(40))
def test_events_in_any_order_and_twice_change_nothing(tmp_path: Path, seed: int) -> None:
    assert_right(run(tmp_path, seats=seed % 2, seed=seed, duplicates=True))


@pytest.mark.parametrize("seats", [0, 1])
def test_all_that_happens_at_once_at_any_call_of_any_invocation_is_seen(tmp_path: Path, seats: int) -> None:
    """Whoever finds the lease held leaves it at that, so the holder has to look again."""
    calm = run(tmp_path, seats=seats)
    for number in places(calm.calls, 3, 1 + seats):
        simulation = Simulation(Words, SPEC, tmp_path, seats=seats)
        simulation.at_call(number, simulation.run)
        simulation.drop("a.txt", TEXT)
        simulation.run()
        assert SUCCESS in simulation.output(), f"call {number}"
        assert simulation.text() == expected(), f"call {number}"


# -- killed for good ------------------------------------------------------------------------------------


def doomed(
    function: str, deaths: int, of: Callable[[dict[str, Any]], bool] = lambda payload: True
) -> type[Simulation]:
    """A world in which the first so many invocations of a function are stopped at their first call."""

    class World(Simulation):
        left = deaths

        def _handle(self, name: str, payload: dict[str, Any]) -> None:
            if name == function and of(payload) and self.left:
                self.left -= 1
                raise Killed
            super()._handle(name, payload)

    return World


@pytest.mark.parametrize("seats", [0, 1])
@pytest.mark.parametrize("function", ["mapper", "reducer"])
def test_an_attempt_that_is_killed_for_good_is_followed_by_another(
    tmp_path: Path, function: str, seats: int
) -> None:
    assert_right(run(tmp_path, doomed(function, 3), seats=seats))


@pytest.mark.parametrize("seats", [0, 1])
@pytest.mark.parametrize("function", ["mapper", "reducer"])
def test_a_task_that_is_always_killed_fails_its_run(tmp_path: Path, function: str, seats: int) -> None:
    phase = {"mapper": "map", "reducer": "reduce"}[function]
    world = doomed(function, 1_000_000, lambda payload: payload["lo"] == 0)
    told = reason(run(tmp_path, world, seats=seats))
    assert f"{phase} task 0 (tried 2 times): {phase} task 0 was stopped in each of its invocations" in told
    assert "raise `memory` or `timeout`" in told


def test_a_run_whose_coordinator_is_killed_for_good_says_so(tmp_path: Path) -> None:
    simulation = run(tmp_path, doomed("coordinator", 3), seats=0)
    assert "its coordinator was stopped in each of 3 invocations" in reason(simulation)
    assert "memory.coordinator" in reason(simulation)


def test_a_supervisor_that_is_killed_for_good_is_followed_by_another(tmp_path: Path) -> None:
    plan_done = doomed("supervisor", 3, lambda payload: "plan.done" in str(payload))
    assert_right(run(tmp_path, plan_done, seats=0))
    assert_right(run(tmp_path, doomed("supervisor", 3), seats=0))


def test_a_run_whose_supervisor_is_killed_twice_for_good_is_ended(tmp_path: Path) -> None:
    class World(Simulation):
        """The supervisor dies of whatever it does for the run, but for ending it."""

        def _handle(self, name: str, payload: dict[str, Any]) -> None:
            if name == "supervisor" and "sluiceEnd" not in payload:
                raise Killed
            super()._handle(name, payload)

    assert "its supervisor was stopped in each of 6 invocations" in reason(run(tmp_path, World, seats=0))


# -- S3 does not answer ---------------------------------------------------------------------------------


class Away(Simulation):
    """S3 does not answer for seven minutes, from the n-th call on."""

    since, until = 0, 0.0

    def call(self, effect: Callable[[], Any]) -> Any:
        if self.calls + 1 == self.since:
            self.until = self.time + 420.0
        if self.time < self.until:
            self.calls += 1
            raise StoreError("s3://work/: no answer")
        return super().call(effect)


@pytest.mark.parametrize("seats", [0, 1])
def test_s3_away_for_minutes_delays_a_run_and_no_more(tmp_path: Path, seats: int) -> None:
    calm = run(tmp_path, seats=seats)
    for number in places(calm.calls, 6, 1 + seats):
        world = type("World", (Away,), {"since": number})
        simulation = run(tmp_path, world, seats=seats)
        assert SUCCESS in simulation.output(), f"call {number}"
        assert simulation.text() == expected(), f"call {number}"
        assert simulation.time - calm.time < 1500, f"call {number}"


def test_a_reducer_that_went_on_elsewhere_and_died_behind_its_marker_leaves_a_run_that_ends(
    tmp_path: Path,
) -> None:
    """Its retry finds the task committed, and nobody else looks: a reduce task's marker calls no supervisor."""
    worlds: list[Simulation] = []

    class Slow(Words):
        def reducer(self, word: str, numbers: Any) -> Any:
            worlds[0].time += 4.0
            yield word, sum(numbers)

    world = Simulation(Slow, SPEC, tmp_path, seats=0, lifetime=10.0, reports=False)
    worlds.append(world)
    world.when(
        lambda: any(key.endswith("/reduce/00000.done") for key in world.work()),
        world.kill_now,
    )
    world.drop("a.txt", TEXT)
    world.run()
    assert world.killed == ["reducer"]
    assert any(key.endswith(".next") and "/reduce/" in key for key in world.work()), "it went on elsewhere"
    assert_right(world)
