"""`scripts/submit.py --resume`: a run whose events never came is picked up, wherever it stopped."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job, Sum
from chalicelib.core.errors import UserError
from chalicelib.core.keys import RunKeys
from chalicelib.core.ports import Loc
from chalicelib.run.status.runs import list_runs
from chalicelib.stores.memory import MemoryStore
from scripts import submit
from scripts.console import terminal
from tests.worlds.simulation import WORK, Simulation, spec

JOB = """\
job: words:Words
input: {url: "s3://demo-in/data/"}
work: {url: "%s"}
output: {url: "s3://demo-out/"}
"""


class Words(Job):
    def mapper(self, _: Any, line: str) -> Any:
        for word in line.split():
            yield word, 1

    reducer = Sum()


class Deaf(Simulation):
    """No event of S3 arrives."""

    def _created(self, loc: Loc) -> None:
        pass


class Renamed:
    """The simulation's buckets by names that a job on AWS can have."""

    def __init__(self, memory: MemoryStore) -> None:
        self._memory = memory

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._memory, name)
        return lambda loc, *args, **kwargs: method(
            Loc(loc.bucket.removeprefix("demo-"), loc.key), *args, **kwargs
        )


class Deliver:
    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    def invoke(self, function: str, payload: dict[str, Any]) -> None:
        text = json.dumps(payload)
        if "demo-work" in text:
            payload = json.loads(text.replace("demo-work", "work"))
        self._simulation.deliver(function, payload)


def resume(root: Path, simulation: Simulation, *argv: str, work: str = "s3://demo-work/") -> tuple[int, str]:
    (root / "jobs").mkdir(exist_ok=True)
    (root / "jobs/job.yml").write_text(JOB % work)
    out = io.StringIO()
    world = submit.World(
        root=root, environ={}, screen=terminal.Screen(out, terminal=False), clock=simulation,
        store=lambda: Renamed(simulation.memory), upload=lambda path, loc: None,
        invoker=lambda job: Deliver(simulation),
    )  # fmt: skip
    return submit.main(["--resume", "job", *argv], world), out.getvalue()


def only_run(simulation: Simulation) -> RunKeys:
    (keys,) = list_runs(simulation.memory, WORK)
    return keys


TEXT = b"".join(b"word%d\n" % (n % 7) for n in range(200))


@pytest.mark.parametrize("name", ["latest", None])
def test_a_run_of_which_no_event_came_is_finished(name: str | None, tmp_path: Path) -> None:
    simulation = Deaf(Words, spec(split_size=200), tmp_path)
    simulation.drop("a.txt", TEXT)
    simulation.run()
    keys = only_run(simulation)
    assert simulation.output() == {}
    code, told = resume(tmp_path, simulation, name or keys.run)
    assert code == 0
    assert f"started the supervisor of job {keys.run}" in told
    simulation.run()
    assert "_SUCCESS" in simulation.output()
    assert sum(int(row.split(b"\t")[1]) for row in simulation.text().splitlines()) == 200
    code, told = resume(tmp_path, simulation, keys.run)
    assert (code, "nothing to resume" in told) == (0, True)


def test_a_coordinator_that_died_after_the_plan_is_made_up_for(tmp_path: Path) -> None:
    simulation = Deaf(Words, spec(split_size=200), tmp_path, retries=0, before=True)
    simulation.when(lambda: any("plan.json" in name for name in simulation.names()), simulation.kill_now)
    simulation.drop("a.txt", TEXT)
    simulation.run()
    assert simulation.killed == ["coordinator"]
    assert [name for name in simulation.names() if name.startswith("work/")] == [
        f"work/{only_run(simulation).plan.key}"
    ]
    _, told = resume(tmp_path, simulation, "latest")
    assert "started the map tree of 6 tasks" in told
    begun = simulation.time
    simulation.run()
    assert "_SUCCESS" in simulation.output()
    assert simulation.time - begun < 60, "it must not wait for tasks that it takes for lost"


def test_a_run_without_a_plan_cannot_be(tmp_path: Path) -> None:
    simulation = Deaf(Words, spec(), tmp_path)
    with pytest.raises(UserError, match="there is no run"):
        resume(tmp_path, simulation, "latest")
    with pytest.raises(UserError, match="there is no run '20260101T000000-a'"):
        resume(tmp_path, simulation, "20260101T000000-a")
    with pytest.raises(UserError, match="expected a run's id"):
        resume(tmp_path, simulation, "../../x")


def test_a_job_of_this_machine_needs_none(tmp_path: Path) -> None:
    simulation = Deaf(Words, spec(), tmp_path)
    with pytest.raises(UserError, match=r"the local engine delivers its own events .*scripts/run\.py"):
        resume(tmp_path, simulation, "latest", work="/tmp/work")


def test_one_run_at_a_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        resume(tmp_path, Deaf(Words, spec(), tmp_path), "a", "b")
    assert "expected NAME and the id of one run, got 2" in capsys.readouterr().err
