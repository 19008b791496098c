"""`scripts/audit.py`: what was lost, has failed or is half done is found and, once mended, each object has one run."""

from __future__ import annotations

import io
import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job, Sum
from chalicelib.config.load import load_job
from chalicelib.core.keys import PLAN_DONE
from chalicelib.core.ports import Loc
from chalicelib.functions.stop import stop
from chalicelib.functions.supervision.stalled_runs import QUIET
from chalicelib.run.events import put_again
from chalicelib.run.status.runs import list_runs
from scripts import audit
from scripts.console import terminal
from tests.worlds.simulation import Simulation

JOB = """\
job: words:Words
input: {{url: "s3://demo-in/data/"}}
work: {{url: "s3://demo-work/"}}
output: {{url: "s3://demo-out/"}}
trigger: {trigger}
"""
HOUR = 3600.0
IN, WORK = Loc("demo-in", "data/"), Loc("demo-work", "")


class Words(Job):
    broken = False

    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        if Words.broken and "bad" in line:
            raise ValueError("bad")
        yield line, 1

    reducer = Sum()


class Losing(Simulation):
    """Some events never come, and some coordinators die, before their plan or behind it. Its names are AWS's."""

    def __init__(self, root: Path, trigger: str) -> None:
        (root / "jobs").mkdir()
        (root / "jobs/job.yml").write_text(JOB.format(trigger=trigger))
        job = load_job("job", root=root, environ={}, require_cloud=True)
        super().__init__(Words, job.spec, root, retries=0, before=True)
        self._root = root

    def add(self, key: str, body: bytes) -> str:
        return self.memory.put(IN.child(key), body)

    def drop(self, key: str, body: bytes) -> dict[str, Any]:
        """Put an object, whose event comes at once."""
        event = put_again(IN.child(key), self.add(key, body), self.time, "1")
        self.deliver("coordinator", event)
        return event

    def arrive(self, key: str, body: bytes, kind: str) -> None:
        """Put an object, of whose event `kind` becomes."""
        self.time += HOUR / 2  # coordinators look at the runs of a day, clocks at what was put in a week
        if kind == "lost":
            self.add(key, body)
            return
        if kind == "killed":
            self.when(lambda: True, self.kill_now)
        elif kind == "half":
            plans = self._plans()
            self.when(lambda: self._plans() > plans, self.kill_now)
        self.drop(key, body)
        self.run()

    def _plans(self) -> int:
        return sum(info.key.endswith("/plan.json") for info in self.memory.list(WORK))

    def objects(self) -> dict[str, bytes]:
        return {
            f"{bucket}/{info.key}": self.memory.get(Loc(f"demo-{bucket}", info.key))
            for bucket in ("work", "out")
            for info in self.memory.list(Loc(f"demo-{bucket}", ""))
        }

    def audit(self, *argv: str) -> tuple[int, str]:
        out = io.StringIO()
        world = audit.World(
            root=self._root, environ={}, screen=terminal.Screen(out, terminal=False), clock=self,
            open_store=lambda work, runs: self.memory, invoker=lambda job: self.invoker(),
        )  # fmt: skip
        code = audit.main(["job", *argv], world)
        self.run()
        return code, out.getvalue()

    def mend(self, clock: bool = False) -> None:
        if clock:
            self.deliver("auditor", {})
            self.run()
        else:
            assert self.audit("--mend")[0] == 0

    def states(self) -> Counter[str]:
        _, told = self.audit("--json")
        return Counter(finding["state"] for finding in json.loads(told))

    def read_by_successes(self) -> Counter[str]:
        """How many successful runs have each line in their results."""
        found: Counter[str] = Counter()
        objects = self.objects()
        for name, body in objects.items():
            if (
                name.startswith("out/")
                and "/part-" in name
                and f"{name.rpartition('/')[0]}/_SUCCESS" in objects
            ):
                for line in body.decode().splitlines():
                    word, number = line.split("\t")
                    found[word] += int(number)
        return found


@pytest.fixture
def broken() -> Iterator[None]:
    """The job's code cannot take some lines, until it is mended."""
    Words.broken = True
    yield
    Words.broken = False


@pytest.mark.slow
@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize(("trigger", "clock"), [("each", False), ("marker", True)])
def test_after_mending_each_of_200_objects_is_in_one_successful_run(
    trigger: str, clock: bool, tmp_path: Path
) -> None:
    """By hand, or by the clock alone."""
    chance = random.Random(7)
    cloud = Losing(tmp_path, trigger)
    for number in range(200):
        #: The next coordinators pick up what stands still, so the last one is for the audit.
        kind = "half" if number == 199 else chance.choice(["well", "lost", "killed", "half"])
        line = f"{'bad' if number % 7 == 3 else 'good'}{number}".encode()
        if trigger == "each":
            cloud.arrive(f"{number:03d}", line, kind)
        else:  # markers over some objects each
            cloud.add(f"{number // 5:02d}/{number:03d}", line)
            if number % 5 == 4:
                cloud.arrive(f"{number // 5:02d}/_READY", b"", kind)
    cloud.time += HOUR + QUIET
    states = cloud.states()
    assert {"done", "lost", "failed", "half done"} <= states.keys(), states
    cloud.mend(clock)
    Words.broken = False
    cloud.time += QUIET + 1
    cloud.mend(clock)
    assert cloud.states().keys() == {"done"}
    read = cloud.read_by_successes()
    assert len(read) == 200
    assert set(read.values()) == {1}


