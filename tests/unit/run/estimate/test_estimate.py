"""The estimate beside the real handlers in virtual time, and what must hold of it whatever its figures are."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from benchmarks.scale import bare
from chalicelib.core.spec import JobSpec, MemorySpec
from chalicelib.run.estimate.estimate import estimate
from chalicelib.run.estimate.work import Work
from tests.worlds.few_slots import Load, play
from tests.worlds.simulation import spec as any_spec
from tests.worlds.twin.terms import Terms

TB = 10**12


def spec(**figures: Any) -> JobSpec:
    """Splits of 64 MiB, if nothing is said of them, so that the figures are round."""
    return any_spec(**({"split_size": 64 << 20} | figures))


@pytest.mark.parametrize(
    ("maps", "reduces", "seconds", "slots"),
    [(1, 1, 5, 1000), (20, 4, 5, 1000), (100, 10, 20, 1000), (50, 2, 20, 10), (100, 4, 20, 30)],
)
def test_it_is_near_what_the_handlers_take(maps: int, reduces: int, seconds: int, slots: int) -> None:
    """Over the same latencies: what may be wrong is who waits for whom, and how much is asked of the store."""
    found = bare(maps, reduces, seconds, slots)
    twin = play(Load(maps=maps, reduces=reduces, seconds=float(seconds)), Terms(slots=slots), seed=1)
    assert (found.shape.tasks, found.shape.reducers) == (maps, reduces)
    assert found.times.median == pytest.approx(twin.last, rel=0.25)
    assert found.requests.total == pytest.approx(sum(twin.requests.values()), rel=0.35)
    assert found.total == pytest.approx(twin.dollars, rel=0.25)


@pytest.mark.parametrize(("maps", "reduces", "slots"), [(40, 16, 1000), (60, 9, 20)])
def test_it_is_near_what_the_handlers_take_with_two_levels(maps: int, reduces: int, slots: int) -> None:
    found = bare(maps, reduces, 5, slots, "2")
    load = Load(maps=maps, reduces=reduces, seconds=5.0, levels="2")
    twin = play(load, Terms(slots=slots), seed=1)
    assert (twin.right, twin.needless) == (1, 0)
    assert (found.shape.tasks, found.shape.reducers) == (maps, reduces)
    assert found.times.median == pytest.approx(twin.last, rel=0.25)
    assert found.requests.total == pytest.approx(sum(twin.requests.values()), rel=0.35)
    assert found.total == pytest.approx(twin.dollars, rel=0.25)


@pytest.mark.parametrize("kind", ["few groups", "filter", "many groups", "sort", "words"])
def test_more_functions_are_never_slower_and_more_input_never_faster(kind: str) -> None:
    def took(size: int, concurrency: int) -> float:
        return estimate(spec(), Work(bytes=size, objects=10, kind=kind, concurrency=concurrency)).times.median

    sizes, slots = (10**6, 10**9, 10**11, TB), (2, 10, 100, 1000, 5000, 10_000)
    for size in sizes:
        times = [took(size, most) for most in slots]
        assert all(later <= earlier * 1.01 for earlier, later in pairwise(times)), times
    for most in slots:
        times = [took(size, most) for size in sizes]
        assert times == sorted(times)


def test_the_parts_are_the_whole() -> None:
    found = estimate(spec(), Work(bytes=TB, objects=1000, kind="sort"))
    assert found.total == pytest.approx(sum(found.dollars.values()))
    assert found.times.median == pytest.approx(sum(one.median for one in found.times.phases))
    assert found.times.p95 > found.times.median
    assert found.requests.total == found.requests.gets + found.requests.puts + found.requests.lists


def test_dollars_are_those_of_the_price_list() -> None:
    """A hundred map tasks of two GB, by hand: $0.0000166667 a GB-second, $0.0004 a thousand GETs."""
    settings = spec(memory=MemorySpec(mapper=2048))
    found = estimate(settings, Work(bytes=100 * settings.split_size, kind="filter"))
    assert found.shape.tasks == 100
    seconds = found.times.mapper + 0.6
    assert found.dollars["map"] == pytest.approx(100 * seconds * 2 * 0.0000166667)
    assert found.dollars["reads"] == pytest.approx(found.requests.gets * 0.0000004)


def test_reads_of_run_files_are_map_tasks_times_reduce_tasks() -> None:
    settings = spec(partitions=64, reduce_size=1, reducers=64)
    few = estimate(settings, Work(bytes=100 * settings.split_size, kind="sort"))
    many = estimate(settings, Work(bytes=200 * settings.split_size, kind="sort"))
    assert many.requests.gets - few.requests.gets >= 100 * 64
    assert many.requests.gets == pytest.approx(2 * few.requests.gets, rel=0.05)


def test_an_empty_input_is_estimated() -> None:
    found = estimate(spec(), Work(bytes=0))
    assert (found.shape.tasks, found.shape.reducers, found.ends) == (0, 0, True)
