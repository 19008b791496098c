"""What people are shown: counters while a run is under way and after it, groups that were set aside."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job
from chalicelib.config.check import problems
from chalicelib.core.ports import Loc
from chalicelib.core.spec import BadRecordsSpec, JobSpec
from chalicelib.run.status.collect import RunStatus, collect
from chalicelib.run.status.runs import list_runs
from scripts import quarantine, status
from scripts.console import terminal
from scripts.console.progress import picture
from tests.worlds.simulation import WORK, Simulation, spec


class Odd(Job):
    def mapper(self, _: Any, line: str) -> Any:
        self.count("lines mapped")
        yield int(line) % 10, 1

    def reducer(self, key: int, values: Any) -> Any:
        self.count("groups reduced")
        if key == 7:
            raise ValueError("seven")
        yield key, sum(values)


def run(tmp_path: Path) -> tuple[Simulation, list[RunStatus]]:
    """A run, and how it was told to stand when it had its reduce plan."""
    bad = BadRecordsSpec(policy="quarantine", max=1)
    world = Simulation(Odd, spec(split_size=40, partitions=2, bad_records=bad), tmp_path)
    seen: list[RunStatus] = []
    world.when(
        lambda: any(name.endswith("reduce/started") for name in world.names()),
        lambda: seen.append(told(world)),
    )
    world.drop("a.txt", "".join(f"{number}\n" for number in range(1000)).encode())
    world.run()
    return world, seen


def told(world: Simulation) -> RunStatus:
    (keys,) = list_runs(world.memory, WORK)
    return collect(world.memory, keys, now=world.time)


def test_counters_are_told_while_a_run_is_under_way_and_after_it(tmp_path: Path) -> None:
    world, (before,) = run(tmp_path)
    assert before.phase == "reducing"
    assert before.counters == {"lines mapped": 1000}
    assert told(world).counters == {"lines mapped": 1000, "groups reduced": 9}
    shown = ["".join(text for text, _ in line) for line in picture(told(world), terminal=False)]
    assert [line.split() for line in shown if "mapped" in line or "reduced" in line] == [
        ["counted", "1,000", "lines", "mapped"],
        ["9", "groups", "reduced"],
    ]


class Clock:
    def now(self) -> float:
        return 1_700_000_000.0

    def pause(self, seconds: float) -> None:
        raise AssertionError("nothing here waits")


def test_a_group_that_was_set_aside_is_shown_and_not_driven_again(tmp_path: Path) -> None:
    world, _ = run(tmp_path)
    before = [info.key for info in world.memory.list(Loc("in", ""))]
    out = io.StringIO()
    around = status.World(
        root=tmp_path,
        environ={},
        screen=terminal.Screen(out, terminal=False),
        clock=Clock(),
        open_store=lambda work, runs: world.memory,
    )
    assert quarantine.main(["job", "latest", "--work", "s3://work/", "--redrive"], around) == 0
    assert "group of key 7: ValueError: seven" in out.getvalue()
    assert "the group of key 7: its records are not known: mend the reducer" in out.getvalue()
    assert [info.key for info in world.memory.list(Loc("in", ""))] == before


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ("stop.txt, s3://bucket/a/b.txt", None),
        ("/tmp/stop.txt", "/tmp/stop.txt: expected a file beside the job file, or s3://bucket/key"),
        ("s3://bucket", "s3://bucket: expected s3://bucket/key, one object"),
        ("s3://bucket/folder/", "s3://bucket/folder/: expected s3://bucket/key, one object"),
    ],
)
def test_side_files_of_a_deployment(files: str, message: str | None) -> None:
    job: JobSpec = spec("words:Words", files=files)
    assert [problem.text for problem in problems(job, "a") if problem.key == "files"] == [message] * bool(
        message
    )