def test_two_audits_at_once_start_the_same_run(tmp_path: Path) -> None:
    cloud = Losing(tmp_path, "each")
    cloud.add("a", b"x")
    cloud.time += HOUR * 2
    world = audit.World(
        root=tmp_path, environ={}, screen=terminal.Screen(io.StringIO(), terminal=False), clock=cloud,
        open_store=lambda work, runs: cloud.memory, invoker=lambda job: cloud.invoker(),
    )  # fmt: skip
    for _ in range(2):
        audit.main(["job", "--mend"], world)
    assert len(cloud.delivered) == 2
    cloud.run()
    assert cloud.read_by_successes() == {"x": 1}
    assert len(list_runs(cloud.memory, WORK)) == 1


def test_what_was_put_just_now_is_not_missed_yet(tmp_path: Path) -> None:
    cloud = Losing(tmp_path, "each")
    cloud.add("a", b"x")
    cloud.time += HOUR / 2
    assert cloud.states() == {"young": 1}
    assert cloud.audit()[0] == 0
    code, told = cloud.audit("--grace", "10m")
    assert (code, told.split()[:2]) == (1, ["lost", "s3://demo-in/data/a"])
    assert "--mend starts or resumes what is amiss" in told


def test_what_is_damaged_is_named_and_the_rest_is_audited_all_the_same(tmp_path: Path) -> None:
    cloud = Losing(tmp_path, "each")
    for name in ("damaged", "failed, and damaged", "fine"):
        Words.broken = name.startswith("failed")
        cloud.drop(name, b"bad")
        cloud.run()
        cloud.time += HOUR
    Words.broken = False
    cloud.add("lost", b"x")
    cloud.time += HOUR * 2
    first, second, _ = list_runs(cloud.memory, WORK)
    for keys in (first, second):
        cloud.memory.put(Loc("demo-out", f"{keys.run}/_manifest.json"), b"{")
        cloud.memory.put(keys.run_done, b"{")
    code, told = cloud.audit()
    assert code == 1
    for keys, name in ((first, "damaged"), (second, "failed, and damaged")):
        assert f"{keys.run} cannot be read, of s3://demo-in/data/{name}: s3://demo-" in told
    assert cloud.states() == {"unclear": 2, "done": 1, "lost": 1}
    assert cloud.audit("--mend")[0] == 1
    assert cloud.states() == {"unclear": 2, "done": 2}
    cloud.memory.put(second.plan, b"{")
    cloud.add("lost, too", b"x")
    cloud.time += HOUR * 2
    assert "and nobody can tell what started it" in cloud.audit("--mend")[1]
    assert cloud.states() == {"unclear": 3, "done": 2}, "it may be what was lost, and done"


def test_a_run_that_somebody_stopped_is_left_alone(tmp_path: Path) -> None:
    cloud = Losing(tmp_path, "each")
    cloud.time += 0.5
    cloud.when(
        lambda: any(name.endswith(PLAN_DONE) for name in cloud.names()),
        lambda: stop(cloud.memory, list_runs(cloud.memory, WORK)[0], "alice", "", cloud.time),
    )
    cloud.drop("a", b"x")
    cloud.run()
    cloud.time += HOUR * 2
    assert cloud.states() == {"stopped": 1}
    assert cloud.audit("--mend")[0] == 0
    assert cloud.read_by_successes() == {}


def test_what_others_have_read_since_a_lost_marker_is_not_read_again(tmp_path: Path) -> None:
    cloud = Losing(tmp_path, "marker")
    for name in ("a", "b"):
        cloud.add(f"may/{name}", name.encode())
    cloud.add("may/_READY", b"")
    cloud.time += HOUR * 2
    assert cloud.states() == {"lost": 1}
    cloud.drop("by hand.manifest", b"s3://demo-in/data/may/\n")
    cloud.run()
    assert cloud.states() == {"done": 2}
    cloud.add("may/c", b"c")
    assert cloud.states() == {"done": 1, "lost": 1}


def test_an_overwritten_object_is_another_one(tmp_path: Path) -> None:
    cloud = Losing(tmp_path, "each")
    cloud.drop("a", b"x")
    cloud.run()
    assert cloud.states() == {"done": 1}
    cloud.time += HOUR
    cloud.add("a", b"y")
    cloud.time += HOUR * 2
    assert cloud.states() == {"lost": 1}


def test_an_option_that_is_no_time(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        audit.parse(["job", "--grace", "soon"])
    assert "--grace: expected a time such as 1h or 15m, got 'soon'" in capsys.readouterr().err
