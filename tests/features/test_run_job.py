"""`run_job` gives what the engines give."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Avg, Job, Sum
from chalicelib.core.errors import JobCodeError
from chalicelib.job.partitioners import Range
from chalicelib.mapreduce.output.text import tsv
from chalicelib.testing import run_job
from tests.worlds.simulation import Simulation, spec

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
