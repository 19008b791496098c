"""One level of shuffle or two: what is chosen is the better one, and nothing is asked for where none pays."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.core.spec import JobSpec, MemorySpec, ShuffleSpec
from chalicelib.run.estimate import levels
from chalicelib.run.estimate.estimate import Estimate, estimate
from chalicelib.run.estimate.figures import FIGURES
from chalicelib.run.estimate.levels import Shuffled
from chalicelib.run.estimate.work import Work
from tests.worlds.simulation import spec

GB = 10**9


def with_levels(how: Any, work: Work) -> Estimate:
    return estimate(spec(shuffle=ShuffleSpec(levels=how)), work)


@pytest.mark.parametrize("kind", ["sort", "many groups", "words", "few groups"])
@pytest.mark.parametrize("size", [1, 10, 30, 100, 300, 1000, 10_000])
@pytest.mark.parametrize("concurrency", [10, 1000, 10_000])
def test_what_is_chosen_is_the_better_one(kind: str, size: int, concurrency: int) -> None:
    work = Work(bytes=size * GB, objects=size, kind=kind, concurrency=concurrency)
    one, two, chosen = (with_levels(how, work) for how in ("1", "2", "auto"))
    assert (one.shape.exchange, two.shape.exchange is not None) == (None, True)
    assert chosen in (one, two)
    if chosen == two:
        assert two.total < one.total
        assert two.times.median < one.times.median * 1.02  # where slots are few, it is about the same
    else:
        assert (
            one.total * one.times.median < two.total * two.times.median * 1.2
        )  # about where it begins to pay


def test_a_sort_of_a_terabyte_has_two_levels() -> None:
    """With the default settings: 41 minutes before, and ten dollars."""
    work = Work(bytes=1000 * GB, objects=1000, kind="sort")
    one, two = with_levels("1", work), with_levels("auto", work)
    assert two.shape.exchange is not None
    assert one.times.median > 5 * two.times.median
    assert one.total > 3 * two.total
    assert one.requests.gets > 15 * two.requests.gets
    maps, reduces = two.shape.tasks, two.shape.reducers
    assert two.requests.gets < 2 * maps * reduces**0.5 + 40 * (maps + reduces)
    assert "the exchange's index" in {phase.name for phase in two.times.phases}
    assert two.dollars["exchange"] > 0


def test_ten_terabytes_are_read_once() -> None:
    found = with_levels("auto", Work(bytes=10_000 * GB, objects=10_000, kind="sort"))
    made = found.shape.exchange
    assert made is not None
    assert made.tasks * made.fetches < 1.1 * found.shape.tasks * made.columns


@given(
    tasks=st.integers(1, 100_000),
    partitions=st.integers(1, 4096),
    data=st.data(),
    size=st.floats(0, 1e13),
    memory=st.sampled_from([128, 512, 2048, 10_240]),
)
def test_a_plan_without_such_a_phase_would_not_have_come_to_one(
    tasks: int, partitions: int, data: st.DataObject, size: float, memory: int
) -> None:
    """The coordinator asks with as many reduce tasks as there can be: fewer pay only if these would."""
    job_spec: JobSpec = spec(memory=MemorySpec(reducer=memory))
    reducers = data.draw(st.integers(1, partitions))
    shuffled = Shuffled(tasks=tasks, partitions=partitions, reducers=reducers, bytes=size)
    if size / reducers < 2 * job_spec.budget("reducer") and levels.wanted(job_spec, shuffled, FIGURES):
        assert levels.possible(job_spec, tasks, partitions, FIGURES)


@pytest.mark.parametrize("how", ["1", "2"])
def test_what_the_job_says_is_done(how: Any) -> None:
    job_spec = replace(spec(), shuffle=ShuffleSpec(levels=how))
    large = Shuffled(tasks=10_000, partitions=4096, reducers=4096, bytes=1e12)
    small = Shuffled(tasks=1, partitions=1, reducers=1, bytes=1.0)
    assert [levels.wanted(job_spec, one, FIGURES) for one in (large, small)] == [how == "2"] * 2


def test_few_reads_are_not_worth_a_second_level() -> None:
    for tasks, partitions in ((10_000, 1), (100, 100), (625, 16)):
        assert not levels.possible(spec(), tasks, partitions, FIGURES)
