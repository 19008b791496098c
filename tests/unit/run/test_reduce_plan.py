"""`shuffle`: from markers to reduce tasks and the slices that each one fetches."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.core.errors import CorruptData, DataTypeError
from chalicelib.core.keys import RunKeys
from chalicelib.core.messages import Stats, encode
from chalicelib.core.plan import Plan
from chalicelib.core.ports import Loc
from chalicelib.core.tasks import MapMarker
from chalicelib.run.reduce_plan import SMALLEST_SHARE, build_reduce_plan, read_map_markers, read_slices
from chalicelib.stores.memory import MemoryStore
from tests.strategies import examples
from tests.worlds.simulation import spec

KEYS = RunKeys(Loc("work", ""), "job", "run")


def plan(partitions: int, tasks: int, reduce_size: int = 1 << 40, reducers: int = 1) -> Plan:
    return Plan(
        job="job", run="run", token="t", source="s", head=0, spec=spec(reduce_size=reduce_size), work=KEYS.work,
        output=Loc("out", ""), partitions=partitions, reducers=reducers, tasks=tasks, page=32, pages=(0,), inputs=1,
        bytes=1, created=5.0, code="c",
    )  # fmt: skip


def marker(task: int, sizes: list[int], **figures: object) -> MapMarker:
    offsets = [0]
    for size in sizes:
        offsets.append(offsets[-1] + size)
    fields = {
        "task": task, "attempt": 0, "token": "t", "run_file": f"m{task}", "offsets": tuple(offsets),
        "stats": Stats(records_in=task),
        "started": 10.0 + task, "finished": 20.0 + task, "counters": {"seen": 1, f"only{task}": task},
    }  # fmt: skip
    return MapMarker(**{**fields, **figures})


@given(st.integers(1, 6), st.integers(1, 4), st.integers(1, 200), st.data())
@examples(100)
def test_slices_are_every_byte_once_in_task_order(
    partitions: int, tasks: int, reduce_size: int, data: st.DataObject
) -> None:
    sizes = st.lists(st.integers(0, 50), min_size=partitions, max_size=partitions)
    markers = [marker(task, data.draw(sizes)) for task in range(tasks)]
    reduce_plan, index = build_reduce_plan(plan(partitions, tasks, reduce_size), markers)
    store = MemoryStore()
    store.put(KEYS.reduce_index, index)
    found = []
    for task in reduce_plan.tasks:
        slices = read_slices(store, KEYS, task)
        assert [piece.run_file for piece in slices] == sorted(piece.run_file for piece in slices)
        assert sum(piece.offsets[-1] - piece.offsets[0] for piece in slices) == task.bytes
        for piece in slices:
            assert len(piece.offsets) == task.last - task.first + 1
            found += [
                (piece.run_file, task.first + number, start, stop)
                for number, (start, stop) in enumerate(pairwise(piece.offsets))
                if start < stop
            ]
    assert sorted(found) == [
        (made.run_file, number, start, stop)
        for made in markers
        for number, (start, stop) in enumerate(pairwise(made.offsets))
        if start < stop
    ]


def test_no_map_tasks_no_reduce_tasks_and_empty_ones_one() -> None:
    assert build_reduce_plan(plan(4, 0), [])[0].tasks == ()
    assert len(build_reduce_plan(plan(4, 2), [marker(0, [0] * 4), marker(1, [0] * 4)])[0].tasks) == 1


def test_reducers_worth_having_cut_what_would_fit_in_one() -> None:
    sizes = [SMALLEST_SHARE] * 8
    assert len(build_reduce_plan(plan(8, 1), [marker(0, sizes)])[0].tasks) == 1
    assert len(build_reduce_plan(plan(8, 1, reducers=4), [marker(0, sizes)])[0].tasks) == 4
    assert len(build_reduce_plan(plan(8, 1, reducers=4), [marker(0, [10] * 8)])[0].tasks) == 1, (
        "too little to share"
    )


def test_reduce_tasks_are_as_many_as_wanted_and_about_even() -> None:
    """None is left a little more than its share, for which all others would wait."""
    sizes = [4 * SMALLEST_SHARE + odd for odd in (0, 5, 2, 9, 1, 7, 3, 8, 0, 6, 4, 9, 2, 5, 1, 3)]
    tasks = build_reduce_plan(plan(16, 1, reducers=4), [marker(0, sizes)])[0].tasks
    assert [task.last - task.first for task in tasks] == [4, 4, 4, 4]


def test_totals() -> None:
    reduce_plan, _ = build_reduce_plan(plan(1, 3), [marker(task, [1]) for task in range(3)])
    assert reduce_plan.counters == {"seen": 3, "only0": 0, "only1": 1, "only2": 2}
    assert reduce_plan.mapped.records_in == 3
    assert (reduce_plan.map_started, reduce_plan.map_finished) == (10.0, 22.0)


def test_two_supervisors_build_the_same() -> None:
    markers = [marker(task, [3, 4]) for task in range(3)]
    assert build_reduce_plan(plan(2, 3), markers) == build_reduce_plan(plan(2, 3), list(markers))


def test_keys_of_two_types_in_two_tasks_are_refused() -> None:
    markers = [marker(0, [1], key_types=("str",)), marker(1, [0]), marker(2, [1], key_types=("int",))]
    with pytest.raises(
        DataTypeError, match=r"job job: .*one type, got str \(map task 0\), int \(map task 2\)"
    ):
        build_reduce_plan(plan(1, 3), markers)
    build_reduce_plan(plan(1, 3), [replace(made, key_types=("str",)) for made in markers])


def test_markers_are_read_in_task_order_and_checked() -> None:
    store = MemoryStore()
    for task in (2, 0, 1):
        store.put(KEYS.done("map", task), encode(marker(task, [1])))
    assert [made.task for made in read_map_markers(store, KEYS, plan(1, 3))] == [0, 1, 2]
    store.put(KEYS.done("map", 1), b"{}")
    with pytest.raises(CorruptData, match=r"map/000001\.done: expected a MapMarker"):
        read_map_markers(store, KEYS, plan(1, 3))
    with pytest.raises(CorruptData, match="map task 0: expected 3 offsets"):
        build_reduce_plan(plan(2, 1), [marker(0, [1])])
