"""Many faults at once on the local engine: real processes, really killed; the output is the same bytes.

`make chaos` runs all seeds; otherwise a sample. A run that fails can be had again, as far as the order in which
the processes come to run allows, by its seed.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib import Job, Sum
from chalicelib.core.errors import RunFailed
from chalicelib.core.keys import RunKeys
from chalicelib.core.outcome import Manifest
from chalicelib.core.ports import Loc
from chalicelib.core.spec import BadRecordsSpec, JobSpec
from chalicelib.local import LocalRun, run_local
from chalicelib.local.inputs import find_inputs
from chalicelib.local.workers import World
from chalicelib.stores.folder import TEMPORARY
from tests.chaos.grammar import odd_results, odd_work
from tests.chaos.table import faults, render
from tests.chaos.trouble import Log, Rates, Trouble, rates
from tests.worlds.simulation import spec

RUN = "20261121T032424-0123456789ab"
FULL = os.environ.get("CHAOS") == "full"
SEEDS = range(300 if FULL else 10)
HOPELESS = range(40 if FULL else 2)


class Words(Job):
    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        for word in line.split():
            yield word, 1

    reducer = Sum()


class Ordered(Job):
    """The values of a key reach the reducer in input order."""

    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        yield line[:1], line

    def reducer(self, initial: str, lines: Iterator[str]) -> Iterator[Any]:
        yield initial, "|".join(lines)


class Poisoned(Words):
    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        if line.startswith("w7"):
            raise ValueError("poison")
        yield from super().mapper(_, line)


class Slow(Job):
    """Takes several times the life of an invocation, in map and in reduce."""

    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        time.sleep(0.002)
        yield line[:2], line

    def reducer(self, key: str, lines: Iterator[str]) -> Iterator[Any]:
        time.sleep(0.02)
        yield key, sorted(lines)


@dataclass(frozen=True)
class Case:
    """A job, its configuration, and the life of its invocations in their own seconds."""

    job: type[Job]
    spec: JobSpec
    lines: int
    lifetime: float | None = None


def case(job: type[Job], lines: int, lifetime: float | None = None, **figures: Any) -> Case:
    plain = {"split_size": 600, "partitions": 4, "reduce_size": 1, "max_attempts": 20}
    return Case(job, spec(**{**plain, **figures}), lines, lifetime)


CASES = {
    "words": case(Words, 150),
    "ordered": case(Ordered, 150),
    "poisoned": case(Poisoned, 150, bad_records=BadRecordsSpec(policy="quarantine", max_fraction=0.5)),
    "spilling": case(Words, 6000, split_size=12_000, memory_budget=60_000),
    "slow": case(Slow, 120, split_size=2_000, lifetime=12.0),
}


def text(lines: int) -> bytes:
    chance = random.Random(lines)
    rows = [" ".join(f"w{chance.randrange(lines)}" for _ in range(4)) for _ in range(lines)]
    return "\n".join(rows).encode()


def expected(name: str) -> dict[str, Any]:
    """What a case puts out, in plain Python."""
    rows = text(CASES[name].lines).decode().splitlines()
    if name == "poisoned":
        rows = [row for row in rows if not row.startswith("w7")]
    if name == "ordered":
        return {"w": "|".join(rows)}
    if name == "slow":
        return {key: sorted(row for row in rows if row[:2] == key) for key in {row[:2] for row in rows}}
    return dict(Counter(" ".join(rows).split()))


@dataclass(frozen=True)
class Outcome:
    case: str
    text: bytes
    manifest: Manifest | None
    #: What `_FAILED` says, if the run failed.
    failure: str
    seconds: float
    injected: Counter[str]
    #: Offsets of the bad records that were set aside.
    bad: tuple[int, ...]
    #: Files of killed writers in the work place, which have no key.
    unfinished: int


def execute(name: str, folder: Path, world: Callable[[Log], World], **figures: Any) -> Outcome:
    case = CASES[name]
    for part in ("in", "out", "work"):
        (folder / part).mkdir()
    (folder / "in/a.txt").write_bytes(text(case.lines))
    log = Log(folder / "faults.log")
    failure, manifest, began = "", None, time.monotonic()
    try:
        manifest = run_local(
            LocalRun(
                name="chaos",
                spec=replace(case.spec, **figures),
                run=RUN,
                inputs=find_inputs([str(folder / "in")]),
                source="test",
                output=folder / "out",
                work=folder / "work",
                workers=2,
                load_job=lambda _: case.job,
                world=world(log),
            )
        )
    except RunFailed as error:
        failure = str(error)
    seconds = time.monotonic() - began
    return Outcome(
        case=name,
        text=b"".join(path.read_bytes() for path in sorted((folder / "out").glob("part-*"))),
        manifest=manifest,
        failure=failure,
        seconds=seconds,
        injected=log.counts(),
        bad=tuple(_bad(folder, manifest)),
        unfinished=_leftovers(folder),
    )


def _bad(folder: Path, manifest: Manifest | None) -> Iterator[int]:
    for key in manifest.quarantine if manifest else ():
        for line in (folder / "work" / key).read_text().splitlines():
            yield json.loads(line)["offset"]


def _leftovers(folder: Path) -> int:
    """Look at every file: each has a documented key, or is one that a killed process was writing."""
    keys = RunKeys(Loc("", ""), "chaos", RUN)
    logs = [*(folder / "work").glob(keys.log("*").key)]
    files = [path for path in (folder / "work").rglob("*") if path.is_file()]
    scratch = [path for path in files if path.is_relative_to(folder / "work/tmp")]
    unfinished = [path for path in files if path.name.startswith(TEMPORARY)]
    objects = [path for path in files if path not in (*scratch, *unfinished, *logs)]
    assert odd_work(keys.root.key, [str(path.relative_to(folder / "work")) for path in objects]) == []
    results = [path.name for path in (folder / "out").iterdir()]
    assert odd_results("", results) == []
    assert ("_SUCCESS" in results) != ("_FAILED" in results), results
    return len(scratch) + len(unfinished)


@cache
def calm(name: str) -> Outcome:
    with TemporaryDirectory() as folder:
        return execute(name, Path(folder), lambda _: World())


@pytest.mark.parametrize("name", CASES)
def test_the_calm_runs_are_right(name: str) -> None:
    rows = [line.partition("\t") for line in calm(name).text.decode().splitlines()]
    found = {key: value if name == "ordered" else json.loads(value) for key, _, value in rows}
    assert found == expected(name)
    assert len(found) == len(rows)


def figures(manifest: Manifest) -> tuple[Any, ...]:
    """What a manifest says that may not depend on how often anything was done."""
    return (
        manifest.outcome,
        manifest.records,
        manifest.bytes,
        manifest.input_bytes,
        manifest.mapped.records_in,
        manifest.counters,
        manifest.bad,
    )


def check_success(outcome: Outcome) -> None:
    quiet = calm(outcome.case)
    assert outcome.failure == ""
    assert outcome.manifest is not None
    assert quiet.manifest is not None
    assert outcome.text == quiet.text
    assert figures(outcome.manifest) == figures(quiet.manifest)
    assert sum(part.bytes for part in outcome.manifest.parts) == len(quiet.text)
    assert sorted(outcome.bad) == sorted(quiet.bad)


def test_an_attempt_that_goes_on_in_pieces_counts_each_record_once(tmp_path: Path) -> None:
    outcome = execute("slow", tmp_path, lambda log: Trouble(0, log, Rates(), lifetime=CASES["slow"].lifetime))
    assert outcome.manifest is not None
    assert outcome.manifest.mapped.records_in == CASES["slow"].lines


def troubled(seed: int, folder: Path) -> Outcome:
    name = list(CASES)[seed % len(CASES)]

    def world(log: Log) -> World:
        return Trouble(seed, log, rates(seed), lifetime=CASES[name].lifetime)

    return execute(name, folder, world)


class Totals:
    """All outcomes, for the figures that `docs/reliability.md` keeps."""

    def __init__(self) -> None:
        self.survived: list[Outcome] = []
        self.hopeless: list[Outcome] = []

    def injected(self) -> Counter[str]:
        counts: Counter[str] = sum((outcome.injected for outcome in self.survived), Counter())
        counts["process"] -= 3 * len(
            self.survived
        )  # two workers and a supervisor in each run, before any death
        return counts

    def __str__(self) -> str:
        counts = self.injected()
        forked = counts.pop("process")
        longest = max((outcome.seconds for outcome in self.survived), default=0.0)
        rows = [(name, sum(outcome.case == name for outcome in self.survived)) for name in CASES]
        ends = Counter("failed, and says why" if o.failure else "right" for o in self.hopeless)
        return "\n".join(
            (
                f"{len(self.survived)} survivable runs, {forked} processes replaced, longest {longest:.1f} s",
                faults(counts),
                render(["job", "runs with the calm run's bytes"], rows),
                f"{len(self.hopeless)} runs with too many faults: {dict(ends)}",
                f"unfinished files of killed writers: {sum(o.unfinished for o in self.survived)}",
            )
        )


@pytest.fixture(scope="module")
def totals() -> Iterator[Totals]:
    found = Totals()
    yield found
    print(f"\n{found}")
    if FULL and len(found.survived) == len(SEEDS):
        assert all(found.injected()[kind] for kind in Trouble.KINDS), "a kind of fault was never met"


@pytest.mark.parametrize("seed", SEEDS)
def test_any_faults_at_once_leave_the_bytes_as_they_are(seed: int, tmp_path: Path, totals: Totals) -> None:
    outcome = troubled(seed, tmp_path)
    totals.survived.append(outcome)
    check_success(outcome)


@pytest.mark.parametrize("seed", HOPELESS)
def test_too_many_faults_end_in_the_right_answer_or_a_clear_failure(
    seed: int, tmp_path: Path, totals: Totals
) -> None:
    """One attempt a task, and trouble without end: whoever cannot succeed says so."""
    likely = Rates(refused=0.012, lost=0.012, killed_after=0.02, event_twice=0.3)

    def world(log: Log) -> World:
        return Trouble(seed, log, likely, limit=80)

    outcome = execute(("words", "ordered")[seed % 2], tmp_path, world, max_attempts=1 + seed % 2)
    totals.hopeless.append(outcome)
    if outcome.failure:
        assert "said the test" in outcome.failure or "its process was killed" in outcome.failure
        assert " task " in outcome.failure
    else:
        check_success(outcome)
