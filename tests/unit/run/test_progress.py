"""`completion`: what a listing of markers means, and what follows from it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.keys import RunKeys
from chalicelib.core.ports import Loc
from chalicelib.run.progress import Decision, Progress, decide, scan, slow_after
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


def choose(
    progress: Progress, started: dict[int, tuple[int, float]], now: float = 100.0, attempts: int = 3
) -> Decision:
    return decide(progress, started, now, max_attempts=attempts, lost_after=50.0)


def test_a_task_that_runs_is_left_alone() -> None:
    assert choose(Progress("map", 2), {0: (0, 60.0), 1: (0, 100.0)}) == Decision((), ())


def test_a_failed_attempt_is_followed_at_once() -> None:
    progress = Progress("map", 2, failed={0: {0}})
    assert choose(progress, {0: (0, 100.0)}) == Decision(((0, 1),), ())


def test_a_failure_of_an_earlier_attempt_does_not_start_another() -> None:
    progress = Progress("map", 1, failed={0: {0}})
    assert choose(progress, {0: (1, 99.0)}) == Decision((), ())


def test_silence_is_loss() -> None:
    assert choose(Progress("map", 2), {0: (0, 49.0), 1: (1, 49.0)}) == Decision(((0, 1), (1, 2)), ())


def test_a_task_is_given_up_after_its_attempts() -> None:
    progress = Progress("map", 3, failed={0: {0, 1, 2}, 1: {2}})
    assert choose(progress, {0: (2, 100.0), 1: (2, 100.0), 2: (2, 49.0)}) == Decision((), (0, 1, 2))


def test_a_task_that_is_done_is_neither_tried_nor_given_up() -> None:
    progress = Progress("map", 1, done={0}, failed={0: {0, 1, 2}})
    assert choose(progress, {0: (2, 0.0)}) == Decision((), ())


def test_a_slow_task_gets_one_second_attempt_and_is_not_given_up_for_it() -> None:
    progress = Progress("map", 3, done={0, 1}, contiguous=2)

    def at(now: float, started: dict[int, tuple[int, float]]) -> Decision:
        return decide(progress, started, now, max_attempts=2, lost_after=50.0, slow_after=4.0)

    assert at(3.9, {2: (0, 0.0)}) == Decision((), ())
    assert at(4.1, {2: (0, 0.0)}) == Decision(((2, 1),), ())
    assert at(40.0, {2: (1, 4.1)}) == Decision((), ())
    assert at(60.0, {2: (1, 4.1)}) == Decision((), (2,))


def test_with_one_attempt_only_a_slow_task_is_let_be() -> None:
    progress = Progress("map", 2, done={0})
    decision = decide(progress, {1: (0, 0.0)}, 10.0, max_attempts=1, lost_after=50.0, slow_after=4.0)
    assert decision == Decision((), ())


def test_slow_is_half_as_long_again_as_the_median() -> None:
    assert slow_after([1.0, 2.0, 30.0]) == pytest.approx(2.65)
