"""The map tree of a planned step is started once it is asked for, and not again when that is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job
from chalicelib.core.errors import NotFound
from chalicelib.core.keys import RunKeys
from chalicelib.core.plan import Plan, Split
from chalicelib.core.plan_file import compose
from chalicelib.run.start_step import is_started, start_if_planned, start_planned
from tests.worlds.recorded import Recorded
from tests.worlds.simulation import OUT, WORK, spec

KEYS = RunKeys(WORK, "job", "run", 2)


class World(Recorded):
    def write_plan(self, tasks: int) -> None:
        plan = Plan(
            job="job", run="run", token="t", source="s", head=0, spec=spec(), work=WORK, output=OUT, step=2,
            partitions=1, tasks=0, page=1, pages=(), inputs=1, bytes=9, created=1.0, code="c",
        )  # fmt: skip
        split = Split(bucket="in", key="a", etag="e", start=0, stop=9, size=9)
        self.store.put(KEYS.plan, compose(plan, [(split,)] * tasks)[1])
        self.log.clear()

    def ask(self, function: Any) -> Any:
        return function(self.store, self, KEYS)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(Job, tmp_path)


def test_without_a_plan_there_is_nothing_to_start(world: World) -> None:
    assert world.ask(start_if_planned) is False
    with pytest.raises(NotFound, match=r"step-2/plan\.json"):
        world.ask(start_planned)
    assert world.log == []


@pytest.mark.parametrize("tasks", [0, 1, 40])
def test_a_planned_step_is_started_once(world: World, tasks: int) -> None:
    world.write_plan(tasks)
    assert not is_started(world.store, KEYS)
    assert world.ask(start_planned) == tasks
    assert is_started(world.store, KEYS)
    assert world.log == ["mapper"] * (tasks > 0) + ["plan.done"]
    assert [(call["step"], call["lo"], call["hi"]) for _, call in world.invoked] == [(2, 0, tasks)] * (
        tasks > 0
    )
    world.log.clear()
    assert world.ask(start_planned) == 0
    assert world.ask(start_if_planned) is True
    assert world.log == []


def test_a_plan_that_was_found_is_started(world: World) -> None:
    world.write_plan(3)
    assert world.ask(start_if_planned) is True
    assert world.log == ["mapper", "plan.done"]
