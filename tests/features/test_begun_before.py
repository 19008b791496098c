"""Runs begun by earlier code are ended by today's: whatever they had come to, the results are the same bytes."""

from __future__ import annotations

import base64
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from chalicelib.core.ports import Loc
from chalicelib.core.spec import BadRecordsSpec
from chalicelib.functions.supervision.stalled_runs import QUIET
from tests.features.begun_before.jobs import JOBS, LINES, TEXT, Rows
from tests.worlds.simulation import Simulation, spec

STORED = json.loads((Path(__file__).parent / "begun_before" / "runs.json").read_bytes())
BODIES = [base64.b64decode(body) for body in STORED["bodies"]]
MOMENTS: dict[str, dict[str, Any]] = STORED["moments"]


def world(moment: dict[str, Any], scratch: Path) -> Simulation:
    """An empty world with the moment's job."""
    made: list[Simulation] = []

    def wait(_: object, seconds: float) -> None:
        made[0].time += seconds

    job = type("Here", (JOBS[moment["job"]][0],), {"wait": wait, "tries": []})
    figures = dict(moment["figures"])
    if "bad_records" in figures:
        figures["bad_records"] = BadRecordsSpec(**figures["bad_records"])
    made.append(Simulation(job, spec(**figures), scratch, **moment["lives"]))
    return made[0]


def restored(moment: dict[str, Any], scratch: Path) -> Simulation:
    """The world as it was, each object with its time and etag, and nothing under way."""
    simulation = world(moment, scratch)
    for bucket, key, etag, modified, body in sorted(moment["objects"], key=lambda row: row[2]):
        simulation.time = modified
        while (made := simulation.memory.put(Loc(bucket, key), BODIES[body])) < etag:
            pass  # the store numbers its writes
        assert made == etag
    simulation._queue.clear()  # of what was told while they were put
    simulation.time = moment["time"]
    return simulation


def delivered_again(simulation: Simulation, moment: dict[str, Any]) -> None:
    """Lambda delivers what had not ended, in the old code's words."""
    for function, payload in moment["waiting"]:
        simulation.deliver(function, payload)


def forgotten(simulation: Simulation, moment: dict[str, Any]) -> None:
    """Everything under way is lost; the lease expires, and the job's next event finds the run."""
    simulation.time += QUIET + 1
    simulation.drop("later.txt", b"")


@cache
def run_today(job: str) -> dict[str, bytes]:
    """The output of a run that is begun and ended today, by key under the output place."""
    moment = next(moment for moment in MOMENTS.values() if moment["job"] == job)
    simulation = world(moment, Path())
    simulation.drop("a.txt", TEXT)
    simulation.run()
    return output(simulation, run_of(moment))


def run_of(moment: dict[str, Any]) -> str:
    (run,) = {row[1].split("/")[2] for row in moment["objects"] if row[1].startswith("runs/")}
    return run


def output(simulation: Simulation, run: str) -> dict[str, bytes]:
    found = {
        info.key: simulation.memory.get(Loc("out", info.key))
        for info in simulation.memory.list(Loc("out", ""))
    }
    return {key.removeprefix(f"{run}/"): body for key, body in found.items() if key.startswith(f"{run}/")}


def parts(objects: dict[str, bytes]) -> dict[str, bytes]:
    return {name: body for name, body in objects.items() if name.startswith("part-")}


def rows(objects: dict[str, bytes]) -> Rows:
    return sorted(b"".join(parts(objects).values()).decode().splitlines())


def totals(simulation: Simulation) -> Rows:
    shown = json.loads(simulation.memory.get(Loc("out", "_totals.json")))
    bodies = [simulation.memory.get(Loc("out", part["key"])) for part in shown["parts"]]
    return sorted(b"".join(bodies).decode().splitlines())


@pytest.mark.parametrize("then", [delivered_again, forgotten])
@pytest.mark.parametrize("name", MOMENTS)
def test_a_run_begun_before_ends_as_one_of_today(name: str, then: Any, tmp_path: Path) -> None:
    moment = MOMENTS[name]
    oracle = JOBS[moment["job"]][1]
    simulation = restored(moment, tmp_path)
    before = set(simulation.names())

    then(simulation, moment)
    simulation.run()

    assert simulation.errors == []
    found = output(simulation, run_of(moment))
    if oracle is None:
        assert found.keys() == run_today(moment["job"]).keys() == {"_FAILED", "_manifest.json"}
        assert "ValueError: boom" in found["_FAILED"].decode()
        return
    assert "_SUCCESS" in found
    assert "_FAILED" not in found
    if moment["job"] == "totals":  # another run may show them
        assert totals(simulation) == sorted(oracle(LINES))
    else:
        assert rows(found) == sorted(oracle(LINES))
        assert parts(found) == parts(run_today(moment["job"]))
    assert before - set(simulation.names()) <= {name for name in before if "/totals/" in name}, (
        "nothing is lost"
    )


@pytest.mark.parametrize("then", [delivered_again, forgotten])
@pytest.mark.parametrize("name", [name for name in MOMENTS if name.startswith("totals")])
def test_totals_count_a_run_begun_before_once(name: str, then: Any, tmp_path: Path) -> None:
    moment = MOMENTS[name]
    simulation = restored(moment, tmp_path)

    then(simulation, moment)
    simulation.run()
    simulation.drop("more.txt", TEXT)
    simulation.run()

    oracle = JOBS[moment["job"]][1]
    assert oracle is not None
    assert totals(simulation) == sorted(oracle(LINES + LINES))


@pytest.mark.parametrize("job", [job for job, (_, oracle) in JOBS.items() if oracle])
def test_a_run_of_today_is_right(job: str) -> None:
    oracle = JOBS[job][1]
    assert oracle is not None
    assert rows(run_today(job)) == sorted(oracle(LINES))
