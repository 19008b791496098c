"""Tasks and reduce tasks are those that the run's own rules give."""

from __future__ import annotations

import pytest

from chalicelib.core.ports import ObjectInfo
from chalicelib.core.spec import MIB
from chalicelib.mapreduce.input.splits import cut, pack
from chalicelib.mapreduce.shuffle.partitions import pack_partitions
from chalicelib.run.estimate.figures import Pace
from chalicelib.run.estimate.shape import shape_of
from chalicelib.run.estimate.work import Work
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
