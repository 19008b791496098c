"""`stragglers`: which tasks get another attempt, which are given up, and what is said of those."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.core.spec import TimeoutSpec
from chalicelib.core.tasks import Failure
from chalicelib.run.progress import Progress
from chalicelib.run.stragglers import (
    Decision,
    Limits,
    decide,
    failed_for_good,
    limits_for,
    sample,
    slow_after,
)
from tests.worlds.simulation import spec

LIMITS = Limits(max_attempts=3, lost_after=50.0)


def choose(progress: Progress, started: dict[int, tuple[int, float]], now: float = 100.0) -> Decision:
    return decide(progress, started, now, LIMITS)


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
        return decide(progress, started, now, replace(LIMITS, max_attempts=2, slow_after=4.0))

    assert at(3.9, {2: (0, 0.0)}) == Decision((), ())
    assert at(4.1, {2: (0, 0.0)}) == Decision(((2, 1),), ())
    assert at(40.0, {2: (1, 4.1)}) == Decision((), ())
    assert at(60.0, {2: (1, 4.1)}) == Decision((), (2,))


def test_of_a_large_phase_only_the_last_twentieth_is_slow() -> None:
    def started(left: int) -> int:
        progress = Progress("map", 16_000, done=set(range(16_000 - left)), contiguous=16_000 - left)
        silent = dict.fromkeys(progress.missing(), (0, 0.0))
        return len(decide(progress, silent, 40.0, replace(LIMITS, slow_after=4.0)).start)

    assert started(7_200) == started(801) == 0
    assert started(800) == 200, "the others at the next looks"
    assert started(20) == 20


def test_of_those_that_are_slow_as_many_are_started_as_may_be() -> None:
    progress = Progress("map", 20, done=set(range(10)), contiguous=10, failed={10: {0}})
    silent = dict.fromkeys(progress.missing(), (0, 0.0))

    def started(most: int | None) -> list[int]:
        limits = replace(LIMITS, slow_after=4.0, most_slow=most)
        return [task for task, _ in decide(progress, silent, 40.0, limits).start]

    assert started(None) == [*range(10, 20)]
    assert started(2) == [10, 11, 12]
    assert started(0) == [10], "it has failed, which is no suspicion"


def test_what_is_lost_is_started_again_a_few_hundred_at_a_look() -> None:
    progress = Progress("map", 16_000)
    left = dict.fromkeys(range(16000), (0, 0.0))
    first = choose(progress, left).start
    assert [task for task, _ in first] == list(range(200))
    again = choose(progress, left | {task: (1, 100.0) for task, _ in first}).start
    assert [task for task, _ in again] == list(range(200, 400))


def test_with_one_attempt_only_a_slow_task_is_let_be() -> None:
    progress = Progress("map", 2, done={0})
    limits = replace(LIMITS, max_attempts=1, slow_after=4.0)
    assert decide(progress, {1: (0, 0.0)}, 10.0, limits) == Decision((), ())


def test_slow_is_a_fifth_longer_than_the_median() -> None:
    assert slow_after([(0.0, 1.0), (0.0, 2.0), (0.0, 30.0)]) == pytest.approx(2.65)


def test_where_tasks_wait_for_slots_the_longest_wait_is_added() -> None:
    at_once = [(0.5 * number, 20.0 + 0.5 * number) for number in range(5)]
    in_waves = [(20.0 * number, 20.0 + 20.0 * number) for number in range(5)]
    assert slow_after(at_once, slots=True) == slow_after(at_once) == pytest.approx(24.25)
    assert slow_after(in_waves) == pytest.approx(24.25)
    assert slow_after(in_waves, slots=True) == pytest.approx(24.25 + 60.0)


@pytest.mark.parametrize(
    ("tasks", "done", "expected"), [(0, 0, 0), (4, 1, 0), (4, 2, 2), (31, 16, 8), (1000, 500, 15)]
)
def test_how_long_a_task_takes_is_learned_from_a_few_once_half_are_done(
    tasks: int, done: int, expected: int
) -> None:
    found = sample(Progress("map", tasks, done=set(range(done))))
    assert len(found) == expected
    assert set(found) <= set(range(done))


def test_a_task_is_lost_a_minute_after_its_function_s_timeout() -> None:
    job = spec(max_attempts=5, timeout=TimeoutSpec(mapper=100, reducer=200))
    assert limits_for(job, "map", None) == Limits(max_attempts=5, lost_after=160.0)
    assert limits_for(job, "reduce", 3.0) == Limits(max_attempts=5, lost_after=260.0, slow_after=3.0)


def failure(task: int, attempt: int = 0, **figures: Any) -> Failure:
    message = f"error {task}.{attempt}"
    return Failure(phase="map", task=task, attempt=attempt, error="E", message=message, **figures)


def test_a_phase_goes_on_as_long_as_no_task_is_given_up() -> None:
    progress = Progress("map", 2, failed={0: {0}})
    assert failed_for_good(progress, [failure(0)], (), LIMITS, 9.0) is None


def test_a_task_given_up_is_named_with_its_first_error() -> None:
    progress = Progress("map", 2, failed={1: {0, 1, 2}})
    verdict = failed_for_good(progress, [failure(1, attempt) for attempt in (0, 1, 2)], (1,), LIMITS, 9.0)
    assert verdict is not None
    assert verdict.outcome == "failed"
    assert verdict.reason == "map task 1 (tried 3 times): error 1.0"
    assert verdict.failures == (failure(1),)


def test_a_task_never_heard_of_is_said_to_be_lost() -> None:
    verdict = failed_for_good(Progress("map", 2), [failure(1)], (0,), LIMITS, 9.0)
    assert verdict is not None
    assert verdict.reason.startswith(
        "map task 0 (tried 3 times): map task 0 was started 3 times and never heard of"
    )
    lost, other = verdict.failures
    assert (lost.error, lost.task, lost.attempt, lost.at) == ("Lost", 0, 2, 9.0)
    assert other == failure(1)


def test_an_error_that_would_come_again_fails_the_phase_at_once() -> None:
    progress = Progress("map", 2, failed={1: {0}})
    verdict = failed_for_good(progress, [failure(1, fatal=True)], (), LIMITS, 9.0)
    assert verdict is not None
    assert verdict.reason == "map task 1: error 1.0"
    progress.done.add(1)  # another attempt has done it all the same
    assert failed_for_good(progress, [failure(1, fatal=True)], (), LIMITS, 9.0) is None


def test_of_several_errors_that_come_again_the_first_of_the_input_is_the_reason() -> None:
    progress = Progress("map", 9)
    found = [failure(5, fatal=True), failure(1), failure(3, fatal=True), failure(7, fatal=True)]
    for failures in (found, found[::-1]):
        verdict = failed_for_good(progress, failures, (), LIMITS, 9.0)
        assert verdict is not None
        assert verdict.reason.startswith("map task 3: ")
