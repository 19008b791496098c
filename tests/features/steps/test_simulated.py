"""Jobs of several steps in the simulated cloud: right, repeat-safe, and clear when they fail."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from chalicelib import Job
from chalicelib.core.keys import parse_overtaken
from chalicelib.core.ports import Loc
from chalicelib.core.spec import JobSpec
from tests.features.steps.jobs import TEXT, ByCount, CountWords, ThreeSteps, three_steps
from tests.strategies import places
from tests.worlds.simulation import SCRATCH, Simulation, spec


def small(**figures: Any) -> JobSpec:
    return spec(**{"split_size": 40, "partitions": 3, "reduce_size": 1, **figures})


def simulate(job: type[Job] = ThreeSteps, job_spec: JobSpec | None = None, **how: Any) -> Simulation:
    simulation = Simulation(job, job_spec or small(), SCRATCH, **how)
    simulation.drop("a.txt", TEXT)
    simulation.run()
    return simulation


@cache
def fault_free() -> Simulation:
    return simulate()


def rows(simulation: Simulation) -> list[str]:
    return sorted(simulation.text().decode().splitlines())


DOCUMENTED = re.compile(
    r"""in/data/[^/]+
    | work/runs/job/[0-9T]{15}-[0-9a-f]{12}/(?:step-[12]/)?(?:
        plan\.json | plan\.done | run\.done | input/part-\d{5}\.pairs
        | map/\d{6}\.\d+\.[0-9a-f]+\.run | map/\d{6}\.done
        | (?: map/\d{6} | reduce/\d{5} )\.\d+\.[0-9a-f]+\.overtaken
        | reduce/(?: lease | plan\.json | index\.\d{6} | started | \d{5}\.done )
      )
    | out/[0-9T]{15}-[0-9a-f]{12}/(?: part-\d{5}\.tsv | _manifest\.json | _SUCCESS )""",
    re.VERBOSE,
)


def check(simulation: Simulation) -> None:
    output = simulation.output()
    assert "_SUCCESS" in output, (sorted(output), simulation.errors)
    assert simulation.errors == []
    assert "_FAILED" not in output
    assert simulation.text() == fault_free().text()
    manifest = json.loads(output["_manifest.json"])
    calm = json.loads(fault_free().output()["_manifest.json"])
    for figure in ("records", "bytes", "inputs", "input_bytes", "map_tasks", "reduce_tasks", "steps"):
        assert manifest[figure] == calm[figure], figure
    assert manifest["mapped"]["records_in"] == calm["mapped"]["records_in"]
    assert [key for key in simulation.names() if not DOCUMENTED.fullmatch(key)] == []


def test_three_steps_are_one_run() -> None:
    simulation = fault_free()
    check(simulation)
    assert rows(simulation) == three_steps(TEXT)
    manifest = json.loads(simulation.output()["_manifest.json"])
    assert manifest["steps"] == 3
    assert manifest["inputs"] == 1
    assert manifest["input_bytes"] == len(TEXT)
    assert manifest["mapped"]["records_in"] > 5, "the records of all steps"
    assert manifest["map_tasks"] == simulation.invocations["mapper"]
    assert manifest["reduce_tasks"] == simulation.invocations["reducer"]
    assert simulation.invocations["coordinator"] == 1
    assert len([key for key in simulation.output() if key == "_SUCCESS"]) == 1


@pytest.mark.parametrize("split_size", [7, 40, 1 << 20])
@pytest.mark.parametrize("partitions", [1, 2, 8])
@pytest.mark.parametrize("reduce_size", [1, 1 << 30])
def test_sizes_change_nothing(split_size: int, partitions: int, reduce_size: int) -> None:
    job_spec = spec(split_size=split_size, partitions=partitions, reduce_size=reduce_size)
    assert rows(simulate(job_spec=job_spec)) == three_steps(TEXT)


def test_no_input_gives_no_rows_in_any_step() -> None:
    simulation = Simulation(ThreeSteps, small(), SCRATCH)
    simulation.drop("a.txt", b"")
    simulation.run()
    assert "_SUCCESS" in simulation.output()
    assert simulation.text() == b""


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_kill_at_any_call_changes_nothing(before: bool) -> None:
    for number in places(fault_free().calls, 6, 1 + before):
        simulation = simulate(kill_at=[number], before=before)
        assert len(simulation.killed) == 1, f"call {number}"
        check(simulation)


@pytest.mark.parametrize("seed", range(6))
def test_duplicates_disorder_and_kills_together(seed: int) -> None:
    calls = simulate(seed=seed, duplicates=True).calls
    check(simulate(seed=seed, duplicates=True))
    for number in range(1 + seed, calls + 1, 150):
        check(simulate(seed=seed, duplicates=True, kill_at=[number], before=seed % 2 == 0))


@pytest.mark.parametrize("seed", [None, 1])
def test_hand_overs_in_every_step(seed: int | None) -> None:
    simulation = simulate(supervisor_lifetime=26.0, slow={"mapper": 20.0, "reducer": 20.0}, seed=seed)
    check(simulation)
    assert simulation.hand_overs > 2


def test_every_invocation_again_after_the_end_changes_nothing() -> None:
    simulation = simulate()
    before = {key: body for key, body in simulation.objects().items() if not key.endswith("/reduce/lease")}
    for function, payload in list(simulation.delivered):
        simulation.deliver(function, payload)
    simulation.run()
    after = {key: body for key, body in simulation.objects().items() if not key.endswith("/reduce/lease")}
    told = {key for key in after.keys() - before.keys() if parse_overtaken(key)}
    assert told, "each execution says what it cost"
    assert {key: body for key, body in after.items() if key not in told} == before


def test_a_supervisor_that_died_starts_the_next_step_when_it_is_tried_again() -> None:
    """The last reducer leaves word of the step's end and nothing else: it may not start mappers."""
    simulation = Simulation(ThreeSteps, small(), SCRATCH)
    simulation.when(
        lambda: any(name.endswith("/reduce/started") for name in simulation.names()), simulation.kill_now
    )
    simulation.drop("a.txt", TEXT)
    simulation.run()
    assert simulation.killed == ["supervisor"]
    check(simulation)


