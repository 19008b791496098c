"""A result sorted from end to end: by one reducer, and by `output.sorted` over several."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib import FirstLetter, Hash, Job, Random, Range
from chalicelib.core.errors import ConfigError
from chalicelib.core.spec import JobSpec
from chalicelib.job.load_class import job_loader
from chalicelib.job.steps import all_steps
from chalicelib.local import LocalRun, run_local
from chalicelib.local.inputs import find_inputs
from chalicelib.mapreduce.exchange.partitions import ONE_PARTITION
from chalicelib.run import job_code
from tests.features.accumulate import test_simulated as totals
from tests.features.steps.jobs import ByCount, CountWords
from tests.worlds.simulation import SCRATCH, Simulation, spec

JOBS = Path(__file__).resolve().parents[2] / "jobs"
#: More than comes out as one part by itself.
WORDS = [f"w{number % 1499:04d}-{'x' * 60}" for number in range(140_000)]
LARGE = "".join(f"{word}\n" for word in WORDS).encode()
COUNTED = [f"{word}\t{count}".encode() for word, count in sorted(Counter(WORDS).items())]


def keys(text: bytes) -> list[bytes]:
    return [line.partition(b"\t")[0] for line in text.splitlines()]


def in_the_cloud(job: type[Job], body: bytes, job_spec: JobSpec, scratch: Path) -> Simulation:
    simulation = Simulation(job, job_spec, scratch)
    simulation.drop("a.txt", body)
    simulation.run()
    assert "_SUCCESS" in simulation.output(), simulation.output().get("_FAILED")
    return simulation


def here(job_spec: JobSpec, body: bytes, folder: Path) -> bytes:
    """The parts that the local engine writes, as one."""
    (folder / "in").mkdir()
    (folder / "in" / "a.txt").write_bytes(body)
    for name in ("out", "work"):
        (folder / name).mkdir()
    run_local(
        LocalRun(
            name="job",
            spec=replace(job_spec, job="sums:Sums"),
            run="20261121T032424-0123456789ab",
            inputs=find_inputs([str(folder / "in" / "a.txt")]),
            source="test",
            output=folder / "out",
            work=folder / "work",
            workers=2,
            load_job=job_loader(JOBS),
        )
    )
    return b"".join(path.read_bytes() for path in sorted((folder / "out").glob("part-*")))


def test_that_input_is_worth_several_partitions() -> None:
    assert len(LARGE) > ONE_PARTITION


@pytest.mark.parametrize("budget", [None, 1 << 16])
def test_one_reducer_sorts_the_whole_result_on_every_engine(tmp_path: Path, budget: int | None) -> None:
    """More than 8 MiB, which would be several partitions; with a small budget it is spilled and merged."""
    job_spec = spec(split_size=4 << 20, reducers=1, memory_budget=budget)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    simulation = in_the_cloud(CountWords, LARGE, job_spec, scratch)
    assert simulation.text().splitlines() == COUNTED
    assert len([name for name in simulation.output() if name.startswith("part-")]) == 1
    assert here(job_spec, LARGE, tmp_path) == simulation.text()


@pytest.mark.parametrize("reducers", [None, 2])
def test_sorted_output_over_several_reducers_on_every_engine(tmp_path: Path, reducers: int | None) -> None:
    job_spec = spec(split_size=4 << 20, reduce_size=20_000, reducers=reducers, output={"sorted": True})
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    simulation = in_the_cloud(CountWords, LARGE, job_spec, scratch)
    assert simulation.text().splitlines() == COUNTED
    parts = [name for name in simulation.output() if name.startswith("part-")]
    assert len(parts) > 1
    assert here(job_spec, LARGE, tmp_path) == simulation.text()


# -- the steps of a job whose result is sorted -----------------------------------------------------------

SPEC = spec(split_size=300, partitions=7, reduce_size=1, output={"sorted": True})
NUMBERS = random.Random(5).sample(range(900), 400)
LINES = "".join(f"k{number:03d} v{number % 7}\n" for number in NUMBERS).encode()


class Firsts(Job):
    """A reducer method, and values in order."""

    sort_values = True

    def mapper(self, _: None, line: str) -> Iterator[Any]:
        key, value = line.split()
        yield key[:3], value

    def reducer(self, key: str, values: Iterator[str]) -> Iterator[Any]:
        yield key, next(iter(values))


class Again(Job):
    def mapper(self, key: str, value: Any) -> Iterator[Any]:
        yield key, value


class ByLetter(CountWords):
    partitioner = FirstLetter()


class ByMethod(CountWords):
    def partitioner(self, key: str, n: int) -> int:
        return len(key)


class OwnHash(Hash):
    pass


@pytest.mark.parametrize(
    "job",
    [
        CountWords,
        Firsts,
        Again,
        type("Ranged", (CountWords,), {"partitioner": Range()}),
        type("Spread", (CountWords,), {"partitioner": Random()}),
        type("Stepped", (Job,), {"steps": (CountWords, Again)}),
        type("LettersFirst", (Job,), {"steps": (ByLetter, Again)}),
    ],
)
def test_rows_are_in_the_order_of_their_keys(job: type[Job], tmp_path: Path) -> None:
    if job is Again:
        job = type("Read", (Again,), {"mapper": lambda self, _, line: [(line, 1)]})
    simulation = in_the_cloud(job, LINES, SPEC, tmp_path)
    found = keys(simulation.text())
    assert len(found) > 50
    assert found == sorted(found)
    unsorted = replace(SPEC, output=replace(SPEC.output, sorted=False))
    calm = Simulation(job, unsorted, tmp_path)
    calm.drop("a.txt", LINES)
    calm.run()
    assert sorted(calm.text().splitlines()) == sorted(simulation.text().splitlines())
    parts = [body for name, body in simulation.output().items() if name.startswith("part-")]
    assert sum(map(bool, parts)) > 2


def test_an_order_of_the_jobs_own_is_kept(tmp_path: Path) -> None:
    job = type("Ordered", (CountWords,), {"order_by": "-key"})
    found = keys(in_the_cloud(job, LINES, SPEC, tmp_path).text())
    assert found == sorted(found, reverse=True)


def test_totals_are_sorted_too() -> None:
    simulation = Simulation(totals.Words, totals.small(output={"sorted": True}), SCRATCH)
    for number in range(4):
        totals.drop(simulation, number)
        simulation.run()
    assert simulation.errors == []
    assert [word for word, _ in totals.rows(simulation)] == sorted(totals.counted(*range(4)))


def test_only_the_last_step_is_changed() -> None:
    job = type("Stepped", (Job,), {"steps": (CountWords, ByCount)})
    first, last = all_steps(lambda _: job, SPEC).classes
    assert first is CountWords
    assert issubclass(last, ByCount)
    assert isinstance(last.partitioner, Range)


@pytest.mark.parametrize(
    ("job", "wanted"),
    [
        (ByLetter, "output.sorted: ByLetter.partitioner = FirstLetter() has an order of its own"),
        (ByMethod, "output.sorted: ByMethod.partitioner has an order of its own"),
        (
            type("Hashed", (CountWords,), {"partitioner": OwnHash()}),
            "output.sorted: Hashed.partitioner = OwnHash() has an order of its own",
        ),
        (
            type("Alone", (CountWords,), {"shuffle": False, "reducer": None}),
            "output.sorted: Alone: shuffle = False, so nothing is sorted",
        ),
    ],
)
def test_what_cannot_be_sorted_is_told(job: type[Job], wanted: str) -> None:
    with pytest.raises(ConfigError) as caught:
        job_code.check(lambda _: job, "job", SPEC)
    assert wanted in str(caught.value)
    assert "leave one of them out" in str(caught.value)
