"""Tasks and reduce tasks are those that the run's own rules give."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.core.ports import ObjectInfo
from chalicelib.core.spec import MIB
from chalicelib.mapreduce.exchange.partitions import pack_partitions
from chalicelib.mapreduce.input.splits import cut, pack
from chalicelib.run.estimate.estimate import estimate
from chalicelib.run.estimate.figures import Pace
from chalicelib.run.estimate.shape import shape_of
from chalicelib.run.estimate.work import InputWork, Work, joined
from tests.worlds.simulation import spec

HALF = Pace(map=50.0, reduce=100.0, shuffled=0.5)


@pytest.mark.parametrize("size", [1, 1000, 64 * MIB, 64 * MIB + 1, 200 * MIB])
@pytest.mark.parametrize("objects", [1, 7, 300])
@pytest.mark.parametrize("split_size", [1 * MIB, 64 * MIB])
@pytest.mark.parametrize("whole", [False, True])
def test_map_tasks_are_as_objects_of_one_size_are_cut_and_packed(
    size: int, objects: int, split_size: int, whole: bool
) -> None:
    infos = [ObjectInfo(f"{number:04d}", size, "etag", 0.0) for number in range(objects)]
    splits = [split for info in infos for split in cut("in", info, split_size, not whole)]
    tasks = [*pack(splits, split_size)]
    shape = shape_of(spec(split_size=split_size), Work(bytes=size * objects, objects=objects, whole=whole))
    assert shape.tasks == len(tasks)
    assert shape.splits == max(map(len, tasks))


@pytest.mark.parametrize("partitions", [1, 16, 1000])
@pytest.mark.parametrize("reduce_size", [1 * MIB, 100 * MIB])
@pytest.mark.parametrize("reducers", [None, 5])
def test_reduce_tasks_are_as_even_partitions_are_packed(
    partitions: int, reduce_size: int, reducers: int | None
) -> None:
    settings = spec(partitions=partitions, reduce_size=reduce_size, reducers=reducers)
    shape = shape_of(settings, Work(bytes=4000 * MIB, own_pace=HALF))
    even = [2000 * MIB // partitions] * partitions
    assert shape.reducers == len(pack_partitions(even, reduce_size, reducers))
    assert shape.reduce_bytes * shape.reducers == pytest.approx(2000 * MIB)


def test_what_shuffles_nothing_has_no_reduce_tasks() -> None:
    shape = shape_of(spec(), Work(bytes=1000 * MIB, map_only=True))
    assert (shape.reducers, shape.shuffled) == (0, 0.0)


def test_one_reducer_has_one_partition() -> None:
    shape = shape_of(spec(reducers=1), Work(bytes=10_000 * MIB, own_pace=HALF))
    assert (shape.partitions, shape.reducers) == (1, 1)


def test_an_empty_input_has_no_tasks() -> None:
    shape = shape_of(spec(), Work(bytes=0))
    assert (shape.tasks, shape.reducers, shape.task_bytes) == (0, 0, 0.0)


def test_inputs_of_a_join_are_cut_by_their_own_sizes_and_shuffled_by_their_own_paces() -> None:
    """As the run packs them: a few large objects, and many small ones, of which many are one task."""
    settings = spec(split_size=10 * MIB, reduce_size=MIB)
    large, small = (4, 25 * MIB), (300, MIB // 10)
    inputs = [
        InputWork(tag="large", bytes=4 * 25 * MIB, objects=4, pace=Pace(map=10, reduce=50, shuffled=0.01)),
        InputWork(
            tag="small", bytes=300 * (MIB // 10), objects=300, pace=Pace(map=40, reduce=20, shuffled=1.0)
        ),
    ]
    infos = [ObjectInfo("", size, "etag", 0.0) for count, size in (large, small) for _ in range(count)]
    splits = [split for info in infos for split in cut("in", info, settings.split_size or 0, splittable=True)]
    work = joined(inputs)
    shape = shape_of(settings, work)
    assert shape.tasks == len([*pack(splits, settings.split_size or 0)]) == 15
    assert shape.shuffled == pytest.approx(100 * MIB * 0.01 + 300 * (MIB // 10))
    assert shape.reducers > shape_of(settings, joined(inputs[:1])).reducers
    assert work.pace.map == pytest.approx(work.bytes / (inputs[0].bytes / 10 + inputs[1].bytes / 40))


def test_a_join_of_one_input_is_that_input() -> None:
    alone = Work(bytes=1000 * MIB, objects=7, own_pace=HALF)
    joint = joined([InputWork(bytes=1000 * MIB, objects=7, pace=HALF)])
    for settings in (spec(), spec(split_size=MIB, partitions=50)):
        assert shape_of(settings, alone) == shape_of(settings, joint)
        assert estimate(settings, alone).times == estimate(settings, joint).times


def test_a_phase_ends_with_a_task_of_the_slowest_input() -> None:
    """The same bytes; the one half takes ten times as long as the other, which the mean of both does not say."""
    halves = [InputWork(bytes=500 * MIB, pace=Pace(map=pace, reduce=1e5, shuffled=0.0)) for pace in (10, 100)]
    uneven = estimate(spec(split_size=64 * MIB), joined(halves))
    even = estimate(
        spec(split_size=64 * MIB), joined([replace(one, pace=joined(halves).pace) for one in halves])
    )
    assert uneven.dollars["map"] == pytest.approx(even.dollars["map"], rel=0.01)
    assert uneven.times.median > even.times.median + 2.0
