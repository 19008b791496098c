"""The figures of a report, by themselves."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.core.deployment_spec import LambdaSpec
from chalicelib.core.messages import Stats
from chalicelib.core.plan import Plan
from chalicelib.core.ports import Loc
from chalicelib.core.spec import MemorySpec
from chalicelib.run.status.attempts import Attempt, History, StepHistory
from scripts.reporting.at_once import most_at_once
from scripts.reporting.columns import columns
from scripts.reporting.settings import settings
from scripts.reporting.slow import slowest
from tests.worlds.simulation import spec

T0 = 1000.0
PLAN = Plan(
    job="j", run="r", token="t", source="s", head=0, spec=spec(), work=Loc("w", ""), output=Loc("o", ""),
    partitions=4, tasks=1, page=1, pages=(), inputs=1, bytes=1, created=T0, code="c",
)  # fmt: skip


def history(*attempts: Attempt, plan: Plan = PLAN) -> History:
    step = StepHistory(
        number=0, role="work", plan=plan, reduce_plan=None, attempts=attempts, partitions=None, parts={}
    )
    return History(steps=(step,), quarantine=(), problems=())


def done(task: int, seconds: float = 1.0, ready: float = T0, wait: float = 0.0, **stats: Any) -> Attempt:
    figures = {"seconds": seconds, "code": seconds / 10, "bytes_in": 100, "starts": 1, **stats}
    return Attempt(
        0, "map", task, 0, "done",
        ready=ready, started=ready + wait, finished=ready + wait + seconds, stats=Stats(**figures),
    )  # fmt: skip


SPANS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 30)).map(lambda pair: (float(pair[0]), float(sum(pair))))
)


@given(SPANS)
def test_the_most_at_once_in_a_bucket_is_what_counting_at_each_moment_gives(
    spans: list[tuple[float, float]],
) -> None:
    def open_at(moment: float) -> int:
        return sum(start <= moment < stop for start, stop in spans)

    begun, ended, buckets = 0.0, 90.0, 9
    found = most_at_once(spans, begun, ended, buckets)
    for number, most in enumerate(found):
        # Something changes at whole numbers only.
        moments = range(number * 10, number * 10 + 10 + (number == buckets - 1))
        assert most == max(open_at(float(moment)) for moment in moments)


def test_what_takes_no_time_is_never_open() -> None:
    assert most_at_once([(5.0, 5.0)], 5.0, 5.0, 3) == [0, 0, 0]
    assert most_at_once([], 5.0, 5.0, 3) == [0, 0, 0]


def test_columns_of_one_value_are_that_value() -> None:
    found = columns(history(done(0), done(1, memory=512)), T0, T0 + 10)
    assert (found["n"], found["groups"]) == (2, ["map", "reduce"])
    assert (found["task"], found["end"], found["memory"]) == ([0, 1], 1000, [0, 512])


def test_what_left_nothing_lasts_until_something_else_was_heard_of_its_task() -> None:
    lost = Attempt(0, "map", 0, 0, "lost", ready=T0)
    second = done(0, ready=T0 + 5)._replace(attempt=1)
    alone = Attempt(0, "map", 1, 0, "under way", ready=T0)
    found = columns(history(lost, second, alone), T0, T0 + 9)
    assert (found["start"], found["end"]) == ([0, 5000, 0], [5000, 6000, 9000])


def test_unknown_times_are_none_that_could_be_drawn() -> None:
    unknown = Attempt(0, "map", 0, 1, "under way")
    found = columns(history(done(0), unknown), T0, T0 + 9)
    assert (found["ready"], found["start"], found["end"]) == ([0, -1], [0, -1], [1000, -1])


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        (done(9, bytes_in=1000), "much input: 1000 B, 10.0 times the usual"),
        (done(9, wait=5.0), "waited 5.0s before it began"),
        (done(9, starts=3), "ran out of time 2 times"),
        (done(9, starting=0.5, cold=1), "0.50s for the start of a new process"),
        (done(9, starting=0.1, init=0.6, cold=1), "0.70s for the start of a new process"),
        (done(9, starting=0.5), "0.50s for the start"),
        (done(9, reading=0.6), "0.60s for reading its input"),
        (done(9, spilled=2048), "its pairs did not fit memory: 2.0 KiB spilled to disk"),
        (done(9, memory=512, peak=500), "memory nearly full: 500 of 512 MiB"),
        (done(9, code=0.9), "the job's code took 9.0 times the usual for a byte"),
        (done(9, 3.0, code=2.5, bytes_in=0), "2.5s in the job's code"),
    ],
)
def test_each_reason_is_said_of_the_task_that_has_it_and_of_no_other(task: Attempt, reason: str) -> None:
    usual = [done(number) for number in range(9)]
    found = {one.attempts[0].task: one.reasons for one in slowest(history(*usual, task))}
    assert found.pop(9) == (reason,)
    assert set(found.values()) == {()}


def test_the_longest_come_first_from_the_first_attempt_to_the_end() -> None:
    failed = Attempt(0, "map", 2, 0, "failed", ready=T0, started=T0, finished=T0 + 3)
    again = done(2, ready=T0 + 3)._replace(attempt=1)
    found = slowest(history(done(0, 2.0), done(1, 1.0), failed, again), shown=2)
    assert [(one.attempts[0].task, one.seconds) for one in found] == [(2, 4.0), (0, 2.0)]


def test_the_configuration_says_what_was_set_and_shows_no_variable() -> None:
    own = spec(
        memory=MemorySpec(mapper=512), params={"top": 3}, lambda_=LambdaSpec(environment={"TOKEN": "hush"})
    )
    found = {row.key: (row.value, row.origin) for row in settings(replace(PLAN, spec=own))}
    assert found["memory.mapper"] == ("512", "set")
    assert found["memory.reducer"] == ("2048", "default")
    assert found["params.top"] == ("3", "set")
    assert found["lambda.environment.TOKEN"] == ("(not shown)", "set")
    assert found["map tasks"] == ("1", "the plan")
    assert "hush" not in str(found)
