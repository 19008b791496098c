"""Jobs of several steps on this machine: right, the same for any number of workers, and clear when they fail."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job, Range
from chalicelib.core.errors import RunFailed
from chalicelib.core.outcome import Manifest
from chalicelib.core.spec import InputSpec, JobSpec, OutputSpec, PlaceSpec
from chalicelib.local import LocalRun, run_local
from chalicelib.local.inputs import find_inputs
from tests.features.steps.jobs import TEXT, ByCount, CountWords, ThreeSteps, three_steps
from tests.features.steps.test_ordering import COUNTED, LINES, Counted
from tests.features.steps.test_shapes import LINES as NUMBERED
from tests.features.steps.test_shapes import Mixed, Upper, upper
from tests.worlds.simulation import Simulation, spec

RUN = "20261121T032424-0123456789ab"


class Folder:
    def __init__(self, root: Path) -> None:
        self.output, self.work, self.input = root / "out", root / "work", root / "a.txt"
        self.output.mkdir()
        self.work.mkdir()
        #: (phase, done, total) as a display is told.
        self.shown: list[tuple[int, str, int, int]] = []

    def spec(self, **figures: Any) -> JobSpec:
        return JobSpec(
            job="job:Job",
            input=InputSpec(url=str(self.input)),
            work=PlaceSpec(url=str(self.work)),
            output=OutputSpec(url=str(self.output)),
            **{"partitions": 4, "reduce_size": 1, "split_size": 40, **figures},
        )

    def run(self, job: type[Any], body: bytes, *, workers: int = 2, **figures: Any) -> bytes:
        self.input.write_bytes(body)
        run = LocalRun(
            name="job",
            spec=self.spec(**figures),
            run=RUN,
            inputs=find_inputs([str(self.input)]),
            source="test",
            output=self.output,
            work=self.work,
            workers=workers,
            load_job=lambda _: job,
            progress=lambda *told: self.shown.append(told),
        )
        self.manifest: Manifest = run_local(run)
        assert (self.output / "_SUCCESS").is_file()
        return b"".join(path.read_bytes() for path in sorted(self.output.glob("part-*")))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("split_size", [9, 1 << 20])
def test_three_steps(workers: int, split_size: int, folder: Folder) -> None:
    body = folder.run(ThreeSteps, TEXT, workers=workers, split_size=split_size)
    assert sorted(body.decode().splitlines()) == three_steps(TEXT)
    assert folder.manifest.steps == 3
    assert folder.manifest.map_tasks >= 3
    assert folder.shown[0][:3] == (0, "map", 0), "what is to be done is told"
    assert {step for step, *_ in folder.shown} == {0, 1, 2}


def test_the_bytes_are_those_of_the_simulated_cloud(folder: Folder, tmp_path: Path) -> None:
    simulation = Simulation(ThreeSteps, spec(partitions=4, reduce_size=1, split_size=40), tmp_path)
    simulation.drop("a.txt", TEXT)
    simulation.run()
    assert folder.run(ThreeSteps, TEXT) == simulation.text()


def test_order_and_limit(folder: Folder) -> None:
    job = type("Sorted", (Counted,), {"order_by": "-value", "limit": 20})
    rows = [line.split("\t") for line in folder.run(job, LINES, split_size=700).decode().splitlines()]
    assert [(key, int(value)) for key, value in rows] == sorted(COUNTED, key=lambda row: (-row[1], row[0]))[
        :20
    ]


@pytest.mark.parametrize(("job", "text"), [(Upper, NUMBERED), (Mixed, TEXT)])
def test_map_only(job: type[Job], text: bytes, folder: Folder, tmp_path: Path) -> None:
    simulation = Simulation(job, spec(partitions=4, reduce_size=1, split_size=200), tmp_path)
    simulation.drop("a.txt", text)
    simulation.run()
    assert folder.run(job, text, split_size=200) == simulation.text()
    if job is Upper:
        assert simulation.text().decode().splitlines() == upper(text)


class Many(Job):
    steps = [CountWords] + [
        type("Again", (CountWords,), {"mapper": lambda self, key, value: [(key, value + 1)]})
    ] * 12


def test_a_dozen_steps(folder: Folder) -> None:
    rows = dict(line.split("\t") for line in folder.run(Many, b"a b a\n").decode().splitlines())
    assert rows == {"a": "14", "b": "13"}


class Killed(ByCount):
    """Its first execution takes its process with it."""

    flag: Path

    def mapper_init(self) -> None:
        if not self.flag.exists():
            self.flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_that_dies_in_a_later_step_is_replaced(folder: Folder, tmp_path: Path) -> None:
    killed = type("Killed", (Killed,), {"flag": tmp_path / "flag"})
    job = type("Steps", (Job,), {"steps": (CountWords, killed, *ThreeSteps.steps[2:])})
    assert sorted(folder.run(job, TEXT).decode().splitlines()) == three_steps(TEXT)
    assert (tmp_path / "flag").exists()


class Fails(ByCount):
    def reducer(self, key: Any, values: Iterator[Any]) -> Iterator[Any]:
        raise ValueError("boom")


class CannotBePlanned(ByCount):
    """Its keys are in total order, so its mapper runs over a sample before the step begins."""

    partitioner = Range()

    def mapper_init(self) -> None:
        raise ValueError("no sample")


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ((CountWords, Fails, Fails), r"step 2 of 3: reduce task \d+: job job: reducer, at key .*boom"),
        ((CountWords, ByCount, CannotBePlanned), "step 3 of 3: could not be planned: .*no sample"),
    ],
)
def test_a_step_that_fails_is_named(steps: Sequence[type[Job]], message: str, folder: Folder) -> None:
    with pytest.raises(RunFailed, match=message):
        folder.run(type("Steps", (Job,), {"steps": steps}), TEXT)
    assert not (folder.output / "_SUCCESS").exists()
    assert not list(folder.output.glob("part-*"))
