"""What is advised is better than what there is, and nothing is advised where nothing is."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.core.spec import MIB, JobSpec, MemorySpec
from chalicelib.run.estimate.advice import advise
from chalicelib.run.estimate.estimate import estimate
from chalicelib.run.estimate.work import Work
from tests.worlds.simulation import spec as any_spec

TB = 10**12


def spec(**figures: Any) -> JobSpec:
    """Splits of 64 MiB, if nothing is said of them, so that the figures are round."""
    return any_spec(**({"split_size": 64 << 20} | figures))


@pytest.mark.parametrize("kind", ["few groups", "many groups", "sort"])
@pytest.mark.parametrize("size", [10**10, 10**11, TB])
@pytest.mark.parametrize("concurrency", [10, 1000])
@pytest.mark.slow
def test_advice_is_better_than_what_there_is(kind: str, size: int, concurrency: int) -> None:
    work = Work(bytes=size, objects=100, kind=kind, concurrency=concurrency)
    now, advice = estimate(spec(), work), advise(spec(), work)
    if advice is None:
        assert now.ends
        return
    there = advice.estimate
    assert there == estimate(advice.spec, work)
    assert len(there.fatal) <= len(now.fatal)
    if now.ends:
        assert min(there.times.median / now.times.median, there.total / now.total) <= 0.8


def test_a_run_that_cannot_end_gets_settings_with_which_it_can() -> None:
    work = Work(bytes=50 * TB, objects=50_000, kind="few groups", concurrency=5000)
    advice = advise(spec(), work)
    assert advice is not None
    assert not estimate(spec(), work).ends
    assert advice.estimate.ends


def test_changes_are_settings_of_the_job_file() -> None:
    advice = advise(spec(), Work(bytes=TB, objects=1000, kind="sort"))
    assert advice is not None
    for change in advice.changes:
        value = _value(advice.spec, change.setting)
        expected = {"MiB": MIB, "GiB": 1024 * MIB}.get(change.value[-3:])
        assert value == (
            int(change.value[:-3]) * expected if expected else int(change.value.removesuffix("m"))
        )
        assert value != _value(spec(), change.setting)


def _value(settings: JobSpec, name: str) -> int:
    found: object = settings
    for part in name.split("."):
        found = getattr(found, part)
    assert isinstance(found, int)
    return found


def test_nothing_is_advised_for_a_small_file() -> None:
    assert advise(spec(memory=MemorySpec(coordinator=512)), Work(bytes=1000)) is None
