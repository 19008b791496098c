"""A job of mrjob's as jobs of Sluice: one class for each step, with what that step needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from chalicelib.core.errors import ConfigError
from chalicelib.job.job import Job
from chalicelib.mrjob import JSONValueProtocol, MRJob, MRStep
from chalicelib.mrjob.adapt import adapt, step_classes
from chalicelib.mrjob.support.options import task_args
from chalicelib.testing import run_job


class Words(MRJob):
    def configure_args(self) -> None:
        super().configure_args()
        self.add_passthru_arg("--least", type=int, default=1)

    def mapper(self, _: None, line: str) -> Iterator[tuple[str, int]]:
        for word in line.split():
            yield word, 1

    def combiner(self, word: str, counts: Iterator[int]) -> Iterator[tuple[str, int]]:
        yield word, sum(counts)

    def reducer(self, word: str, counts: Iterator[int]) -> Iterator[tuple[str, int]]:
        total = sum(counts)
        if total >= self.options.least:
            yield word, total


class Most(Words):
    """Two steps, the second without a mapper: lines go straight to its reducer."""

    OUTPUT_PROTOCOL = JSONValueProtocol

    def steps(self) -> Sequence[MRStep]:
        return [MRStep(mapper=self.mapper, reducer=self.one_key), MRStep(reducer=self.greatest)]

    def one_key(self, word: str, counts: Iterator[int]) -> Iterator[tuple[None, list[Any]]]:
        yield None, [sum(counts), word]

    def greatest(self, _: None, pairs: Iterator[list[Any]]) -> Iterator[tuple[None, list[Any]]]:
        yield None, max(pairs)


class Lengths(MRJob):
    """No reducer: nothing is shuffled."""

    def mapper(self, _: None, line: str) -> Iterator[tuple[None, int]]:
        yield None, len(line)


def found(job: type[Job], lines: list[str], **params: Any) -> list[bytes]:
    return [line for _, line in run_job(job, lines, params=params)]


def test_a_job_runs_as_one_of_sluice_s() -> None:
    assert found(adapt(Words), ["b a", "b"]) == [b'"a"\t1', b'"b"\t2']
    assert found(adapt(Words), ["b a", "b"], args="--least 2") == [b'"b"\t2']
    assert found(Words.sluice_job(), ["a"], args=["--least=1"]) == [b'"a"\t1']


def test_steps_without_a_mapper_reduce_the_lines_of_the_one_before() -> None:
    assert found(adapt(Most), ["b a", "b"]) == [b'[2, "b"]']


def test_a_step_without_a_reducer_is_not_shuffled() -> None:
    (step,) = step_classes(Lengths, [])
    assert not step.shuffle
    assert found(adapt(Lengths), ["abc", "a"]) == [b"null\t3", b"null\t1"]


def test_each_step_is_a_class_that_knows_its_place() -> None:
    first, second = step_classes(Most, [])
    assert [(step.number, step.several, step.last, step.fold) for step in (first, second)] == [
        (0, True, False, "reducer"),
        (1, True, True, "reducer"),
    ]
    assert first.__name__ == second.__name__ == "Most"
    assert first.__module__ == __name__


def test_values_are_sorted_if_the_job_says_so() -> None:
    class Sorted(Words):
        SORT_VALUES = True

    assert [step.sort_values for step in step_classes(Sorted, [])] == [True]
    assert [step.sort_values for step in step_classes(Words, [])] == [False]


@pytest.mark.parametrize(
    ("given", "args"), [("--name 'a b' -v", ["--name", "a b", "-v"]), (["-n", 3], ["-n", "3"])]
)
def test_a_command_line_is_text_or_a_list(given: Any, args: list[str]) -> None:
    assert task_args({"args": given}) == args
    assert task_args({}) == []


def test_a_command_line_that_is_neither_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"params\.args: expected the job's options as text or a list, got 3"
    ):
        task_args({"args": 3})


def test_options_that_the_job_does_not_have_are_told_with_its_name() -> None:
    with pytest.raises(ConfigError, match=r"Words: options --most 3: .*--most"):
        step_classes(Words, ["--most", "3"])


def test_what_lies_beside_the_script_travels_with_it() -> None:
    """Files, folders and archives alike, by attributes, methods and options; what is not there is asked for later."""

    class Needs(Words):
        FILES = ("documents.py#types.txt",)
        DIRS = ("support",)

        def archives(self) -> list[str]:
            return ["__init__.py#unpacked"]

    (step,) = step_classes(Needs, ["--files", "test_adapt.py,none.txt"])
    here = Path(__file__).parent
    found = {path.relative_to(here).as_posix() for path in step.files_beside()}
    assert {"documents.py", "__init__.py", "test_adapt.py", "support/test_options.py"} <= found
    assert "none.txt" not in found
    assert list(step.side_files.values()) == ["types.txt", "test_adapt.py", "none.txt", "support", "unpacked"]
