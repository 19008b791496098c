"""`self.run`: what a run knows before a step, the same on every engine, however the input is cut and whatever dies."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job, Random, Sum
from chalicelib.core.errors import UserError
from chalicelib.testing import run_job
from tests.features.steps.test_local import Folder
from tests.strategies import places
from tests.worlds.simulation import SCRATCH, Simulation, spec

DOCUMENTS = [
    "the quick brown fox",
    "jumps over the lazy dog",
    "the end of the fox",
    "dog dog dog",
    "",
]
TEXT = "".join(f"{document}\n" for document in DOCUMENTS).encode()


class Frequencies(Job):
    """How often a word occurs in a document, which is a line."""

    def mapper(self, _: None, line: str) -> Iterator[Any]:
        self.count("documents", bool(line))
        for word, count in Counter(line.split()).items():
            yield word, [line.split()[0], count]

    def reducer(self, word: str, found: Iterator[list[Any]]) -> Iterator[Any]:
        for _first, count in found:
            yield word, count


class Weights(Job):
    """Each word's largest tf-idf."""

    def mapper(self, word: str, count: int) -> Iterator[Any]:
        yield word, count

    def reducer(self, word: str, counts: Iterator[int]) -> Iterator[Any]:
        found = list(counts)
        documents = self.run.counters["documents"]
        assert documents == self.run.steps[0].counters["documents"]
        yield word, [round(max(found) * math.log(documents / len(found)), 6), self.run.records]


class TfIdf(Job):
    steps = (Frequencies, Weights)


def oracle() -> list[str]:
    words = [Counter(document.split()) for document in DOCUMENTS if document]
    rows = []
    for word in sorted(set().union(*words)):
        found = [count[word] for count in words if word in count]
        weight = round(max(found) * math.log(len(words) / len(found)), 6)
        rows.append(f"{word}\t[{json.dumps(weight)},{len(DOCUMENTS)}]")
    return rows


def simulate(job: type[Job] = TfIdf, split_size: int = 20, **how: Any) -> Simulation:
    simulation = Simulation(job, spec(split_size=split_size, partitions=3, reduce_size=1), SCRATCH, **how)
    simulation.drop("a.txt", TEXT)
    simulation.run()
    return simulation


@cache
def calm() -> Simulation:
    return simulate()


@pytest.mark.parametrize("split_size", [1, 20, 1 << 20])
def test_the_number_of_documents_is_known_to_the_second_step(split_size: int) -> None:
    rows = [f"{word}\t{json.dumps(row, separators=(',', ':'))}" for word, row in run_job(TfIdf, DOCUMENTS)]
    assert rows == oracle()
    assert sorted(simulate(split_size=split_size).text().decode().splitlines()) == oracle()


def test_on_this_machine(tmp_path: Path) -> None:
    assert sorted(Folder(tmp_path).run(TfIdf, TEXT).decode().splitlines()) == oracle()


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_kill_at_any_call_changes_nothing(before: bool) -> None:
    for number in places(calm().calls, 14, 1 + before):
        killed = simulate(kill_at=[number], before=before)
        assert (len(killed.killed), killed.text()) == (1, calm().text()), f"call {number}"


class Shown(Job):
    """What each step sees of the run."""

    def mapper(self, key: Any, _value: Any) -> Iterator[Any]:
        done = [(step.records_in, step.records_out, step.counters) for step in self.run.steps]
        self.count("seen", 1 + len(done))
        yield str(key or "line"), json.dumps([self.run.inputs, self.run.bytes, done])

    def reducer(self, key: str, values: Iterator[str]) -> Iterator[Any]:
        yield key, min(values)


class ShownThrice(Job):
    steps = (Shown, Shown, Shown)


def test_each_step_sees_all_before_it_and_none_of_its_own() -> None:
    first = [5, 1, {"seen": 5}]
    seen = [1, len(TEXT), [first, [1, 1, {"seen": 2}]]]
    assert run_job(ShownThrice, DOCUMENTS) == [("line", json.dumps(seen))]
    (row,) = simulate(ShownThrice).text().decode().splitlines()
    assert row == f"line\t{json.dumps(seen)}"


class Hot(Job):
    """A job whose values are spread is two steps."""

    def mapper(self, _: None, line: str) -> Iterator[Any]:
        yield self.run.inputs, len(line.split())

    def combiner(self, key: int, values: Iterator[int]) -> Iterator[Any]:
        yield key, sum(values)

    def reducer(self, key: int, values: Iterator[int]) -> Iterator[Any]:
        yield key, sum(values)

    def having(self, _key: int, value: int) -> bool:  # in the second step alone
        return value > self.run.records and len(self.run.steps) == 1

    partitioner = Random()


def test_a_step_that_sluice_adds_counts_too() -> None:
    words = len(TEXT.split())
    assert run_job(Hot, DOCUMENTS, partitions=3) == [(1, words)]
    assert simulate(Hot).text() == b"1\t%d\n" % words


class TooEarly(Job):
    def mapper(self, _: None, _line: str) -> Iterator[Any]:
        yield None, self.run.records


def test_what_is_not_known_yet_is_an_error() -> None:
    with pytest.raises(UserError, match=r"self\.run\.records: nobody knows it before the first step is done"):
        run_job(TooEarly, ["a"])
    with pytest.raises(UserError, match=r"self\.run: there is no single run here"):
        _ = Frequencies().run


class Totals(Job):
    """With `accumulate` what is rendered is of many runs."""

    def mapper(self, _: None, line: str) -> Iterator[Any]:
        yield f"{self.run.inputs} file", len(line.split())

    reducer = Sum()

    def having(self, key: Any, value: Any) -> bool:
        return bool(self.run.inputs)


def test_over_totals_there_is_no_single_run() -> None:
    simulation = Simulation(Totals, spec(accumulate=True), SCRATCH)
    simulation.drop("a.txt", TEXT)
    simulation.run()
    assert "self.run: there is no single run here" in simulation.output()["_FAILED"].decode()
