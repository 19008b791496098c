"""`progress`: what a listing of markers means."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.core.keys import RunKeys, parse_done
from chalicelib.core.messages import Stats, Wasted, encode
from chalicelib.core.ports import Loc, ObjectInfo
from chalicelib.core.tasks import CRASHED, Failure, Overtaken
from chalicelib.run.progress import Progress, Spent, TaskSet, heard_since, scan, wasted
from chalicelib.stores.memory import MemoryStore
from tests.strategies import examples

KEYS = RunKeys(Loc("work", ""), "job", "run")


@given(st.lists(st.sets(st.integers(0, 30)), max_size=6))
@examples(80)
def test_repeated_scans_see_every_marker_once(rounds: list[set[int]]) -> None:
    store, progress, done = MemoryStore(), Progress("map", 31), set[int]()
    for tasks in rounds:
        for task in tasks:
            store.put(KEYS.done("map", task), b"")
            store.put(KEYS.run_file(task, 0, "abc"), b"")
        done |= tasks
        scan(store, KEYS, progress)
        assert progress.done == done
        assert progress.missing() == sorted(set(range(31)) - done)
        assert progress.complete == (len(done) == 31)
        assert set(range(progress.contiguous)) <= done
        assert progress.contiguous not in done


def test_what_is_no_marker_of_the_phase_is_passed_over() -> None:
    progress = Progress("map", 2)
    progress.note(
        [
            "map/000000.0.ff.run",
            "map/000002.done",
            "map/000009.0.failed",
            "map/x.done",
            "map/readme",
            "map/000001.1.failed",
        ]
    )
    assert progress.done == set()
    assert progress.failed == {1: {1}}
    assert not progress.complete


def test_phases_are_counted_apart() -> None:
    store = MemoryStore()
    store.put(KEYS.done("map", 0), b"")
    store.put(KEYS.failed("map", 0, 0), b"")
    reduce = Progress("reduce", 1)
    scan(store, KEYS, reduce)
    assert (reduce.done, reduce.failed) == (set(), {})


def test_a_scan_starts_after_what_is_known() -> None:
    store = MemoryStore()
    asked: list[str] = []

    class Spy:
        def list(self, prefix: Loc, after: str = "") -> object:
            asked.append(after)
            return store.list(prefix, after)

    progress = Progress("map", 5)
    for task in (0, 1, 3):
        store.put(KEYS.done("map", task), b"")
    scan(Spy(), KEYS, progress)  # type: ignore[arg-type]
    store.put(KEYS.done("map", 2), b"")
    scan(Spy(), KEYS, progress)  # type: ignore[arg-type]
    scan(Spy(), KEYS, progress)  # type: ignore[arg-type]
    assert asked == ["", KEYS.done("map", 1).key, KEYS.done("map", 3).key]


class Listed(MemoryStore):
    """Lists the markers of all tasks but some, without holding them."""

    def __init__(self, tasks: int, missing: set[int]) -> None:
        super().__init__()
        self.tasks, self.missing = tasks, missing
        self.rows = 0

    def list(self, prefix: Loc, after: str = "") -> Iterator[ObjectInfo]:
        last = after
        known = parse_done(after) if after else None
        for task in range(0 if known is None else known, self.tasks):
            if task not in self.missing and (key := KEYS.done("map", task).key) > after:
                assert last < key, "a store lists by key"
                last = key
                self.rows += 1
                yield ObjectInfo(key, 1, "", 0.0)


def test_many_tasks_are_counted_right() -> None:
    """A million and a half, in little memory: tests/features/test_at_size.py."""
    tasks, missing = 60_000, {39_999, 40_000, 59_999}
    store = Listed(tasks, missing)
    progress = Progress("map", tasks)
    scan(store, KEYS, progress)
    assert (len(progress.done), progress.missing(), progress.contiguous) == (
        tasks - 3,
        sorted(missing),
        39_999,
    )

    missing.discard(39_999)
    store.rows = 0
    scan(store, KEYS, progress)
    assert progress.missing() == [40_000, 59_999]
    assert store.rows == 19_999, "it starts after what is known"

    missing.clear()
    scan(store, KEYS, progress)
    assert progress.complete
    assert progress.missing() == []
    store.rows = 0
    scan(store, KEYS, progress)
    assert store.rows == 0


@given(st.sets(st.integers(0, 20)), st.lists(st.tuples(st.booleans(), st.integers(0, 20))))
def test_a_set_of_tasks_is_a_set(members: set[int], changes: list[tuple[bool, int]]) -> None:
    found = TaskSet(21, members)
    for adds, task in changes:
        for either in (found, members):
            (either.add if adds else either.discard)(task)
    assert found == members
    assert list(found) == sorted(members)
    assert len(found) == len(members)
    assert [task in found for task in range(-3, 25)] == [task in members for task in range(-3, 25)]
    assert found.first_missing() == min(set(range(22)) - members)


def test_lost_are_the_attempts_before_the_one_that_counts_that_left_no_word() -> None:
    """Of task 0 attempt 2 counts and 1 failed; task 1 was done at once, and an attempt beside it was overtaken."""
    store = MemoryStore()
    failure = Failure(
        phase="map", task=0, attempt=1, error="E", message="m", stats=Stats(seconds=5.0, gets=2)
    )
    store.put(KEYS.failed("map", 0, 1), encode(failure))
    store.put(KEYS.overtaken("map", 1, 1, "ab"), encode(Overtaken(stats=Stats(seconds=7.0, puts=1))))
    spent = Spent(last={0: 2, 1: 0}, done=frozenset({0, 1}), timeout=10.0, seconds=100.0)
    assert wasted(store, KEYS, "map", spent) == Wasted(
        attempts=2, stats=Stats(seconds=12.0, gets=2, puts=1), lost=1, lost_seconds=30.0
    )
    assert wasted(store, KEYS, "reduce", replace(spent, last={}, done=frozenset())) == Wasted()
    store.put(KEYS.overtaken("map", 0, 0, "cd"), encode(Overtaken(stats=Stats(seconds=1.0))))
    assert wasted(store, KEYS, "map", replace(spent, seconds=2.0)).lost == 0


def test_words_by_earlier_code_and_damaged_ones_say_nothing_and_fail_nothing() -> None:
    store = MemoryStore()
    old = b'{"phase":"map","task":0,"attempt":0,"error":"E","message":"m","detail":"","fatal":false,"at":1.0}'
    store.put(KEYS.failed("map", 0, 0), old)
    store.put(KEYS.overtaken("map", 0, 1, "ab"), b"{")
    spent = Spent(last={0: 2}, done=frozenset({0}), timeout=1.0, seconds=1.0)
    assert wasted(store, KEYS, "map", spent) == Wasted(attempts=2)


def test_of_very_many_words_some_stand_for_all() -> None:
    store = MemoryStore()
    for task in range(1000):
        store.put(KEYS.overtaken("map", task, 0, "ab"), encode(Overtaken(stats=Stats(seconds=3.0, gets=2))))
    before = store.requests["get"]
    found = wasted(store, KEYS, "map", Spent(last={}, done=frozenset(), timeout=1.0, seconds=1.0))
    assert (found.attempts, round(found.stats.seconds), found.stats.gets) == (1000, 3000, 2000)
    assert store.requests["get"] - before <= 256


def test_of_an_attempt_that_died_others_words_say_nothing_of_what_it_used() -> None:
    """It is lost all the same; and tasks whose first attempts count need not be told of."""
    store = MemoryStore()
    for task, error in ((3, CRASHED), (4, "ValueError")):
        failure = Failure(phase="map", task=task, attempt=0, error=error, message="m")
        store.put(KEYS.failed("map", task, 0), encode(failure))
    spent = Spent(last={3: 1, 4: 1}, done=range(9), timeout=10.0, seconds=5.0)
    found = wasted(store, KEYS, "map", spent)
    assert found == Wasted(attempts=1, lost=1, lost_seconds=15.0)
    assert heard_since(store, KEYS, "map", found) == found


def test_a_listing_may_be_broken_off() -> None:
    store, ticks = MemoryStore(), 0
    for task in range(4):
        store.put(KEYS.done("map", task), b"{}")
    spent = Spent(last={}, done=range(4), timeout=1.0, seconds=1.0)

    def tick() -> None:
        nonlocal ticks
        ticks += 1
        if ticks == 3:
            raise TimeoutError

    with pytest.raises(TimeoutError):
        wasted(store, KEYS, "map", spent, tick)
    assert wasted(store, KEYS, "map", spent, tick) == Wasted()
    assert ticks == 3 + 4
