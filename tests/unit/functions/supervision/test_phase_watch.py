"""`phase_watch`: what one supervisor sees of a phase, and what the next one knows of it."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.core.keys import RunKeys
from chalicelib.core.messages import encode
from chalicelib.core.ports import Loc
from chalicelib.core.tasks import Failure
from chalicelib.functions.attempt import remembering
from chalicelib.functions.supervision.phase_watch import PhaseWatch
from chalicelib.run.lease import Watch
from chalicelib.stores.memory import MemoryStore
from tests.unit.run.test_reduce_plan import marker

KEYS = RunKeys(Loc("work", ""), "job", "run")


class World:
    """A store and a clock, which are all of a runtime that a watch asks for."""

    def __init__(self) -> None:
        self.time = 100.0
        self.store = MemoryStore()
        self.clock = self
        self.seats: int | None = None

    def now(self) -> float:
        return self.time

    def watch(self, tasks: int, notes: Watch | None = None) -> PhaseWatch:
        runtime: Any = self
        return PhaseWatch(runtime, KEYS, "map", tasks, notes)

    def finish(self, task: int, seconds: float = 10.0) -> None:
        done = marker(task, [1], started=50.0, finished=50.0 + seconds)
        self.store.put(KEYS.done("map", task), encode(done))

    def fail(self, task: int, attempt: int) -> Failure:
        failure = Failure(phase="map", task=task, attempt=attempt, error="E", message="m")
        self.store.put(KEYS.failed("map", task, attempt), encode(failure))
        return failure


def test_a_phase_is_done_when_all_of_its_tasks_are() -> None:
    world = World()
    watch = world.watch(2)
    assert not watch.look()
    world.finish(1)
    assert not watch.look()
    world.finish(0)
    assert watch.look()
    assert world.watch(0).look(), "no tasks, nothing to wait for"


def test_silence_is_counted_from_the_last_sign_of_life() -> None:
    world = World()
    watch = world.watch(3)
    world.time += 30
    watch.look()
    assert watch.silent() == 30.0
    assert watch.last_heard() == dict.fromkeys(range(3), (0, 100.0))
    world.finish(1)
    watch.look()
    assert watch.silent() == 0.0
    assert watch.last_heard() == {0: (0, 130.0), 2: (0, 130.0)}
    world.time += 5
    world.store.put(KEYS.continuation("map", 2, 0, "abc"), b"")  # it ran out of time and goes on
    watch.look()
    assert watch.silent() == 0.0


def test_an_attempt_that_was_started_is_silent_since_then() -> None:
    world = World()
    watch = world.watch(2)
    world.time += 7
    watch.note_started(1, 2)
    assert watch.last_heard() == {0: (0, 100.0), 1: (2, 107.0)}


def test_failures_are_read_once_and_not_of_tasks_that_are_done() -> None:
    world = World()
    watch = world.watch(2)
    failure = world.fail(0, 0)
    world.fail(1, 0)
    world.finish(1)
    watch.look()
    gets = world.store.requests["get"]
    watch.look()
    assert watch.failures == {(0, 0): failure}
    assert world.store.requests["get"] == gets


def test_what_is_slow_is_learned_once_half_are_done() -> None:
    world = World()
    watch = world.watch(4)
    world.finish(0)
    watch.look()
    assert watch.slow_after is None
    world.finish(1)
    watch.look()
    assert watch.slow_after == pytest.approx(12.25)
    world.finish(2, seconds=1000.0)
    watch.look()
    assert watch.slow_after == pytest.approx(12.25), "learned once and for all"


def test_the_next_supervisor_goes_on_counting_the_silence() -> None:
    world = World()
    first = world.watch(3)
    world.finish(0)
    first.look()
    first.note_started(2, 1)
    assert first.notes == Watch(phase="map", done=1, moved=100.0, started={2: (1, 100.0)})
    world.time += 50
    second = world.watch(3, first.notes)
    second.look()
    assert second.silent() == 50.0
    assert second.last_heard() == {1: (0, 100.0), 2: (1, 100.0)}
    assert second.notes == first.notes


def test_notes_of_another_phase_are_not_for_this_one() -> None:
    watch = World().watch(3, Watch(phase="reduce", done=2, moved=1.0, started={0: (1, 2.0)}))
    assert watch.notes == Watch(phase="map", done=0, moved=100.0)


def test_where_tasks_may_wait_for_slots_a_few_are_tried_anew_before_all_that_are_silent() -> None:
    """If one of them is done in the time of a task there are slots; if it waits, too, nobody else is started."""

    def tried_after(seconds: float) -> tuple[PhaseWatch, World]:
        world = World()
        world.seats = 1
        watch = world.watch(300)
        for task in range(290):
            world.finish(task)
        watch.look()
        assert watch.slow_after == pytest.approx(12.25)
        assert watch.most_slow() == 3, "a hundredth"
        world.time += 20
        for task in range(290, 293):
            watch.note_started(task, 1)
        assert (watch.most_slow(), watch.is_worth_waiting()) == (0, True)
        world.time += seconds
        return watch, world

    watch, world = tried_after(11.0)
    world.finish(290)
    watch.look()
    assert watch.most_slow() is None, "all"

    watch, world = tried_after(30.0)
    watch.look()
    assert (watch.most_slow(), watch.is_worth_waiting()) == (0, False), (
        "it may be our slot that they wait for"
    )
    world.finish(290)
    watch.look()
    assert watch.most_slow() == 0, "it has waited"
    assert world.watch(300, watch.notes).most_slow() == 0, "the next one knows"


def test_where_nobody_waits_for_slots_all_that_are_silent_are_slow() -> None:
    world = World()
    watch = world.watch(300)
    watch.note_started(1, 1)
    assert watch.most_slow() is None


@pytest.mark.parametrize(
    ("phase", "tasks", "done", "worth"),
    [
        ("map", 10, 4, False),
        ("map", 10, 5, True),
        ("map", 33, 0, True),
        ("reduce", 1, 0, False),
        ("reduce", 2, 0, True),
    ],
)
def test_few_tasks_are_waited_for_when_it_can_be_told_who_is_slow(
    phase: Any, tasks: int, done: int, worth: bool
) -> None:
    runtime: Any = World()
    watch = PhaseWatch(runtime, KEYS, phase, tasks)
    watch.progress.done |= set(range(done))
    assert watch.is_worth_waiting() == worth


def test_markers_are_read_once_and_not_before_half_of_the_phase_is_done() -> None:
    world = World()
    watch = world.watch(5)
    read: list[int] = []

    def gets() -> int:
        return world.store.requests["get"]

    world.finish(3)
    world.finish(1)
    watch.look()
    watch.read_ahead(lambda: read.append(gets()))
    assert read == [], "a supervisor that takes over would read them again"
    world.finish(4)
    watch.look()
    before = gets()
    watch.read_ahead(lambda: read.append(gets()))
    assert gets() - before == len(read) == 3
    world.finish(0)
    watch.look()
    before = gets()
    watch.read_ahead(lambda: None)
    assert gets() - before == 1
    before = gets()
    bodies = [watch.ahead.get(KEYS.done("map", task)) for task in (0, 1, 3, 4)]
    assert gets() == before
    assert bodies == [world.store.get(KEYS.done("map", task)) for task in (0, 1, 3, 4)]


def test_what_was_read_stays_when_the_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    watch = world.watch(3)
    for task in range(2):
        world.finish(task)
    watch.look()

    def tick() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        watch.read_ahead(tick)
    before = world.store.requests["get"]
    watch.read_ahead(lambda: None)
    assert world.store.requests["get"] - before == 1
    monkeypatch.setattr(remembering, "_MOST", 0)
    full = world.watch(3)
    full.look()
    before = world.store.requests["get"]
    full.read_ahead(lambda: None)
    assert world.store.requests["get"] == before, "what is not remembered would be read twice"
