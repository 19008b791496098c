"""Which runs stand still is told by one listing; what is at work, has ended, or has no plan is left alone."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from chalicelib.core.errors import NotFound
from chalicelib.core.keys import OutputKeys, RunKeys
from chalicelib.core.ports import Loc
from chalicelib.functions.supervision.stalled_runs import QUIET, stalled, wake
from chalicelib.stores.memory import MemoryStore
from tests.features.test_repeat_safety import WordCount
from tests.worlds.simulation import Simulation, spec

NOW = 1_795_000_000.0  # 2026-11-18
WORK = Loc("work", "place/")


class World:
    """A memory store whose clock we set, and an invoker that remembers."""

    def __init__(self) -> None:
        self.time = NOW - 1000
        self.store = MemoryStore(now=lambda: self.time)
        self.invoked: list[str] = []

    def invoke(self, function: str, payload: object) -> None:
        self.invoked.append(function)

    def write(self, run: str, *names: str, age: float, job: str = "job") -> RunKeys:
        """Objects of a run, all so many seconds old; a lease is of a run that goes on, unless it is written `-`."""
        keys = RunKeys(WORK, job, run)
        for name in names:
            self.time = NOW - age
            self.store.put(keys.run_root.child(name.removesuffix("-")), b"" if name.endswith("-") else b"{}")
        return keys

    def stalled(self, run: str = "20261118T000000-new") -> list[tuple[str, int]]:
        return [(keys.run, keys.step) for keys in stalled(self.store, RunKeys(WORK, "job", run), NOW)]


RUN = "20261118T080000-0123456789ab"
BEGUN = ("plan.json", "map/000000.done", "plan.done", "reduce/lease")


@pytest.mark.parametrize(
    ("names", "age", "stands"),
    [
        (("plan.json",), QUIET + 1, True),
        (("plan.json",), QUIET - 1, False),
        (BEGUN, QUIET + 1, True),
        (BEGUN, QUIET - 1, False),
        ((*BEGUN, "run.done"), QUIET + 1, True),
        ((*BEGUN, "run.done", "reduce/lease-"), QUIET + 1, False),
        (("map/000000.done", "plan.done"), QUIET + 1, False),
        (("something.else",), QUIET + 1, False),
    ],
)
def test_a_run_stands_if_it_has_a_plan_and_no_end_and_nobody_writes(
    names: tuple[str, ...], age: float, stands: bool
) -> None:
    world = World()
    world.write(RUN, *names, age=age)
    assert world.stalled() == ([(RUN, 0)] if stands else [])


def test_it_stands_at_the_last_step_that_was_planned() -> None:
    world = World()
    first = (*BEGUN, "run.done", "reduce/lease-", "step-1/input/part-00000.pairs")
    world.write(RUN, *first, "step-1/plan.json", age=500)
    assert world.stalled() == [(RUN, 1)]
    world.write(RUN, *(f"step-1/{name}" for name in (*BEGUN, "run.done", "reduce/lease-")), age=400)
    assert world.stalled() == []


def test_another_job_and_an_old_run_are_no_business_of_this_one() -> None:
    world = World()
    world.write(RUN, "plan.json", age=500, job="jobber")
    world.write(RUN, "plan.json", age=500, job="jo")
    world.write("20261101T000000-0123456789ab", "plan.json", age=500)
    assert world.stalled() == []


def test_no_run_is_judged_by_half_of_its_rows() -> None:
    """A page ends within the second run, before its lease and its end."""
    world = World()
    world.write(RUN, *BEGUN, age=500)
    many = [f"map/{number:06d}.0.abc.run" for number in range(994)]
    world.write("20261118T090000-0", "plan.json", *many, "reduce/lease", "run.done", "reduce/lease-", age=500)
    before = world.store.requests["list"]
    assert world.stalled("20261118T120000-a") == [(RUN, 0)]
    assert world.store.requests["list"] - before == 2


def test_the_events_of_a_busy_job_come_past_all_of_the_day() -> None:
    world = World()
    for minute in range(400):
        stamp = f"20261117T{10 + minute // 60:02d}{minute % 60:02d}00-0123456789ab"
        world.write(stamp, *BEGUN, "run.done", "reduce/lease-", age=500)
    lost = world.write("20261117T161500-ffffffffffff", *BEGUN, age=500)
    found = Counter(run for event in range(60) for run, _ in world.stalled(f"event-{event}"))
    assert found.keys() == {lost.run}


def test_waking_a_run_without_a_plan_says_so() -> None:
    world = World()
    with pytest.raises(NotFound):
        wake(world.store, world, RunKeys(WORK, "job", RUN))
    assert world.invoked == []


def test_a_run_is_woken_where_it_stopped(tmp_path: Path) -> None:
    simulation = Simulation(WordCount, spec(split_size=20), tmp_path, retries=0)
    simulation.when(lambda: any("plan.json" in name for name in simulation.names()), simulation.kill_now)
    simulation.drop("a.txt", b"one two\n" * 9)
    simulation.run()
    assert simulation.killed == ["coordinator"]
    simulation.time += QUIET + 1
    simulation.drop("b.txt", b"three\n")
    simulation.run()
    ends = [key for key in simulation.names() if key.endswith(OutputKeys(Loc("", "")).success.key)]
    assert len(ends) == 2


def test_a_run_that_cannot_be_woken_harms_no_other(tmp_path: Path) -> None:
    simulation = Simulation(WordCount, spec(split_size=20), tmp_path)
    broken = RunKeys(Loc("work", ""), "job", "20261120T000000-0123456789ab")
    simulation.memory.put(broken.plan, b"{}")
    simulation.time += QUIET + 1
    simulation.drop("a.txt", b"one two\n")
    simulation.run()
    assert simulation.errors == []
    assert "_SUCCESS" in simulation.output()
