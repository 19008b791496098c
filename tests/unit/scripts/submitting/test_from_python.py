"""`submit` of a deployed job from Python: it waits, gives records, says how runs stand, and stops them."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job, Sum
from chalicelib.config.load import LoadedJob
from chalicelib.core.errors import RunFailed, UserError
from chalicelib.core.keys import is_part
from chalicelib.core.ports import Loc
from scripts.console.terminal import Screen
from scripts.submitting.from_python import Deployed, submit
from scripts.submitting.waiting import Started
from scripts.submitting.world import World
from tests.worlds.simulation import IN, Simulation, spec

ROOT = Path(__file__).resolve().parents[4]
TEXT = "".join(f"w{number % 7} w{number % 3}\n" for number in range(60)).encode()
COUNTS = {f"w{n}": sum(line.split().count(f"w{n}") for line in TEXT.decode().splitlines()) for n in range(7)}


class Words(Job):
    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        for word in line.split():
            if word == "bad":
                raise ValueError("no such word")
            yield word, 1

    def reducer(self, word: str, counts: Iterator[int]) -> Iterator[Any]:
        yield self.output("shouted", word.upper()), None
        yield word, sum(counts)


class Totals(Words):
    reducer = Sum()  # type: ignore[assignment]


class Clock:
    """Whoever waits has the cloud go on, by one invocation."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation, self.pauses = simulation, 0

    def now(self) -> float:
        return self._simulation.time

    def pause(self, seconds: float) -> None:
        self.pauses += 1
        self._simulation.time += seconds
        if self._simulation._queue:
            self._simulation._one()


Begin = Callable[..., tuple[Deployed, Simulation]]


@pytest.fixture
def begin(tmp_path: Path) -> Begin:
    def call(
        body: bytes, job: type[Job] = Words, drops: bool = True, **figures: Any
    ) -> tuple[Deployed, Simulation]:
        given = spec(split_size=200, partitions=2, reduce_size=50, **figures)
        simulation = Simulation(job, given, tmp_path)
        world = World(
            root=tmp_path, environ={}, screen=Screen(io.StringIO()), clock=Clock(simulation),
            store=lambda: simulation.memory, upload=lambda path, loc: None,
        )  # fmt: skip
        if drops:
            simulation.drop("a.txt", body)
        loaded = LoadedJob(name="job", spec=given, path=tmp_path / "job.yml", provenance={})
        started = Started(simulation.memory, loaded, set(), [IN.child("a.txt")])
        return Deployed(started, world, lambda _: "ada"), simulation

    return call


def test_records_come_as_the_job_wrote_them(begin: Begin) -> None:
    run, _ = begin(TEXT, output={"format": "jsonl"}, outputs={"shouted": {"format": "text"}})
    assert run.status() == []
    assert not run.done
    assert dict(tuple(record.values()) for record in run.result()) == COUNTS
    assert run.done
    assert [manifest.records for manifest in run.wait()] == [2 * len(COUNTS)]
    assert sorted(run.result("shouted")) == [word.upper() for word in sorted(COUNTS)]
    with pytest.raises(UserError, match=r"outputs: there is no 'other': expected one of shouted"):
        list(run.result("other"))


@pytest.mark.parametrize(
    ("output", "made"),
    [
        ({"format": "pairs"}, lambda record: record),
        ({"format": "tsv", "compression": "gz"}, lambda line: line.split("\t")),
        ({"format": "csv"}, lambda row: row),
        ({"format": "csv", "header": True, "columns": "word, n"}, lambda row: (row["word"], row["n"])),
    ],
    ids=["pairs", "tsv", "csv", "csv with a header"],
)
def test_each_format_has_its_records(begin: Begin, output: dict[str, Any], made: Any) -> None:
    run, simulation = begin(TEXT, Totals, output=output)
    assert {word: int(count) for word, count in map(made, run.result())} == COUNTS
    assert sum(is_part(name) for name in simulation.output()) > 1


def test_a_run_that_fails_or_never_begins_says_so(begin: Begin) -> None:
    run, _ = begin(b"good\nbad\n", max_attempts=1)
    with pytest.raises(
        RunFailed, match=r"(?s)job job, run .*a\.txt, line at byte 5: ValueError: no such word"
    ):
        run.wait()
    lost, _ = begin(b"", drops=False)
    with pytest.raises(TimeoutError, match="has not ended in 2 s"):
        lost.wait(2)
    with pytest.raises(RunFailed, match=r"no run started within 3m .* for s3://in/data/a\.txt"):
        list(lost.result())


def test_a_run_is_cancelled_by_name(begin: Begin) -> None:
    run, simulation = begin(TEXT)
    while not run.status():
        simulation._one()
    assert run.cancel("enough") == 1
    with pytest.raises(RunFailed, match="stopped by ada: enough"):
        run.wait()
    simulation.run()
    assert simulation.memory.head(Loc("out", f"{run.status()[0].run}/_FAILED"))
    assert run.cancel() == 0


def test_files_and_objects_are_not_mixed(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected files to upload, or s3:// URLs"):
        submit("job", ["s3://in/a", tmp_path])


def test_an_installed_sluice_has_it_by_its_own_name() -> None:
    source = ROOT / "scripts/installed/__init__.py"
    code = (
        "import importlib.util as u; s = u.spec_from_file_location('sluice', "
        f"{str(source)!r}); m = u.module_from_spec(s); m.__file__ = {str(ROOT / 'x.py')!r}; s.loader.exec_module(m);\n"
        f"m.__file__ = {str(ROOT / 'x.py')!r}\n"
        "try: m.submit('job', [])\nexcept Exception as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    assert "submit: expected files to upload" in done.stdout
