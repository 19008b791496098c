"""The reduce phase behind exchange tasks: a function of their markers, which goes on where a supervisor died."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib import Job, Sum
from chalicelib.core.errors import CorruptData, RunStopped
from chalicelib.core.keys import RunKeys
from chalicelib.core.messages import Stats, decode, encode
from chalicelib.core.plan import Plan
from chalicelib.core.ports import Loc
from chalicelib.core.tasks import (
    STOPPED,
    ExchangePlan,
    MapMarker,
    Piece,
    ReducePlan,
    ReduceTask,
    RowGroup,
)
from chalicelib.functions.supervision import next_phase
from chalicelib.functions.supervision.second_level import plan_reduce
from chalicelib.mapreduce.shuffle.offsets import pack
from chalicelib.run.reduce_plan import read_slices
from chalicelib.stores.memory import MemoryStore
from tests.worlds.recorded import Recorded
from tests.worlds.simulation import SCRATCH, spec

KEYS = RunKeys(Loc("work", ""), "job", "run")
PARTITIONS = 40


def planned(rows: int, columns: int) -> ExchangePlan:
    width = PARTITIONS // columns
    return ExchangePlan(
        rows=tuple(RowGroup(block=0, first=row, last=row + 1) for row in range(rows)),
        columns=tuple((column * width, (column + 1) * width) for column in range(columns)),
        reduce=ReducePlan(
            tasks=tuple(ReduceTask(first=n, last=n + 1, bytes=rows) for n in range(PARTITIONS)),
            mapped=Stats(gets=7),
            counters={"a": 1},
            map_started=1.0,
            map_finished=50.0,
        ),
    )


def plan() -> Plan:
    return Plan(
        job="job", run="run", token="t", source="", head=0, spec=spec(), work=KEYS.work, output=Loc("out", ""),
        partitions=PARTITIONS, tasks=9, page=32, pages=(), inputs=1, bytes=1, created=0.0, code="", exchange=True,
    )  # fmt: skip


def marker(task: int, exchange: ExchangePlan, /, **more: Any) -> MapMarker:
    _, (first, last) = exchange.task(task)
    # Partition p of task t has t + p + 1 bytes, so that no two rows of the index are alike.
    sizes = [task + partition + 1 for partition in range(first, last)]
    offsets = [sum(sizes[:number]) for number in range(len(sizes) + 1)]
    fields: dict[str, Any] = {
        "task": task, "attempt": int(task % 7 == 3), "token": f"t{task}",
        "run_file": KEYS.run_file(task, 0, "t", "exchange").key,
        "offsets": pack(offsets), "stats": Stats(gets=1, seconds=2.0), "started": 60.0, "finished": 70.0 + task,
    }  # fmt: skip
    return MapMarker(**{**fields, **more})


def stored(exchange: ExchangePlan, **odd: MapMarker) -> MemoryStore:
    store = MemoryStore()
    for task in range(exchange.tasks):
        body = odd.get(f"task_{task}") or marker(task, exchange)
        store.put(KEYS.done("exchange", task), encode(body))
    return store


class _Enough(Exception):
    pass


def ticks(most: int) -> Callable[[], None]:
    left = [most]

    def tick() -> None:
        left[0] -= 1
        if left[0] < 0:
            raise _Enough

    return tick


def nothing() -> None:
    pass


def test_a_reduce_task_gets_the_run_files_of_its_group() -> None:
    exchange = planned(3, 4)
    store = stored(exchange)
    found = plan_reduce(store, KEYS, plan(), exchange, nothing)
    assert len(found.index) == 4
    for task in found.tasks:
        slices = read_slices(store, KEYS, found, task)
        column = task.first // 10
        mine = range(column * 3, column * 3 + 3)
        assert slices.run_files == [KEYS.run_file(number, 0, "t", "exchange").key for number in mine]
        widths = [stop - start for _, start, stop in slices.wanted(0, 1)]
        assert widths == [number + task.first + 1 for number in mine]


def test_a_plan_without_a_task_s_index_is_no_plan_of_an_empty_task() -> None:
    exchange = planned(3, 4)
    store = stored(exchange)
    found = plan_reduce(store, KEYS, plan(), exchange, nothing)
    damaged = replace(found, index=found.index[1:])
    with pytest.raises(
        CorruptData, match=r"reduce/plan\.json: expected a block of the index for partition 3"
    ):
        read_slices(store, KEYS, damaged, found.tasks[3])


def test_the_plan_tells_what_both_phases_did() -> None:
    exchange = planned(3, 4)
    found = plan_reduce(stored(exchange), KEYS, plan(), exchange, nothing)
    assert found.exchanged is not None
    assert (found.mapped, found.counters, found.map_finished) == (Stats(gets=7), {"a": 1}, 50.0)
    assert (found.exchanged.tasks, found.exchanged.stats.gets, found.exchanged.finished) == (12, 12, 81.0)
    assert found.begun == 81.0
    assert (found.exchanged.wasted.lost, found.exchanged.wasted.attempts) == (2, 0), (
        "first attempts of 3 and 10"
    )


@pytest.mark.parametrize("died_at", [1, 100, 599, 610])
def test_whoever_comes_after_a_crash_goes_on_behind_the_last_group(died_at: int) -> None:
    exchange = planned(30, 20)
    calm = plan_reduce(stored(exchange), KEYS, plan(), exchange, nothing)
    store = stored(exchange)
    with pytest.raises(_Enough):
        plan_reduce(store, KEYS, plan(), exchange, ticks(died_at))
    before = store.requests["get"]
    assert plan_reduce(store, KEYS, plan(), exchange, nothing) == calm
    done = died_at // 31  # a tick for the group, and one for each marker
    assert store.requests["get"] - before == min(done, 20) + 30 * max(0, 20 - done) + (done < 20)
    for task in calm.tasks[::7]:
        assert read_slices(store, KEYS, calm, task).run_files


def test_pieces_of_an_attempt_are_run_files_of_their_own() -> None:
    exchange = planned(2, 1)
    early = Piece(run_file="early", offsets=pack([0] * PARTITIONS + [9]))
    store = stored(exchange, task_1=marker(1, exchange, earlier=(early,)))
    found = plan_reduce(store, KEYS, plan(), exchange, nothing)
    names = read_slices(store, KEYS, found, found.tasks[0]).run_files
    assert names == [
        KEYS.run_file(0, 0, "t", "exchange").key,
        "early",
        KEYS.run_file(1, 0, "t", "exchange").key,
    ]


@pytest.mark.parametrize(
    ("odd", "error", "told"),
    [
        ({"token": STOPPED}, RunStopped, "run run: was stopped before exchange task 2 was done"),
        ({"task": 3}, CorruptData, "the marker of exchange task 2 is of 3"),
        (
            {"offsets": pack([0, 1])},
            CorruptData,
            r"exchange task 2: .* in its marker: expected 21 packed offsets",
        ),
    ],
)
def test_odd_markers_are_named(odd: dict[str, Any], error: type[Exception], told: str) -> None:
    exchange = planned(2, 2)
    store = stored(exchange, task_2=marker(2, exchange, **odd))
    with pytest.raises(error, match=told):
        plan_reduce(store, KEYS, plan(), exchange, nothing)


class Words(Job):
    def mapper(self, _: Any, line: str) -> Any:
        yield line, 1

    reducer = Sum()


def test_what_was_committed_stands_whatever_the_next_one_thinks() -> None:
    """One supervisor found one level better, and died; the next would have taken two. And the other way round."""
    for tasks in (0, 4):
        world = Recorded(Words, SCRATCH)
        exchange = planned(2, 2) if tasks else ExchangePlan(reduce=planned(2, 2).reduce)
        world.store.put(KEYS.exchange_plan, encode(exchange))
        begun = next_phase.resume(world.runtime(), KEYS, plan())
        assert begun == (("exchange", 4) if tasks else ("reduce", PARTITIONS))
        ((function, call),) = world.invoked
        assert (function, call["hi"], call["exchange"]) == ("reducer", tasks or PARTITIONS, bool(tasks))
        assert next_phase.resume(world.runtime(), KEYS, plan()) == begun
        assert len(world.invoked) == 1, "its tree is begun once"
        if not tasks:
            assert decode(ReducePlan, world.store.get(KEYS.reduce_plan), "") == exchange.reduce
