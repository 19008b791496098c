"""`run_job` gives what the engines give."""

from __future__ import annotations

import gzip
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Avg, Job, Sum
from chalicelib.core.errors import ConfigError, JobCodeError, RunFailed
from chalicelib.core.tasks import BadRecord
from chalicelib.job.partitioners import Range
from chalicelib.mapreduce.output.text import tsv
from chalicelib.testing import Object, Totals, run_job
from tests.worlds.simulation import Simulation, spec

CSV = {"format": "csv", "header": True}
TEXT = ["the quick brown fox", "jumps over the lazy dog", "", "the end"] * 5


class Words(Job):
    def mapper(self, _: Any, line: str) -> Any:
        for word in line.split():
            yield word, len(line)

    reducer = Sum()


class Longest(Words):
    def reducer(self, word: str, values: Any) -> Any:
        yield word, (max(values), self.params.get("unit", "chars"))


class Mean(Job):
    def mapper(self, _: Any, row: dict[str, str]) -> Any:
        yield row["name"], int(row["n"])

    reducer = Avg()


class Ordered(Words):
    partitioner = Range()


def test_words_and_their_oracle() -> None:
    expected: Counter[str] = Counter()
    for line in TEXT:
        for word in line.split():
            expected[word] += len(line)
    assert run_job(Words, TEXT) == sorted(expected.items())
    assert run_job(Words, "\n".join(TEXT)) == sorted(expected.items())
    assert run_job(Ordered, TEXT, partitions=5, split_size=20) == sorted(expected.items())


@pytest.mark.parametrize("job", [Words, Longest])
@pytest.mark.parametrize(("split_size", "partitions"), [(1 << 20, 1), (7, 1), (30, 6)])
def test_the_same_as_a_run(job: type[Job], split_size: int, partitions: int, tmp_path: Path) -> None:
    simulation = Simulation(job, spec(split_size=split_size, partitions=partitions), tmp_path)
    simulation.drop("a.txt", "\n".join(TEXT).encode())
    simulation.run()
    pairs = run_job(job, "\n".join(TEXT), split_size=split_size, partitions=partitions)
    assert tsv([key for key, _ in pairs], [value for _, value in pairs]) == simulation.text()


def test_params_and_input_settings() -> None:
    assert run_job(Longest, ["a"], params={"unit": "letters"}) == [("a", (1, "letters"))]
    rows = run_job(Mean, ["name,n", "a,1", "b,5", "a,2"], input={"format": "csv", "header": True})
    assert rows == [("a", 1.5), ("b", 5.0)]


def test_no_records_no_pairs() -> None:
    assert run_job(Words, []) == []


def test_the_users_error_is_chained() -> None:
    class Broken(Words):
        def mapper(self, _: Any, line: str) -> Any:
            yield int(line), 1

    with pytest.raises(JobCodeError, match="line at byte 2: ValueError") as caught:
        run_job(Broken, ["1", "two"])
    assert isinstance(caught.value.__cause__, ValueError)


class Sizes(Job):
    """Which objects there were, and what is known of each."""

    def mapper(self, _: Any, line: str) -> Any:
        about = self.input
        yield about.key, (about.url, about.size, about.offset, line)

    def reducer(self, key: str, values: Any) -> Any:
        yield key, list(values)


def test_objects_have_names_and_all_that_a_mapper_can_ask() -> None:
    objects = [Object("b.txt.gz", gzip.compress(b"x\n", mtime=0)), Object("a.txt", ["one", "two"])]
    assert run_job(Sizes, objects) == [
        ("in/a.txt", [("s3://memory/in/a.txt", 8, 0, "one"), ("s3://memory/in/a.txt", 8, 4, "two")]),
        ("in/b.txt.gz", [("s3://memory/in/b.txt.gz", 22, 0, "x")]),
    ]


def test_objects_of_several_inputs() -> None:
    class Tags(Job):
        def mapper(self, _: Any, line: str) -> Any:
            yield (self.input.tag, self.input.key), line

    given = {"users": [Object("1", "a")], "visits": [Object("1", "b"), Object("2", "c")]}
    assert run_job(Tags, given) == [
        (("users", "in-users/1"), "a"),
        (("visits", "in-visits/1"), "b"),
        (("visits", "in-visits/2"), "c"),
    ]


