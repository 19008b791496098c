"""Isolation: what a bad record costs, what counts, and what is nobody's record's fault."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib import Job
from chalicelib.core.errors import DiskError, InputChanged, StoreError, UserError
from chalicelib.core.plan import Split
from chalicelib.core.spec import BadRecordsSpec
from chalicelib.job.binding import BoundJob, bind
from chalicelib.job.job import Each
from chalicelib.mapreduce.guard.deadline import Pace, StepTooLong, endless
from chalicelib.mapreduce.guard.isolate import Isolation, RecordPlace
from chalicelib.mapreduce.guard.location import Where
from chalicelib.mapreduce.guard.quarantine import Quarantine

SPLIT = Split(bucket="in", key="a.txt", etag="1", start=0, stop=9, size=9)
PLACE = RecordPlace(4, b"bad", 2)


class Nothing(Job):
    def mapper(self, key: Any, value: Any) -> Any:
        return ()


def job() -> BoundJob:
    return bind(Nothing, "job", {})


def isolation(
    bound: BoundJob, *, policy: Any = "quarantine", careful: bool = False
) -> tuple[Isolation, Quarantine]:
    pace = Pace(lambda: 0.0, lambda: 100.0, careful=True) if careful else endless()
    quarantine = Quarantine(BadRecordsSpec(policy=policy), "map")
    return Isolation(bound, SPLIT, Where("job"), pace, quarantine), quarantine


def raising(error: BaseException, *before: Any) -> Iterator[Any]:
    yield from before
    raise error


def test_a_good_record_s_pairs_and_counts_stay() -> None:
    bound = job()
    found, quarantine = isolation(bound)
    bound.job.count("seen")
    assert found.pairs(lambda: iter([("a", 1)]), lambda: PLACE) == [("a", 1)]
    assert found.pairs(lambda: None, lambda: PLACE) == []
    assert quarantine.records == []
    assert bound.services.counters.totals() == {"seen": 1}


def test_a_bad_record_s_pairs_and_counts_go_and_it_is_listed_with_its_place() -> None:
    bound = job()
    found, quarantine = isolation(bound)

    def make() -> Iterator[Any]:
        bound.job.count("seen")
        return raising(ValueError("no"), ("a", 1))

    assert found.pairs(make, lambda: PLACE) == []
    (record,) = quarantine.records
    assert (record.source, record.offset, record.line, record.text) == ("s3://in/a.txt", 4, 2, "bad")
    assert record.error == "ValueError: no"
    assert bound.services.counters.totals() == {}


def test_without_quarantine_a_careful_attempt_raises_what_the_record_raised() -> None:
    found, _ = isolation(job(), policy="fail", careful=True)
    assert found.careful
    assert not found.active
    with pytest.raises(ValueError, match="no"):
        found.pairs(lambda: raising(ValueError("no")), lambda: PLACE)


@pytest.mark.parametrize("careful", [False, True])
def test_an_alarm_is_a_record_s_fault_only_if_it_had_a_fair_share_of_the_time(careful: bool) -> None:
    found, quarantine = isolation(job(), careful=careful)
    if not careful:
        with pytest.raises(StepTooLong):
            found.pairs(lambda: raising(StepTooLong()), lambda: PLACE)
        return
    assert found.pairs(lambda: raising(StepTooLong()), lambda: PLACE) == []
    assert "longer than half the function's time" in quarantine.records[0].error


@pytest.mark.parametrize("error", [StoreError("gone"), DiskError("full"), InputChanged("new")])
def test_a_fault_of_the_world_is_no_record_s(error: Exception) -> None:
    found, quarantine = isolation(job())

    def work() -> Any:
        raise error

    with pytest.raises(type(error)):
        found.pairs(work, lambda: PLACE)
    with pytest.raises(type(error)):
        found.whole(work)
    with pytest.raises(type(error)):
        found.chunk(work, lambda: iter(()))
    with pytest.raises(type(error)):
        found.chunk(lambda: raising(ValueError()), lambda: iter([(work, PLACE)]))
    assert quarantine.records == []


def test_a_chunk_counts_as_a_whole_or_line_by_line() -> None:
    found, quarantine = isolation(job())
    lines = [
        (lambda: [("a", 1)], RecordPlace(0, b"a")),
        (lambda: raising(UserError("no"), ("b", 1)), RecordPlace(2, b"b", 2)),
        (lambda: Each(["c", "d"], 2), RecordPlace(4, b"c")),
        (lambda: {"e": 3}, RecordPlace(6, b"e")),
    ]
    assert found.chunk(lambda: {"all": 1}, lambda: iter(lines)) == [("all", 1)]
    assert found.chunk(lambda: raising(ValueError("no"), ("x", 1)), lambda: iter(lines)) == [
        ("a", 1), ("c", 2), ("d", 2), ("e", 3),
    ]  # fmt: skip
    assert [(record.offset, record.line) for record in quarantine.records] == [(2, 2)]


def test_a_whole_object_counts_or_is_set_aside() -> None:
    found, quarantine = isolation(job())
    assert found.whole(lambda: iter([("a", 1)])) == [("a", 1)]
    assert found.whole(lambda: raising(ValueError("no"), ("a", 1))) == ()
    assert [(record.offset, record.text) for record in quarantine.records] == [(None, "")]
