"""What is told of a run of several steps while it goes on, and how it is picked up and cleaned away."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job
from chalicelib.core.keys import RunKeys, parse_run_key
from chalicelib.core.ports import Loc
from chalicelib.core.spec import BadRecordsSpec
from chalicelib.functions.auditing.mend import pick_up
from chalicelib.run.status.collect import RunStatus
from chalicelib.run.status.collect import collect as collect_status
from chalicelib.run.status.runs import current_step, list_runs
from scripts.cleaning.leftovers import look
from scripts.console.progress import picture, summary
from scripts.redriving.bad_records import bad_records
from scripts.redriving.batches import sort_out
from scripts.runs.places import Place
from tests.features.steps.jobs import TEXT, ByCount, CountWords, Longest, ThreeSteps
from tests.features.steps.test_simulated import Fails, fault_free, rows, small, three_steps
from tests.worlds.simulation import OUT, WORK, Simulation

DAY = 86_400.0


class Frozen(BaseException):
    """Nobody is there any more."""


def frozen(tmp_path: Path, call: int, job: Any = ThreeSteps) -> Simulation:
    """A run whose every function is gone at its n-th call."""
    simulation = Simulation(job, small(max_attempts=2), tmp_path)

    def freeze() -> None:
        raise Frozen

    simulation.at_call(call, freeze)
    simulation.drop("a.txt", TEXT)
    with pytest.raises(Frozen):
        simulation.run()
    simulation._queue.clear()
    simulation._later.clear()
    return simulation


def keys_of(simulation: Simulation) -> RunKeys:
    (keys,) = list_runs(simulation.memory, WORK, "job")
    return keys


def collect(simulation: Simulation) -> RunStatus:
    keys = keys_of(simulation)
    output = OUT.child(f"{keys.run}/")
    return collect_status(
        simulation.memory, keys, now=simulation.time, output=output, max_markers=99, max_failures=9
    )


CALLS = range(12, fault_free().calls, 9)


def text_of(lines: list[Any]) -> str:
    return "\n".join("".join(part for part, _ in line) for line in lines)


def test_status_at_many_moments(tmp_path: Path) -> None:
    steps, phases = [], set()
    for call in CALLS:
        simulation = frozen(tmp_path, call)
        told = collect(simulation)
        if told.phase == "planning" and told.input_bytes is None:
            continue
        assert told.steps == 3
        assert told.input_bytes == len(TEXT), "of the run, whatever the step"
        assert told.started == 1_700_000_000.0
        assert told.map.total is not None
        assert told.map.done is not None
        assert told.map.done <= told.map.total
        assert told.cost is not None
        assert told.cost > 0
        steps.append(told.step)
        phases.add((told.step, told.phase))
        assert f"step {told.step} of 3" in text_of([summary(told)])
    assert steps == sorted(steps)
    assert set(steps) == {1, 2, 3}
    assert {(2, "mapping"), (2, "reducing"), (3, "mapping"), (3, "reducing")} <= phases


def test_status_of_the_ended_run(tmp_path: Path) -> None:
    simulation = Simulation(ThreeSteps, small(), tmp_path)
    simulation.drop("a.txt", TEXT)
    simulation.run()
    told = collect(simulation)
    assert (told.phase, told.step, told.steps) == ("succeeded", 3, 3)
    assert told.map.done == told.map.total == simulation.invocations["mapper"], "of all steps"
    assert told.reduce.done == simulation.invocations["reducer"]
    assert "step 3 of 3" in text_of(picture(told, terminal=False))
    doomed = [name.removeprefix("work/") for name in simulation.names() if name.startswith("work/")]
    simulation.memory.delete("work", doomed)
    expired = collect_status(
        simulation.memory,
        RunKeys(WORK, "job", told.run),
        now=simulation.time,
        output=OUT.child(f"{told.run}/"),
    )
    assert (expired.phase, expired.steps, expired.map.done) == ("succeeded", 3, told.map.done)


def test_status_of_a_run_that_failed_in_a_step(tmp_path: Path) -> None:
    simulation = Simulation(Fails, small(max_attempts=2), tmp_path)
    simulation.drop("a.txt", TEXT)
    simulation.run()
    told = collect(simulation)
    assert (told.phase, told.step) == ("failed", 2)
    assert told.reason.startswith("step 2 of 3: ")
    assert told.failures[0].task >= 0
    assert "boom lazy" in text_of(picture(told, terminal=False))


def test_a_run_is_picked_up_in_whatever_step_it_stands(tmp_path: Path) -> None:
    for call in CALLS:
        simulation = frozen(tmp_path, call)
        if not any(name.endswith("/plan.json") for name in simulation.names()):
            continue

        class Invoker:
            def invoke(
                self, function: str, payload: dict[str, Any], to: Callable[..., None] = simulation.deliver
            ) -> None:
                to(function, payload)

        told = list(pick_up(simulation.memory, keys_of(simulation), Invoker()))
        assert told
        simulation.run()
        assert "_SUCCESS" in simulation.output(), f"call {call}"
        assert rows(simulation) == three_steps(TEXT)


def test_current_step_is_the_last_with_a_plan(tmp_path: Path) -> None:
    simulation = Simulation(ThreeSteps, small(), tmp_path)
    keys = RunKeys(WORK, "job", "r")
    for steps in (1, 2, 3, 7, 64):
        for reached in range(steps):
            simulation.memory.put(keys.at(reached).plan, b"")
            assert current_step(simulation.memory, keys, steps) == keys.at(reached)
        simulation.memory.delete("work", [keys.at(step).plan.key for step in range(steps)])
        assert current_step(simulation.memory, keys, steps) == keys


def test_a_run_between_its_steps_is_never_cleaned_away(tmp_path: Path) -> None:
    seen = 0
    for call in CALLS:
        simulation = frozen(tmp_path, call)
        keys = keys_of(simulation)
        if any(name.endswith("/step-2/run.done") for name in simulation.names()):
            continue
        seen += any(name.endswith("/run.done") for name in simulation.names())
        assert look(simulation.memory, keys, Place(WORK, "job", OUT), simulation.time + 9 * DAY) is None
    assert seen > 5


@pytest.mark.parametrize("job", [ThreeSteps, Fails])
def test_what_is_cleaned_away_is_all_of_it(job: Any, tmp_path: Path) -> None:
    simulation = Simulation(job, small(max_attempts=2), tmp_path)
    simulation.drop("a.txt", TEXT)
    simulation.run()
    for gone in ([], ["_SUCCESS", "_FAILED", "_manifest.json"]):
        keys = keys_of(simulation)
        simulation.memory.delete("out", [OUT.child(f"{keys.run}/{name}").key for name in gone])
        leftover = look(simulation.memory, keys, Place(WORK, "job", OUT), simulation.time + 9 * DAY)
        assert leftover is not None
        assert sorted(row.key for row in leftover.rows) == simulation.work()
        assert leftover.rows[-1].key.endswith("/run.done")


@pytest.mark.parametrize("step", [0, 1, 12])
def test_keys_of_steps_are_read_as_they_are_written(step: int) -> None:
    keys = RunKeys(Loc("work", "w/"), "job", "run", step)
    for loc in (keys.plan, keys.done("map", 3), keys.done("reduce", 3), keys.lease, keys.run_done):
        found = parse_run_key(*loc)
        assert found is not None
        assert found[0] == keys
        assert found[0].root.child(found[1]) == loc
    assert keys.input.key.startswith(keys.root.key)
    assert keys.results(OUT, last=True) == OUT
    assert keys.results(OUT, last=False) == keys.at(step + 1).input


@pytest.mark.parametrize("name", ["step-0/plan.done", "step-01/plan.done", "step-x/plan.done"])
def test_what_is_no_step_is_no_key_of_one(name: str) -> None:
    found = parse_run_key("work", f"runs/job/run/{name}")
    assert found is not None
    assert found[0].step == 0


class Picky(ByCount):
    """Sets one pair aside in its mapper and one group in its reducer."""

    def mapper(self, word: str, count: int) -> Any:
        if word == "lazy":
            raise ValueError(f"too {word}")
        yield from super().mapper(word, count)

    def reducer(self, key: Any, values: Any) -> Any:
        if key == (1, 4):
            raise ValueError("too short")
        yield from super().reducer(key, values)


def test_bad_records_of_a_later_step_are_listed_and_counted(tmp_path: Path) -> None:
    class Steps(Job):
        steps = (CountWords, Picky, Longest)

    policy = BadRecordsSpec(policy="quarantine", max_fraction=1.0)
    simulation = Simulation(Steps, small(bad_records=policy), tmp_path, seed=4, duplicates=True)
    simulation.drop("a.txt", TEXT)
    simulation.run()
    assert "_SUCCESS" in simulation.output()
    keys = keys_of(simulation)
    assert list(bad_records(simulation.memory, keys)) == []
    found = list(bad_records(simulation.memory, keys.at(1)))
    assert sorted((record.phase, record.error) for record in found) == [
        ("map", "ValueError: too lazy"),
        ("reduce", "ValueError: too short"),
    ]
    assert collect(simulation).bad == 2
    (pair,) = [record for record in found if record.phase == "map"]
    assert "('lazy', 1)" in pair.text
    work = sort_out(simulation.spec.input, simulation.memory, found)
    assert (work.records, work.objects) == (0, [])
    assert any("a pair that the step before made" in text for text in work.left_out)
