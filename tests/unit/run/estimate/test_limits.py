"""Limits at which a run cannot end are named before it begins, with the numbers and what lifts them."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.core.deployment_spec import LambdaSpec
from chalicelib.core.spec import GIB, JobSpec, LimitsSpec, MemorySpec, TimeoutSpec
from chalicelib.run.estimate.estimate import estimate
from chalicelib.run.estimate.limits import LIFTS
from chalicelib.run.estimate.work import Work
from tests.worlds.simulation import spec as any_spec

TB = 10**12
LARGE = {"supervisor": 10_240, "coordinator": 10_240}


def spec(**figures: Any) -> JobSpec:
    """Splits of 64 MiB, if nothing is said of them, so that the figures are round."""
    return any_spec(**({"split_size": 64 << 20} | figures))


def fatal(work: Work, **figures: Any) -> set[str]:
    return {limit.name for limit in estimate(spec(**figures), work).fatal}


def test_a_small_run_meets_none() -> None:
    found = estimate(spec(), Work(bytes=10**9))
    assert found.ends
    assert found.binding.lift == LIFTS[found.binding.name]


@pytest.mark.parametrize("kind", ["few groups", "sort"])
def test_a_terabyte_ends_with_the_defaults(kind: str) -> None:
    """15 000 map tasks, whose offsets once outgrew any supervisor."""
    found = estimate(spec(), Work(bytes=TB, objects=1000, kind=kind))
    assert found.shape.tasks == 15_000
    assert found.fatal == ()


def test_more_tasks_than_one_look_can_see() -> None:
    work = Work(bytes=100 * TB, objects=100, kind="few groups")
    assert "timeout.supervisor" in fatal(work)
    assert {"memory.supervisor", "timeout.supervisor"} <= fatal(work, memory=MemorySpec(supervisor=256))
    assert fatal(work, memory=MemorySpec(supervisor=1769), timeout=TimeoutSpec(supervisor=900)) == set()
    assert fatal(work, split_size=GIB) == set()


def test_a_block_of_the_index_must_fit_the_supervisor_s_time() -> None:
    work = Work(bytes=TB, objects=1000, kind="few groups")
    assert fatal(work, memory=MemorySpec(supervisor=128), timeout=TimeoutSpec(supervisor=30)) == {
        "timeout.supervisor"
    }


def test_objects_are_bounded_by_the_coordinator_s_time() -> None:
    def limits(objects: int) -> set[str]:
        found = fatal(Work(bytes=objects * 1000, objects=objects, kind="filter"))
        return {name for name in found if "coordinator" in name}

    assert limits(1_500_000) == {"timeout.coordinator"}
    assert limits(500_000) == set()


def test_brakes_of_the_job_are_limits() -> None:
    work = Work(bytes=TB, objects=1000, kind="few groups")
    brakes = LimitsSpec(tasks=14_999, input_bytes=TB - 1, dollars=0.5)
    assert fatal(work, limits=brakes) == {"limits.tasks", "limits.input_bytes", "limits.dollars"}
    assert fatal(work, limits=LimitsSpec(tasks=None, input_bytes=None, dollars=None)) == set()


def test_spills_must_fit_the_local_disk() -> None:
    work = Work(bytes=TB, objects=10, kind="sort")
    assert "local disk" in fatal(work, split_size=4 * GIB, memory=MemorySpec(**LARGE))
    assert "local disk" not in fatal(work, split_size=1 * GIB, memory=MemorySpec(**LARGE))
    disk = LambdaSpec(ephemeral_storage=10_240)
    assert "local disk" not in fatal(work, split_size=4 * GIB, memory=MemorySpec(**LARGE), lambda_=disk)


def test_the_text_has_the_numbers() -> None:
    found = estimate(spec(memory=MemorySpec(supervisor=300)), Work(bytes=200 * TB, kind="sort"))
    text = found.binding.text
    assert found.binding.name == "memory.supervisor"
    assert "300" in text
    assert f"{found.shape.tasks:,}" in text
    assert "cannot end" in text
    assert "split_size" in found.binding.lift


def test_what_binds_is_what_most_time_goes_to() -> None:
    found = estimate(spec(), Work(bytes=10**11, kind="words", concurrency=10))
    by_name: dict[str, float] = {}
    for phase in found.times.phases:
        by_name[phase.name] = by_name.get(phase.name, 0.0) + phase.median
    slowest = estimate(
        spec(memory=MemorySpec(supervisor=1769)), Work(bytes=10**11, kind="words", concurrency=10)
    ).binding
    assert slowest.name == "concurrency" == max(by_name, key=lambda name: by_name[name])


def test_every_phase_has_a_word_on_what_makes_it_shorter() -> None:
    for concurrency in (2, 1000, 20_000):
        for size in (10**6, 10**11, 10**14):
            found = estimate(spec(), Work(bytes=size, objects=3, kind="sort", concurrency=concurrency))
            assert {phase.name for phase in found.times.phases} <= LIFTS.keys()
