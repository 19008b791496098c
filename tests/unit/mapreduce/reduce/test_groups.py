"""Groups: the reducer's pairs in blocks, an aggregator's results, and edges where time is short."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib import Avg, Job, Sum
from chalicelib.core.errors import JobCodeError
from chalicelib.core.spec import BadRecordsSpec
from chalicelib.job.binding import bind
from chalicelib.mapreduce.guard.deadline import Pace, endless
from chalicelib.mapreduce.guard.quarantine import Quarantine
from chalicelib.mapreduce.reduce.bad_groups import BadGroups
from chalicelib.mapreduce.reduce.groups import Groups
from chalicelib.mapreduce.shuffle.run_file import BLOCK_BYTES, BLOCK_PAIRS, SOME_PAIRS


def groups(pace: Pace | None = None, policy: Any = "fail", **parts: Any) -> tuple[Groups, Quarantine]:
    job = bind(type("Made", (Job,), {"mapper": lambda self, key, value: (), **parts}), "job", {})
    quarantine = Quarantine(BadRecordsSpec(policy=policy), "reduce")
    pace = pace or endless()
    return Groups(job, pace, BadGroups(job, pace, quarantine)), quarantine


def pairs_of(found: Iterator[Any]) -> list[Any]:
    return [pair for (keys, values), _ in found for pair in zip(keys, values, strict=True)]


BLOCKS = [(["a", "a", "b"], [1, 2, 3]), (["b", "c"], [4, 5])]


def test_without_a_reducer_blocks_pass() -> None:
    found, _ = groups()
    assert list(found.results(iter(BLOCKS), False)) == [(block, None) for block in BLOCKS]


def test_an_aggregator_s_states_are_joined_if_they_were_spilled_and_finished() -> None:
    found, _ = groups(reducer=Sum())
    whole = list(found.results(iter([(["a", "b"], [3, 7])]), False))
    assert whole == [((["a", "b"], [3, 7]), ["b"])]
    assert pairs_of(found.results(iter(BLOCKS), True)) == [("a", 3), ("b", 7), ("c", 5)]
    average, _ = groups(reducer=Avg())
    assert pairs_of(average.results(iter([(["a", "b"], [(6, 2), (9, 3)])]), False)) == [
        ("a", 3.0),
        ("b", 3.0),
    ]


def test_a_reducer_gets_each_group_once_and_its_pairs_come_in_full_blocks() -> None:
    def many(_self: Any, key: str, values: Iterator[int]) -> Any:
        yield from ((key, value) for value in values for _ in range(BLOCK_PAIRS))

    found, _ = groups(reducer=many)
    blocks = list(found.results(iter(BLOCKS), False))
    assert [len(keys) for (keys, _), _ in blocks] == [BLOCK_PAIRS] * 5
    assert pairs_of(iter(blocks))[::BLOCK_PAIRS] == [("a", 1), ("a", 2), ("b", 3), ("b", 4), ("c", 5)]
    assert found.current == "c"


def test_long_results_come_in_blocks_of_some_bytes() -> None:
    made = taken = most = 0

    def long(_self: Any, key: str, values: Iterator[int]) -> Any:
        nonlocal made, most
        for value in values:
            made += 1
            most = max(most, made - taken)
            yield key, "x" * value

    found, _ = groups(reducer=long)
    for (keys, _values), _edge in found.results(iter([([key], [100_000]) for key in range(1000)]), False):
        taken += len(keys)
    assert taken == 1000
    assert most * 100_000 <= BLOCK_BYTES + SOME_PAIRS * 100_000


def test_where_time_is_short_one_may_stop_behind_any_group() -> None:
    pace = Pace(lambda: 0.0, iter([100.0, *[0.0] * 100]).__next__)
    found, _ = groups(pace, reducer=lambda self, key, values: [(key, sum(values))])
    assert list(found.results(iter(BLOCKS), False)) == [
        ((["a"], [3]), ["a"]),
        ((["b", "c"], [7, 5]), ["c"]),
    ]


@pytest.mark.parametrize("policy", ["fail", "quarantine"])
def test_a_group_on_which_code_raises_is_named_or_set_aside(policy: str) -> None:
    def picky(_self: Any, key: str, values: Iterator[int]) -> Any:
        yield key, "first"
        if key == "b":
            raise ValueError("no")
        yield key, sum(values)

    found, quarantine = groups(policy=policy, reducer=picky)
    if policy == "fail":
        with pytest.raises(JobCodeError, match=r"^job job: reducer, at key 'b': ValueError: no$"):
            list(found.results(iter(BLOCKS), False))
        return
    assert pairs_of(found.results(iter(BLOCKS), False)) == [
        ("a", "first"),
        ("a", 3),
        ("c", "first"),
        ("c", 5),
    ]
    assert [record.source for record in quarantine.records] == ["'b'"]

    class Fussy(Sum):
        def finish(self, state: int) -> int:
            return 12 // (state - 7)

    fussy, aside = groups(policy=policy, reducer=Fussy())
    blocks = [(["a", "b", "c"], [3, 7, 5])]
    assert pairs_of(fussy.results(iter(blocks), False)) == [("a", -3), ("c", -6)]
    assert [record.source for record in aside.records] == ["'b'"]
