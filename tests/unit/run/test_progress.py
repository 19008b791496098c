"""`progress`: what a listing of markers means."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.keys import RunKeys, parse_done
from chalicelib.core.ports import Loc, ObjectInfo
from chalicelib.run.progress import Progress, TaskSet, scan
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


def test_a_million_and_a_half_of_tasks_are_counted_right() -> None:
    tasks, missing = 1_500_000, {999_999, 1_000_000, 1_499_999}
    store = Listed(tasks, missing)
    progress = Progress("map", tasks)
    scan(store, KEYS, progress)
    assert (len(progress.done), progress.missing(), progress.contiguous) == (
        tasks - 3,
        sorted(missing),
        999_999,
    )

    missing.discard(999_999)
    store.rows = 0
    scan(store, KEYS, progress)
    assert progress.missing() == [1_000_000, 1_499_999]
    assert store.rows == 499_999, "it starts after what is known"

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