@pytest.mark.parametrize(
    ("objects", "text"),
    [
        ([Object("a", "x"), Object("a", "y")], "two objects are called 'a'"),
        ([Object("a", "x"), "line"], "expected lines or objects, got Object(...) and 'line'"),
    ],
)
def test_objects_that_cannot_be_told_apart_are_refused(objects: Any, text: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(text)):
        run_job(Words, objects)


class Numbers(Job):
    def mapper(self, _: Any, line: str) -> Any:
        self.count("lines")
        yield len(line), int(line)

    def reducer(self, length: int, numbers: Any) -> Any:
        yield length, 10 // (sum(numbers) - 3)


@pytest.mark.parametrize("split_size", [1, 1 << 20])
def test_bad_records_and_groups_are_set_aside(split_size: int) -> None:
    bad: list[BadRecord] = []
    counted: dict[str, int] = {}
    rows = run_job(
        Numbers, ["1", "x", "22", "2", "y", "300"], bad=bad, counters=counted, split_size=split_size
    )
    assert rows == [(2, 0), (3, 0)]
    assert [(one.phase, one.source, one.offset, one.text) for one in bad] == [
        ("map", "s3://memory/in/records", 2, "x\n"),
        ("map", "s3://memory/in/records", 9, "y\n"),
        ("reduce", "1", None, ""),
    ]
    assert [one.error.partition(":")[0] for one in bad] == ["ValueError", "ValueError", "ZeroDivisionError"]
    assert counted == {"lines": 4}


def test_too_many_bad_records_end_it_as_they_end_a_run() -> None:
    settings = {"policy": "quarantine", "max_fraction": 0.25}
    bad: list[BadRecord] = []
    assert run_job(Numbers, ["1", "x", "22", "300"], bad_records=settings, bad=bad) == [
        (1, -5),
        (2, 0),
        (3, 0),
    ]
    assert [one.text for one in bad] == ["x\n"]
    with pytest.raises(RunFailed, match=r"2 of 4 records are bad, more than bad_records\.max_fraction"):
        run_job(Numbers, ["1", "x", "y", "300"], bad_records=settings)
    with pytest.raises(JobCodeError, match=r"line at byte 2: ValueError.*\(line: 'x'\)"):
        run_job(Numbers, ["1", "x"])


def test_totals_are_of_all_calls() -> None:
    totals = Totals()
    assert run_job(Mean, ["name,n", "a,1", "b,5"], input=CSV, totals=totals) == [("a", 1.0), ("b", 5.0)]
    assert run_job(Mean, ["name,n", "a,2"], input=CSV, totals=totals) == [("a", 1.5), ("b", 5.0)]
    assert run_job(Mean, ["name,n", "a,2"], input=CSV) == [("a", 2.0)]
    with pytest.raises(ConfigError, match="accumulate: totals are kept as the states of an aggregator"):
        run_job(Longest, ["a"], totals=Totals())


class Often(Words):
    limit = 1
    order_by = "-value"


def test_totals_of_a_job_that_sorts_and_limits() -> None:
    totals = Totals()
    assert run_job(Often, ["a a b"], totals=totals) == [("a", 10)]
    assert run_job(Often, ["b b", "c"], totals=totals) == [("b", 11)]


def test_sys_exit_is_an_error_at_its_record() -> None:
    class Leaves(Words):
        def mapper(self, _: Any, line: str) -> Any:
            if line == "two":
                sys.exit(3)
            yield line, 1

    with pytest.raises(JobCodeError, match=r"line at byte 4: SystemExit: 3 \(line: 'two'\)"):
        run_job(Leaves, ["one", "two"])
    bad: list[BadRecord] = []
    assert run_job(Leaves, ["one", "two", "six"], bad=bad) == [("one", 1), ("six", 1)]
    assert ["ended its process, by sys.exit" in one.error for one in bad] == [True]


@pytest.mark.parametrize("hook", ["mapper_init", "mapper_final", "reducer", "reducer_init", "reducer_final"])
def test_sys_exit_anywhere_is_an_error(hook: str) -> None:
    class Leaves(Longest):
        pass

    setattr(Leaves, hook, lambda *_: sys.exit("enough"))
    with pytest.raises(JobCodeError, match="SystemExit: enough"):
        run_job(Leaves, ["one"])
