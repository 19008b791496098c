"""`shuffle`: from markers to reduce tasks and the slices that each one fetches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.core.errors import CorruptData, DataTypeError
from chalicelib.core.keys import RunKeys
from chalicelib.core.messages import Stats, encode
from chalicelib.core.plan import Plan
from chalicelib.core.ports import Loc
from chalicelib.core.spec import BadRecordsSpec
from chalicelib.core.tasks import Failure, MapMarker, Piece, ReducePlan, ReduceTask
from chalicelib.mapreduce.shuffle import index
from chalicelib.mapreduce.shuffle.index import BLOCK_ROWS
from chalicelib.mapreduce.shuffle.offsets import pack
from chalicelib.run.reduce_plan import SMALLEST_SHARE, plan_reduce, read_map_markers, read_slices
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


def planned(
    made: Plan, markers: Sequence[MapMarker], store: MemoryStore | None = None, tick: Callable[[], None] = int
) -> ReducePlan:
    """The reduce plan over stored markers."""
    store = store or MemoryStore()
    for one in markers:
        store.put(KEYS.done("map", one.task), encode(one))
    return plan_reduce(store, KEYS, made, tick)


def written_slices(store: MemoryStore, reduce_plan: ReducePlan) -> list[tuple[str, int, int, int]]:
    """(run file, partition, start, stop) of all that the reduce tasks take."""
    found = []
    for task in reduce_plan.tasks:
        slices = read_slices(store, KEYS, reduce_plan, task)
        for number in range(task.last - task.first):
            spans = slices.wanted(number, number + 1)
            assert [at for at, _, _ in spans] == sorted(at for at, _, _ in spans)
            assert slices.size(number) == sum(stop - start for _, start, stop in spans)
            found += [(slices.run_files[at], task.first + number, start, stop) for at, start, stop in spans]
        whole = slices.wanted(0, task.last - task.first)
        assert sum(stop - start for _, start, stop in whole) == task.bytes
    return found


@pytest.mark.parametrize("old", [False, True])
@given(
    st.integers(1, 6),
    st.integers(1, 9),
    st.integers(1, 200),
    st.integers(1, 4),
    st.integers(1, 60),
    st.data(),
)
@examples(100)
def test_slices_are_every_byte_once_in_task_order(
    old: bool, partitions: int, tasks: int, reduce_size: int, rows: int, band: int, data: st.DataObject
) -> None:
    """However many run files a block of the index has, columns are read at once, and markers were written."""
    sizes = st.lists(st.integers(0, 50), min_size=partitions, max_size=partitions)
    markers = [marker(task, data.draw(sizes)) for task in range(tasks)]
    stored = markers if old else [replace(made, offsets=pack(made.offsets)) for made in markers]
    store = MemoryStore()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(index, "BLOCK_ROWS", rows)
        patched.setattr(index, "BAND", band)
        patched.setattr(index, "NEAR", band)
        reduce_plan = planned(plan(partitions, tasks, reduce_size), stored, store)
        assert len(reduce_plan.index) == -(-tasks // rows)
        found = written_slices(store, reduce_plan)
    assert sorted(found) == [
        (made.run_file, number, start, stop)
        for made in markers
        for number, (start, stop) in enumerate(pairwise(made.offsets))
        if start < stop
    ]


def test_an_index_of_an_earlier_version_is_read() -> None:
    store = MemoryStore()
    body = msgspec.msgpack.encode([("m0", (3, 3, 9)), ("m1", (0, 4, 4))])
    store.put(KEYS.reduce_index, b"before" + body + b"behind")
    stored = planned(plan(4, 1), [marker(0, [1, 1, 1, 1])])
    old = ReduceTask(first=1, last=3, bytes=10, index_start=6, index_stop=6 + len(body))
    slices = read_slices(store, KEYS, replace(stored, tasks=(old,), index=()), old)
    assert slices.run_files == ["m0", "m1"]
    assert [slices.wanted(number, number + 1) for number in range(2)] == [[(1, 0, 4)], [(0, 3, 9)]]


def test_offsets_beyond_four_gigabytes() -> None:
    sizes = [1 << 31, 1 << 33, 5]
    store = MemoryStore()
    reduce_plan = planned(plan(3, 2), [marker(0, [1, 1, 1]), marker(1, sizes)], store)
    assert reduce_plan.tasks[0].bytes == sum(sizes) + 3
    assert [row[2:] for row in written_slices(store, reduce_plan) if row[0] == "m1"] == [
        (0, 1 << 31), (1 << 31, (1 << 31) + (1 << 33)), ((1 << 31) + (1 << 33), sum(sizes)),
    ]  # fmt: skip


def test_no_map_tasks_no_reduce_tasks_and_empty_ones_one() -> None:
    assert planned(plan(4, 0), []).tasks == ()
    assert len(planned(plan(4, 2), [marker(0, [0] * 4), marker(1, [0] * 4)]).tasks) == 1


def test_reducers_worth_having_cut_what_would_fit_in_one() -> None:
    sizes = [SMALLEST_SHARE] * 8
    assert len(planned(plan(8, 1), [marker(0, sizes)]).tasks) == 1
    assert len(planned(plan(8, 1, reducers=4), [marker(0, sizes)]).tasks) == 4
    assert len(planned(plan(8, 1, reducers=4), [marker(0, [10] * 8)]).tasks) == 1, "too little to share"


def test_reduce_tasks_are_as_many_as_wanted_and_about_even() -> None:
    """None is left a little more than its share, for which all others would wait."""
    sizes = [4 * SMALLEST_SHARE + odd for odd in (0, 5, 2, 9, 1, 7, 3, 8, 0, 6, 4, 9, 2, 5, 1, 3)]
    tasks = planned(plan(16, 1, reducers=4), [marker(0, sizes)]).tasks
    assert [task.last - task.first for task in tasks] == [4, 4, 4, 4]


def test_totals() -> None:
    reduce_plan = planned(plan(1, 3), [marker(task, [1]) for task in range(3)])
    assert reduce_plan.counters == {"seen": 3, "only0": 0, "only1": 1, "only2": 2}
    assert reduce_plan.mapped.records_in == 3
    assert (reduce_plan.map_started, reduce_plan.map_finished) == (10.0, 22.0)


def many(tasks: int) -> list[MapMarker]:
    return [
        marker(
            task,
            [task % 3, 4],
            bad=1,
            quarantine=f"q{task}",
            key_types=("str",),
            earlier=earlier(task),
            attempt=task % 2,
        )
        for task in range(tasks)
    ]


def earlier(task: int) -> tuple[Piece, ...]:
    """Every third task took two invocations."""
    return (Piece(run_file=f"e{task}", offsets=pack((0, 1, 1))),) if task % 3 == 0 else ()


class Stopped(Exception):
    """Raised by a tick."""


@pytest.mark.parametrize("killed_at", [1, 300, 513, 514, 700, 1400])
def test_who_comes_after_goes_on_behind_the_last_block(
    killed_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two supervisors, of which the first is stopped on its way, write what one writes."""
    monkeypatch.setattr(index, "BLOCK_ROWS", 100)
    tasks = BLOCK_ROWS // 8 + 90
    made = replace(
        plan(2, tasks), spec=spec(bad_records=BadRecordsSpec(policy="quarantine", max=9999, max_fraction=1))
    )
    whole, stopped = MemoryStore(), MemoryStore()
    expected = planned(made, many(tasks), whole)
    ticks = iter(range(1, 10_000))

    def tick() -> None:
        if next(ticks) == killed_at:
            raise Stopped

    with suppress(Stopped):
        planned(made, many(tasks), stopped, tick)
    before = stopped.requests["get"]
    assert planned(made, many(tasks), stopped) == expected
    kept = min(killed_at - 1, tasks) // 75  # 75 tasks have 100 run files
    assert stopped.requests["get"] - before == kept + 1 + tasks - 75 * kept
    assert len(expected.index) == -(-tasks // 75)
    assert expected.wasted.lost == tasks // 2
    for number in range(len(expected.index)):
        assert stopped.get(KEYS.index_block(number)) == whole.get(KEYS.index_block(number))


def test_small_runs_read_markers_and_write_one_object() -> None:
    store = MemoryStore()
    planned(plan(2, 5), [marker(task, [1, 1]) for task in range(5)], store)
    assert [info.key for info in store.list(KEYS.root) if "/map/" not in info.key] == [
        KEYS.index_block(0).key
    ]
    assert (store.requests["get"], store.requests["list"]) == (5, 2)  # one LIST is this test's own


def test_attempts_that_nothing_was_heard_of_are_counted() -> None:
    """Task 1 was committed by its third attempt, of whose forerunners one has failed and one is lost."""
    store, failure = MemoryStore(), Failure(phase="map", task=1, attempt=0, error="E", message="m")
    store.put(KEYS.failed("map", 1, 0), encode(replace(failure, stats=Stats(gets=7))))
    markers = [marker(0, [1]), marker(1, [1], attempt=2), marker(2, [1])]
    beside = planned(plan(1, 3), markers, store).wasted
    assert (beside.attempts, beside.stats.gets, beside.lost) == (1, 7, 1)
    assert beside.lost_seconds == 22.0 - 5.0 + spec().timeout.mapper


def test_keys_of_two_types_in_two_tasks_are_refused() -> None:
    markers = [marker(0, [1], key_types=("str",)), marker(1, [0]), marker(2, [1], key_types=("int",))]
    with pytest.raises(
        DataTypeError, match=r"job job: .*one type, got str \(map task 0\), int \(map task 2\)"
    ):
        planned(plan(1, 3), markers)
    planned(plan(1, 3), [replace(made, key_types=("str",)) for made in markers])


def test_markers_are_read_in_task_order_and_checked() -> None:
    store = MemoryStore()
    for task in (2, 0, 1):
        store.put(KEYS.done("map", task), encode(marker(task, [1])))
    assert [made.task for made in read_map_markers(store, KEYS, plan(1, 3))] == [0, 1, 2]
    store.put(KEYS.done("map", 1), b"{}")
    with pytest.raises(CorruptData, match=r"map/000001\.done: expected a MapMarker"):
        plan_reduce(store, KEYS, plan(1, 3))
    store.put(KEYS.done("map", 1), encode(marker(2, [1])))
    with pytest.raises(CorruptData, match="the marker of map task 1 is of 2"):
        plan_reduce(store, KEYS, plan(1, 3))
    with pytest.raises(CorruptData, match="map task 0: m0 in its marker: expected 3 offsets, got 2"):
        planned(plan(2, 1), [marker(0, [1])])
    with pytest.raises(CorruptData, match="map task 0: m0 in its marker: expected 3 packed offsets"):
        planned(plan(2, 1), [marker(0, [], offsets=pack((0, 1)))])


@pytest.mark.parametrize(
    "harm", [lambda body: body[:-1], lambda body: b"\xc1" + body[1:], lambda body: body[:3]]
)
@pytest.mark.parametrize("near", [1, 1 << 18])
def test_a_damaged_block_is_named(
    harm: Callable[[bytes], bytes], near: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "NEAR", near)
    store = MemoryStore()
    reduce_plan = planned(plan(2, 2), [marker(0, [1, 2]), marker(1, [3, 4])], store)
    loc = KEYS.index_block(0)
    store.put(loc, harm(store.get(loc)))
    with pytest.raises(CorruptData, match=r"reduce/index\.000000"):
        written_slices(store, reduce_plan)
