"""`early`: which markers make a supervisor look where none stays."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.core.keys import RunKeys
from chalicelib.core.plan_file import compose
from chalicelib.core.ports import Loc
from chalicelib.functions.supervision.early import is_early
from chalicelib.run.lease import Leaser
from chalicelib.stores.memory import MemoryStore
from tests.unit.run.test_reduce_plan import plan as plan_of

KEYS = RunKeys(Loc("work", ""), "job", "run")


class World:
    """All of a runtime that is asked for: a store, a clock, and how many supervisors may wait."""

    def __init__(self, tasks: int, seats: int | None = 0) -> None:
        self.store, self.clock, self.seats = MemoryStore(), self, seats
        self.store.put(KEYS.plan, compose(plan_of(1, tasks), [()] * tasks)[1])

    def now(self) -> float:
        return 100.0

    def done(self, *tasks: int) -> World:
        for task in tasks:
            self.store.put(KEYS.done("map", task), b"")
        return self

    def is_early(self, name: str) -> bool:
        runtime: Any = self
        return is_early(runtime, KEYS, name)


def marker(task: int) -> str:
    return KEYS.done("map", task).key.removeprefix(KEYS.root.key)


def test_where_waiting_is_free_each_marker_makes_somebody_look() -> None:
    assert not World(3, seats=None).done(0).is_early(marker(0))


def test_the_last_marker_of_a_phase_does() -> None:
    world = World(3).done(0, 2)
    assert world.is_early(marker(2))
    assert not world.done(1).is_early(marker(1))


def test_once_the_reducers_are_started_none_does() -> None:
    world = World(2).done(0, 1)
    world.store.put(KEYS.reduce_started, b"")
    assert world.is_early(marker(1))


def test_a_failed_attempt_makes_markers_count_until_its_task_is_done() -> None:
    world = World(3).done(0)
    world.store.put(KEYS.failed("map", 1, 0), b"")
    assert not world.is_early(marker(0))
    assert world.done(1).is_early(marker(1))


@pytest.mark.parametrize("name", ["plan.done", "run.done", "map/000001.0.failed", "reduce/lease"])
def test_what_is_no_marker_of_a_task_does(name: str) -> None:
    assert not World(3).is_early(name)


def test_a_reduce_task_s_marker_never_does() -> None:
    assert World(1).done(0).is_early("reduce/00000.done")


def test_nor_does_one_of_a_run_whose_work_is_deleted() -> None:
    world = World(1)
    world.store.delete("work", [KEYS.plan.key])
    assert world.is_early(marker(0))


def test_of_a_large_phase_the_tasks_beside_it_are_counted_first() -> None:
    world = World(2000).done(*range(64, 95))
    before = world.store.requests["list"]
    assert world.is_early(marker(70))
    assert world.store.requests["list"] - before == 1
    assert world.done(95).is_early(marker(95)), "its group is done, others are not"
    assert not world.done(*range(2000)).is_early(marker(95))


def test_where_somebody_may_have_a_seat_the_lease_is_enough() -> None:
    world = World(2, seats=1).done(0, 1)
    assert not world.is_early(marker(1))
    Leaser(world.store, KEYS.lease, "other").acquire(90.0)
    before = world.store.requests["list"]
    assert world.is_early(marker(1))
    assert world.store.requests["list"] == before
