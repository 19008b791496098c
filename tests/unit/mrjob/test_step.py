"""Steps: their parts, the order of a job's tasks, and lines out of chunks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import mrjob
from chalicelib.mrjob import MRStep, StepFailedException
from chalicelib.mrjob.step import called, coded_tasks


def mapper(key: Any, value: Any) -> Iterator[tuple[Any, Any]]:
    yield value, key


def reducer(key: Any, values: Iterator[Any]) -> Iterator[tuple[Any, Any]]:
    yield key, sum(values)


def test_a_step_gives_its_parts_and_passes_pairs_on_where_one_is_missing() -> None:
    step = MRStep(mapper_init=list, reducer_final=list)
    assert list(step["mapper"]("k", "v")) == [("k", "v")]
    assert list(step["reducer"]("k", iter([1, 2]))) == [("k", 1), ("k", 2)]
    assert step["combiner"] is None
    assert MRStep(mapper=mapper, reducer=reducer)["mapper"] is mapper


@pytest.mark.parametrize(
    ("parts", "error", "text"),
    [
        ({"maper": mapper}, TypeError, "unexpected keyword argument 'maper'"),
        ({"jobconf": {}}, ValueError, "no mappers and no reducers"),
        ({"mapper": mapper, "mapper_raw": mapper}, ValueError, "both mapper_raw and mapper"),
        ({"mapper_cmd": "cat", "mapper_init": mapper}, ValueError, "both mapper_cmd and mapper_init"),
    ],
)
def test_a_step_that_cannot_be_is_refused(parts: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        MRStep(**parts)


def test_lines_go_through_mappers_and_reducers_in_order() -> None:
    """A step without a mapper of its own has one only if it is the first, or has a combiner to feed."""
    steps = [
        MRStep(reducer=reducer),
        MRStep(reducer=reducer),
        MRStep(combiner=reducer),
        MRStep(mapper=mapper),
    ]
    assert coded_tasks(steps) == [
        (0, "mapper"),
        (0, "reducer"),
        (1, "reducer"),
        (2, "mapper"),
        (3, "mapper"),
    ]


def test_a_method_that_is_missing_or_returns_none_yields_nothing() -> None:
    assert list(called(None)) == []
    assert list(called(lambda: None)) == []
    assert list(called(mapper, 1, 2)) == [(2, 1)]


def test_a_failed_step_says_why() -> None:
    assert str(StepFailedException("wordcount: no such file")) == "Step failed: wordcount: no such file"
    assert str(StepFailedException()) == "Step failed"


@given(st.lists(st.binary(max_size=6).filter(lambda line: b"\n" not in line), max_size=5), st.integers(1, 4))
def test_lines_are_the_same_whatever_the_chunks(lines: list[bytes], size: int) -> None:
    body = b"".join(line + b"\n" for line in lines)
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    assert list(mrjob.to_lines(chunks)) == [line + b"\n" for line in lines]


def test_an_empty_chunk_ends_a_file() -> None:
    assert list(mrjob.to_lines([b"a\nb", b"", b"c"])) == [b"a\n", b"b", b"c"]
