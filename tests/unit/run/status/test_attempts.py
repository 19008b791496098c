"""What attempts tell of each other, and of those that left nothing."""

from __future__ import annotations

from typing import Any

from chalicelib.core.keys import RunKeys
from chalicelib.core.messages import Stats, encode
from chalicelib.core.ports import Loc
from chalicelib.core.tasks import CRASHED, Failure, MapMarker, Overtaken, ReducePlan
from chalicelib.mapreduce.shuffle.offsets import pack
from chalicelib.run.status.attempts import Attempt, Beginning, complete, read_history
from chalicelib.run.status.collect import Memory
from chalicelib.stores.memory import MemoryStore
from tests.unit.scripts.user import begin

BEGUN = Beginning(tasks=1, at=100.0, lost_after=960.0)
KEYS = RunKeys(Loc("work", ""), "job", "run")


def one(attempt: int, outcome: Any, **more: Any) -> Attempt:
    return Attempt(0, "map", 0, attempt, outcome, **more)


def failed(attempt: int, at: float) -> Attempt:
    failure = Failure(phase="map", task=0, attempt=attempt, error="E", message="m", at=at)
    return one(attempt, "failed", started=at - 1, finished=at, failure=failure)


def told(*attempts: Attempt, ended: bool = True, tasks: int = 1) -> list[tuple[int, str, bool]]:
    found = complete(attempts, 0, "map", BEGUN._replace(tasks=tasks), ended=ended)
    return [(attempt.attempt, attempt.outcome, attempt.slow) for attempt in found]


def test_a_task_of_which_nothing_was_heard_is_under_way_or_was_cut_off() -> None:
    assert told(ended=False) == [(0, "under way", False)]
    assert told(ended=True) == [(0, "cut off", False)]


def test_after_a_failure_the_next_attempt_is_under_way_and_could_begin_at_once() -> None:
    found = complete([failed(0, 130.0)], 0, "map", BEGUN, ended=False)
    assert [(attempt.attempt, attempt.outcome, attempt.ready) for attempt in found] == [
        (0, "failed", 100.0),
        (1, "under way", 130.0),
    ]
    assert told(failed(0, 130.0), ended=True) == [(0, "failed", False)]


def test_a_gap_in_the_numbers_is_a_lost_attempt() -> None:
    late = one(1, "done", started=BEGUN.at + BEGUN.lost_after + 1)
    assert told(late) == [(0, "lost", False), (1, "done", False)]
    assert told(failed(0, 130.0), one(2, "done", started=2000.0)) == [
        (0, "failed", False),
        (1, "lost", False),
        (2, "done", False),
    ]


def test_a_straggler_is_one_beside_which_another_was_started_before_it_could_be_lost() -> None:
    second = one(1, "done", started=200.0)
    assert told(second) == [(0, "lost", True), (1, "done", False)]
    assert told(one(0, "overtaken", started=101.0), second) == [(0, "overtaken", True), (1, "done", False)]
    assert told(one(0, "done", started=101.0), one(1, "overtaken", started=200.0))[0] == (0, "done", True)
    assert told(failed(0, 130.0), second) == [(0, "failed", False), (1, "done", False)]


def test_executions_of_one_attempt_are_both_told() -> None:
    assert told(one(0, "done"), one(0, "overtaken")) == [(0, "done", False), (0, "overtaken", False)]


def test_nothing_could_begin_after_it_has_begun_whatever_the_clocks_say() -> None:
    (found,) = complete([one(0, "done", started=99.0, finished=101.0)], 0, "map", BEGUN, ended=True)
    assert found.ready == 99.0


def planned(tasks: int = 3) -> MemoryStore:
    store = MemoryStore(now=lambda: 500.0)
    begin(store, KEYS, Loc("out", ""), tasks=tasks, created=100.0)
    return store


def marker(task: int, **more: Any) -> MapMarker:
    stats = Stats(records_in=7, starts=1, cold=1, peak=200)
    fields = {"attempt": 0, "token": "t", "run_file": "f", "offsets": pack([0] * 17), "stats": stats}
    return MapMarker(**{"task": task, "started": 101.0, "finished": 103.0, **fields, **more})


def test_what_each_object_says_is_found_and_what_is_damaged_is_named() -> None:
    store = planned()
    store.put(KEYS.done("map", 0), encode(marker(0)))
    died = Failure(phase="map", task=1, attempt=0, error=CRASHED, message="m", at=150.0)
    store.put(KEYS.failed("map", 1, 0), encode(died))
    store.put(KEYS.overtaken("map", 0, 0, "ab"), encode(Overtaken(stats=Stats(seconds=5.0), at=110.0)))
    store.put(KEYS.overtaken("map", 0, 1, "cd"), b'{"stats":{"seconds":5.0}}')  # of an earlier version
    store.put(KEYS.done("map", 2), b"{")
    store.put(KEYS.done("map", 9), encode(marker(9)))  # there is no such task
    memory = Memory()
    history = read_history(store, KEYS, ended=False, memory=memory)
    (step,) = history.steps
    assert [(a.task, a.attempt, a.outcome, a.started, a.finished) for a in step.attempts] == [
        (0, 0, "done", 101.0, 103.0),
        (0, 0, "overtaken", 105.0, 110.0),
        (0, 1, "overtaken", 495.0, 500.0),
        (1, 0, "lost", None, 150.0),
        (1, 1, "under way", None, None),
        (2, 0, "under way", None, None),
    ]
    assert step.attempts[0].stats == Stats(records_in=7, starts=1, cold=1, peak=200)
    (problem,) = history.problems
    assert KEYS.done("map", 2).url in problem
    kept = memory.objects[KEYS.done("map", 0)]
    assert isinstance(kept, MapMarker)
    assert kept.offsets == b"", "16 000 of them would not fit"


def test_offsets_that_are_none_are_named_and_leave_the_partitions_unknown() -> None:
    store = planned(2)
    plan = ReducePlan(tasks=(), mapped=Stats(), counters={}, map_started=100.0, map_finished=200.0)
    store.put(KEYS.reduce_plan, encode(plan))
    store.put(KEYS.done("map", 0), encode(marker(0, offsets=pack(range(17)))))
    store.put(KEYS.done("map", 1), encode(marker(1, offsets=pack(range(0, 34, 2)))))
    (step,) = read_history(store, KEYS, ended=True).steps
    assert step.partitions == (3,) * 16
    store.put(KEYS.done("map", 1), encode(marker(1, offsets=b"no offsets")))
    history = read_history(store, KEYS, ended=True)
    assert [step.partitions for step in history.steps] == [None]
    assert [attempt.outcome for attempt in history.attempts] == ["done", "done"]
    (problem,) = history.problems
    assert problem.startswith(f"{KEYS.done('map', 1).url}: expected 17 packed offsets")


def test_a_run_whose_objects_are_gone_has_no_steps() -> None:
    history = read_history(MemoryStore(), KEYS, ended=True)
    assert (history.steps, list(history.attempts), history.problems) == ((), [], ())
