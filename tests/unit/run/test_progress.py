"""`progress`: what a listing of markers means."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.keys import RunKeys
from chalicelib.core.messages import Stats, Wasted, encode
from chalicelib.core.ports import Loc
from chalicelib.core.tasks import Failure, Overtaken
from chalicelib.run.progress import Progress, Spent, scan, wasted
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