class FailsInTheMiddle(ByCount):
    def mapper(self, word: str, count: int) -> Iterator[Any]:
        if word == "lazy":
            raise OSError(f"boom {word}")  # it might pass, so the task is tried again
        yield from super().mapper(word, count)


class Fails(Job):
    steps = (CountWords, FailsInTheMiddle, ByCount)


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_step_that_fails_ends_the_run_and_is_named(before: bool) -> None:
    calm = simulate(Fails, small(max_attempts=2))
    for number in range(0, calm.calls + 1, 7):
        simulation = simulate(Fails, small(max_attempts=2), kill_at=[number], before=before)
        output = simulation.output()
        assert sorted(output) == ["_FAILED", "_manifest.json"], f"call {number}"
        failed = output["_FAILED"].decode()
        assert "failed: step 2 of 3: map task" in failed
        assert "pair of key 'lazy'" in failed
        assert "OSError: boom lazy" in failed
        assert not any("step-2" in key for key in simulation.names())
        manifest = json.loads(output["_manifest.json"])
        assert manifest["reason"].startswith("step 2 of 3: ")
        assert manifest["input_bytes"] == len(TEXT)


@pytest.mark.parametrize("damage", ["lost", "cut"])
def test_what_was_to_be_passed_on_and_is_not_there_ends_the_run(damage: str) -> None:
    simulation = Simulation(ThreeSteps, small(), SCRATCH)

    def harm() -> None:
        for info in list(simulation.memory.list(Loc("work", ""))):
            if info.key.endswith("step-1/input/part-00000.pairs"):
                simulation.memory.delete("work", [info.key])
                if damage == "cut":
                    simulation.memory.put(Loc("work", info.key), b"x")

    simulation.when(lambda: any("/reduce/00000.done" in name for name in simulation.names()), harm)
    simulation.drop("a.txt", TEXT)
    simulation.run()
    failed = simulation.output()["_FAILED"].decode()
    assert "step 2 of 3: could not be planned: " in failed
    assert "step-1/input/part-00000.pairs: expected" in failed


def test_one_file_is_one_part_of_the_last_step() -> None:
    simulation = simulate(job_spec=small(output={"one_file": True}))
    assert rows(simulation) == three_steps(TEXT)
    parts = [name for name in simulation.output() if name.startswith("part-")]
    assert len(parts) == 1
    assert len([name for name in simulation.names() if "step-1/input/" in name]) > 1
