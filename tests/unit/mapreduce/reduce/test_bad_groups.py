"""Bad groups: what `having` keeps, what is set aside, and what an alarm may be blamed for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib import Job
from chalicelib.core.errors import DataTypeError, DiskError, JobCodeError
from chalicelib.core.spec import BadRecordsSpec
from chalicelib.job.binding import bind
from chalicelib.mapreduce.guard.deadline import Pace, StepTooLong, endless
from chalicelib.mapreduce.guard.quarantine import Quarantine
from chalicelib.mapreduce.reduce.bad_groups import TOO_SLOW, BadGroups, columns


class Odd(Job):
    def mapper(self, key: Any, value: Any) -> Any:
        return ()

    def having(self, key: Any, value: Any) -> bool:
        self.count("looked at")
        return bool(value % 2)


def bad(
    job: type[Job] = Odd, policy: Any = "quarantine", careful: bool = False
) -> tuple[BadGroups, Quarantine]:
    quarantine = Quarantine(BadRecordsSpec(policy=policy), "reduce")
    pace = Pace(lambda: 0.0, lambda: 100.0, careful=True) if careful else endless()
    return BadGroups(bind(job, "job", {}), pace, quarantine), quarantine


def test_having_keeps_pairs_and_raises_or_sets_aside_where_it_cannot_tell() -> None:
    found, quarantine = bad()
    assert found.kept((["a", "b", "c"], [1, 2, 3])) == (["a", "c"], [1, 3])
    assert found.kept((["a", "b", "c"], [1, None, 3])) == (["a", "c"], [1, 3])
    assert [record.source for record in quarantine.records] == ["'b'"]
    with pytest.raises(JobCodeError, match="job job: reducer, at key 'b': TypeError"):
        bad(policy="fail")[0].kept((["b"], [None]))


def test_a_group_s_pairs_count_as_a_whole() -> None:
    found, quarantine = bad()

    def broken(key: Any, values: Iterator[Any]) -> Any:
        yield key, 1
        raise ValueError(next(values))

    assert list(found.whole(lambda key, values: [(key, value) for value in values], "a", iter([1, 2]))) == [
        ("a", 1)
    ]
    assert list(found.whole(broken, "b", iter([9]))) == []
    assert [(record.source, record.error) for record in quarantine.records] == [("'b'", "ValueError: 9")]


@pytest.mark.parametrize("careful", [False, True])
def test_an_alarm_is_a_group_s_fault_only_if_it_had_a_fair_share_of_the_time(careful: bool) -> None:
    found, quarantine = bad(careful=careful)

    def slow(key: Any, values: Any) -> Any:
        raise StepTooLong

    if not careful:
        with pytest.raises(StepTooLong):
            found.whole(slow, "a", iter(()))
        return
    assert list(found.whole(slow, "a", iter(()))) == []
    assert TOO_SLOW in quarantine.records[0].error


def test_a_full_disk_is_no_group_s_fault() -> None:
    found, quarantine = bad()

    def full(key: Any, values: Any) -> Any:
        raise DiskError("full")

    with pytest.raises(DiskError):
        found.whole(full, "a", iter(()))
    assert quarantine.records == []


def test_columns_of_pairs() -> None:
    assert columns([("a", 1), ["b", 2]], "job") == (["a", "b"], [1, 2])
    assert columns([], "job") == ([], [])
    for batch in ([1], [("a", 1, 2)], [("a", 1), ("b",)]):
        with pytest.raises(DataTypeError, match=r"job job: reducer: expected \(key, value\) pairs"):
            columns(batch, "job")
