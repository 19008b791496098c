"""A job is taken for the kind of work that its code shows."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib import Job, Sum
from chalicelib.core.spec import InputSpec, SqlSpec
from chalicelib.run.estimate.figures import PACES
from chalicelib.run.estimate.likeness import likeness
from tests.worlds.simulation import spec


class Folds(Job):
    def mapper(self, _: Any, line: str) -> Any:
        yield line, 1

    reducer = Sum()


class Chunks(Job):
    def mapper_chunk(self, lines: list[str]) -> Any:
        return dict.fromkeys(lines, 1)

    reducer = Sum()


class Shuffles(Job):
    def mapper(self, _: Any, line: str) -> Any:
        yield line, None

    def reducer(self, key: Any, values: Any) -> Any:
        yield key, len(list(values))


class Filters(Job):
    shuffle = False

    def mapper(self, _: Any, line: str) -> Any:
        yield line, None


class Steps(Job):
    steps = (Folds, Shuffles)


@pytest.mark.parametrize(
    ("job", "kind", "way", "map_only", "steps"),
    [
        (Folds, "many groups", "record", False, 1),
        (Chunks, "many groups", "chunk", False, 1),
        (Shuffles, "sort", "record", False, 1),
        (Filters, "filter", "record", True, 1),
        (Steps, "many groups", "record", False, 2),
    ],
)
def test_by_its_class(job: type[Job], kind: str, way: str, map_only: bool, steps: int) -> None:
    found = likeness(lambda _: job, "job", spec())
    assert (found.kind, found.way, found.map_only, found.steps) == (kind, way, map_only, steps)


def test_several_inputs_whose_pairs_are_all_shuffled_are_a_join() -> None:
    two = spec(more_inputs=(InputSpec(tag="b", url="s3://in/b/"),))
    assert likeness(lambda _: Shuffles, "job", two).kind == "join"
    assert likeness(lambda _: Folds, "job", two).kind == "many groups"
    queried = spec(sql=SqlSpec(map="SELECT a FROM input", key="a"), more_inputs=two.more_inputs)
    assert likeness(lambda _: Folds, "job", queried).kind == "join"


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        (SqlSpec(map="SELECT a, sum(b) FROM input GROUP  BY a", key="a"), "many groups"),
        (SqlSpec(map="SELECT a, sum(b) FROM input GROUP BY a", key="a", order_by="a"), "few groups"),
        (SqlSpec(map="SELECT sum(b) FROM input"), "few groups"),
        (SqlSpec(map="SELECT a, b FROM input", key="a"), "sort"),
    ],
)
def test_by_its_queries(sql: SqlSpec, kind: str) -> None:
    found = likeness(lambda _: Folds, "job", spec(sql=sql))
    assert (found.kind, found.way) == (kind, "sql")


def test_each_kind_is_known_in_each_way() -> None:
    assert all(ways.keys() == {"record", "chunk", "sql"} for ways in PACES.values())
