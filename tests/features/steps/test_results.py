"""`self.run.result`: an earlier step's pairs in every task of a later one, the same on every engine, whatever dies."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job, Sum
from chalicelib.core.errors import UserError
from chalicelib.core.ports import Loc
from chalicelib.testing import run_job
from tests.features.steps.test_local import Folder
from tests.strategies import places
from tests.worlds.simulation import SCRATCH, Simulation, spec

LINES = ["the quick brown fox", "jumps over the lazy dog", "the end of the fox", "dog dog dog"]
TEXT = "".join(f"{line}\n" for line in LINES).encode()


class Words(Job):
    """(line, its words): each word once a line."""

    def mapper(self, _: None, line: str) -> Iterator[Any]:
        yield line, line.split()

    def reducer(self, line: str, words: Iterator[Any]) -> Iterator[Any]:
        yield line, next(words)


class Often(Job):
    """How often a word occurs, by itself."""

    def mapper(self, _line: str, words: list[str]) -> Iterator[Any]:
        for word in words:
            yield word, 1

    reducer = Sum()


class Shares(Job):
    """Each word with its share of all, which mapper, combiner and reducer know; in order."""

    order_by = "-value"

    def mapper(self, word: str, count: int) -> Iterator[Any]:
        often = self.run.result(Often)
        assert often[word] == count
        yield word, [count, sum(often.values()), len(self.run.result(Words))]

    def reducer(self, word: str, found: Iterator[list[int]]) -> Iterator[Any]:
        ((count, words, lines),) = found
        assert sum(self.run.result(Often).values()) == words
        yield word, [count, words, lines]


class Job3(Job):
    steps = (Words, Often, Shares)


def oracle() -> list[str]:
    words = Counter(word for line in LINES for word in line.split())
    rows = sorted((-count, word) for word, count in words.items())
    return [f"{word}\t[{-count},{words.total()},{len(LINES)}]" for count, word in rows]


def simulate(job: type[Job] = Job3, **how: Any) -> Simulation:
    figures = {"split_size": 20, "partitions": 3, "reduce_size": 1, **how.pop("figures", {})}
    simulation = Simulation(job, spec(**figures), SCRATCH, **how)
    simulation.drop("a.txt", TEXT)
    simulation.run()
    return simulation


@cache
def calm() -> Simulation:
    return simulate()


def test_every_task_of_every_engine_reads_the_same(tmp_path: Path) -> None:
    rows = [f"{word}\t{row}".replace(", ", ",") for word, row in run_job(Job3, LINES, split_size=20)]
    assert rows == oracle()
    assert calm().text().decode().splitlines() == oracle()
    assert Folder(tmp_path).run(Job3, TEXT).decode().splitlines() == oracle()


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_kill_at_any_call_changes_nothing(before: bool) -> None:
    for number in places(calm().calls, 14, 1 + before):
        killed = simulate(kill_at=[number], before=before)
        assert (len(killed.killed), killed.text()) == (1, calm().text()), f"call {number}"


class Repeats(Often):
    """Gives a key as often as it occurs."""

    reducer = None


class Wrong(Job):
    """Asks for what `params.wanted` names."""

    def mapper(self, word: str, _count: int) -> Iterator[Any]:
        wanted = {"twice": Repeats, "large": Words, "later": Wrong, "none": "Words"}
        yield word, len(self.run.result(wanted[self.params["wanted"]]))  # type: ignore[arg-type]


class WrongJob(Job):
    steps = (Words, Repeats, Wrong)


@pytest.mark.parametrize(
    ("wanted", "figures", "why"),
    [
        (
            "twice",
            {},
            r"self\.run\.result\(Repeats\): the result has several values of the key '\w+': reduce",
        ),
        (
            "large",
            {"memory_budget": 600},
            r"the result \(4 pairs\) takes more memory than the 100 bytes .* join with",
        ),
        (
            "later",
            {},
            r"self\.run\.result\(Wrong\): the result is of no step that is done: those are Words, Repeats",
        ),
        ("none", {}, r"self\.run\.result: expected a class of the job's steps, got 'Words'"),
    ],
)
def test_what_cannot_be_read_is_no_records_fault(wanted: str, figures: dict[str, Any], why: str) -> None:
    bad = {"policy": "quarantine", "max": 1000, "max_fraction": 1.0}
    found = simulate(WrongJob, figures={"params": {"wanted": wanted}, "bad_records": bad, **figures})
    assert re.search(rf"job job, run .*, step 3 of 3: mapper: .*{why}", found.output()["_FAILED"].decode())
    if not figures:
        with pytest.raises(UserError, match=why):
            run_job(WrongJob, LINES, params={"wanted": wanted})


def test_a_result_in_very_many_objects_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.run.manifest._MOST_OF_ONE", 1)
    assert re.search(
        r"self\.run\.result\(Often\): the result is in too many objects, .*: let a reducer",
        simulate().output()["_FAILED"].decode(),
    )


def test_one_that_was_damaged_is_not_taken_for_whole() -> None:
    simulation = Simulation(Job3, spec(split_size=20, partitions=3, reduce_size=1), SCRATCH)

    def keys(name: str) -> list[str]:
        return [row.key for row in simulation.memory.list(Loc("work", "")) if name in row.key]

    def damage() -> None:
        loc = next(
            Loc("work", key) for key in keys("/step-1/input/") if simulation.memory.get(Loc("work", key))
        )
        simulation.memory.put(loc, simulation.memory.get(loc)[:-1])

    simulation.when(lambda: bool(keys("/step-2/plan.json")), damage)
    simulation.drop("a.txt", TEXT)
    simulation.run()
    assert re.search(
        r"step-1/input/.*: (the run file ends|expected \d+ bytes)", simulation.output()["_FAILED"].decode()
    )
