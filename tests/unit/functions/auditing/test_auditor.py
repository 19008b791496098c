"""What the clock mends by itself, and what it leaves to people."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job, Sum
from chalicelib.core.keys import FAILURE, SUCCESS
from chalicelib.core.ports import Loc
from chalicelib.functions.auditing.auditor import GRACE, MOST_FAILED, WINDOW
from chalicelib.functions.auditing.clocks import failed_ticks
from chalicelib.functions.supervision.stalled_runs import QUIET
from chalicelib.run.periods.keys import PeriodKeys
from tests.worlds.simulation import OUT, Simulation, spec

HOUR = 3600.0


class Words(Job):
    broken = False

    def mapper(self, _: Any, line: str) -> Any:
        if type(self).broken:
            raise ValueError("broken")
        yield line, 1

    reducer = Sum()


class Clocked(Simulation):
    def __init__(self, place: Path, trigger: str = "each", **how: Any) -> None:
        job = type("Here", (Words,), {"broken": False})
        job_spec = spec(trigger=trigger, audit=3600, partitions=1, split_size=1 << 20)
        super().__init__(job, job_spec, place, retries=0, **how)
        self.job = job

    def tick(self, function: str, after: float = 0.0) -> None:
        self.time += after
        self.deliver(function, {})
        self.run()

    def ends(self) -> Counter[str]:
        names = (info.key.rpartition("/")[2] for info in self.memory.list(OUT))
        return Counter(name for name in names if name in (SUCCESS, FAILURE))


def test_what_was_lost_is_started_once_its_event_had_time_to_come(tmp_path: Path) -> None:
    world = Clocked(tmp_path)
    world.add("a", b"x\n")
    world.tick("auditor", GRACE / 2)
    assert world.ends() == {}
    for _ in range(2):
        world.tick("auditor", GRACE)
    assert world.ends() == {SUCCESS: 1}


def test_what_stands_still_is_resumed(tmp_path: Path) -> None:
    world = Clocked(tmp_path, before=True)
    world.when(lambda: any(name.endswith("plan.json") for name in world.names()), world.kill_now)
    world.drop("a", b"x\n")
    world.run()
    assert world.ends() == {}
    world.tick("auditor", QUIET + 1)
    assert world.ends() == {SUCCESS: 1}


def test_what_fails_again_and_again_is_left_to_people(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = Clocked(tmp_path)
    world.job.broken = True
    world.add("a", b"x\n")
    with caplog.at_level(logging.WARNING):
        for _ in range(MOST_FAILED + 3):
            world.tick("auditor", 2 * HOUR)
    assert world.ends() == {FAILURE: MOST_FAILED}
    assert f"{MOST_FAILED} runs of it have failed: it is left to you" in caplog.text


def test_what_is_older_than_a_week_is_left_to_people(tmp_path: Path) -> None:
    world = Clocked(tmp_path)
    world.add("a", b"x\n")
    world.tick("auditor", WINDOW + 1)
    assert world.ends() == {}
    assert world.invocations == {"auditor": 1}


def test_an_audit_that_runs_out_of_time_is_gone_on_with_by_the_next(tmp_path: Path) -> None:
    world = Clocked(tmp_path, lifetime=12.0)
    for name in "abc":
        world.add(name, b"x\n")
    world.time += 2 * HOUR

    deliver = world.deliver

    def slow(function: str, payload: dict[str, Any]) -> None:
        world.time += 1.5 * (function == "coordinator")
        deliver(function, payload)

    world.deliver = slow  # type: ignore[method-assign]
    for ended in (2, 3, 3):
        world.tick("auditor")
        assert world.ends() == {SUCCESS: ended}


@pytest.mark.parametrize("lost", [True, False])
def test_a_period_whose_run_was_lost_or_has_failed_is_read_by_one(tmp_path: Path, lost: bool) -> None:
    """The clock's own event for a lost one, in case that comes after all: it is the same run."""
    world = Clocked(tmp_path, "every 15m")
    world.add("a", b"x\n")
    world.add("b", b"y\n")
    world.job.broken = not lost
    if lost:
        deliver = world.deliver
        late: list[tuple[str, dict[str, Any]]] = []
        world.deliver = lambda function, payload: late.append((function, payload))  # type: ignore[method-assign]
        world._handle("scheduler", {})
        world.deliver = deliver  # type: ignore[method-assign]
    else:
        world.tick("scheduler")
    assert world.ends() == ({} if lost else {FAILURE: 1})
    world.job.broken = False
    for _ in range(2):
        world.tick("auditor", 2 * HOUR)
    if lost:
        for event in late:
            world.deliver(*event)
        world.run()
    world.tick("scheduler")
    assert world.ends()[SUCCESS] == 1
    rows = [body for name, body in world.objects().items() if "/part-" in name and name.startswith("out/")]
    assert rows == [b"x\t1\ny\t1\n"]


def test_a_clock_that_does_not_go_is_told_of(tmp_path: Path) -> None:
    """Its function fails for good: Lambda tells the supervisor, and whoever looks learns why."""
    world = Clocked(tmp_path, "every 15m", reports=True)
    keys = PeriodKeys(Loc("work", ""), "job")
    world.memory.put(keys.pointer, b"no pointer")
    world.tick("scheduler")
    (told,) = failed_ticks(world.memory, "job", world.spec, world.time)
    assert told.startswith("the scheduler failed for good at 2023-11-14T")
    assert told.endswith(": CorruptData: ")
    assert list(failed_ticks(world.memory, "job", world.spec, world.time + 2 * 86_400)) == []
    assert list(failed_ticks(world.memory, "job", spec(), world.time)) == []


def test_an_audit_that_dies_at_any_call_or_comes_twice_starts_the_same_runs(tmp_path: Path) -> None:
    def story(kill_at: int = 0) -> Clocked:
        world = Clocked(tmp_path, duplicates=True)
        world.add("a", b"x\n")
        world.add("b", b"y\n")
        world.time += 2 * HOUR
        start = world.calls
        world.at_call(start + kill_at, world.kill_now)
        world.tick("auditor")
        world.tick("auditor", 2 * HOUR)
        return world

    assert story().ends() == {SUCCESS: 2}
    died = 0
    for number in range(1, 16):
        world = story(number)
        died += world.killed[:1] == ["auditor"]
        assert world.ends() == {SUCCESS: 2}, number
    assert died
