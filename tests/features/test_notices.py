"""Whom a job names is told how each run has ended: behind it, at least once, and never at the run's expense."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib import Job, Sum
from chalicelib.core.deployment_spec import NotifySpec
from chalicelib.core.errors import NoticeError
from chalicelib.core.outcome import Notice
from chalicelib.core.spec import BadRecordsSpec, JobSpec, LimitsSpec
from tests.worlds.simulation import SCRATCH, Simulation, spec

TOPIC = "arn:aws:sns:eu-west-1:123456789012:runs"
SET_ASIDE = BadRecordsSpec(policy="quarantine", max_fraction=1.0)


class Count(Job):
    def mapper(self, _: Any, line: str) -> Iterator[tuple[str, int]]:
        if "bad" in line:
            raise ValueError(line)
        yield line, 1

    reducer = Sum()


class Again(Job):
    def mapper(self, line: str, count: int) -> Iterator[tuple[int, str]]:
        yield count, line

    def reducer(self, count: int, lines: Iterator[str]) -> Iterator[Any]:
        yield count, sorted(lines)


class Twice(Job):
    steps = (Count, Again)


class World(Simulation):
    """Its supervisor tells; the first `deaf` deliveries fail."""

    def __init__(self, job: type[Job], job_spec: JobSpec, *, deaf: int = 0, **how: Any) -> None:
        super().__init__(job, job_spec, SCRATCH, **how)
        self.deaf = deaf
        self.heard: list[Notice] = []
        #: What was published when somebody was told.
        self.published: list[set[str]] = []
        self.tell = self._hear

    def _hear(self, whom: NotifySpec, notice: Notice) -> None:
        self.call(lambda: None)  # may be the invocation's last, before or after it
        if self.deaf:
            self.deaf -= 1
            raise NoticeError(f"{whom.topic}: nobody there")
        self.heard.append(notice)
        self.published.append(set(self.output()))


def ran(job: type[Job] = Count, text: bytes = b"a\nb\na\n", **how: Any) -> World:
    figures = {"split_size": 3, "partitions": 2, "reduce_size": 1, "notify": NotifySpec(topic=TOPIC)}
    figures |= how.pop("spec", {})
    world = World(job, spec(**figures), **how)
    world.drop("x.txt", text)
    world.run()
    return world


def told_marks(world: World) -> list[str]:
    return [key for key in world.work() if key.endswith("/told")]


@pytest.mark.parametrize("seats", [None, 0, 1])
@pytest.mark.parametrize("job", [Count, Twice])
def test_a_success_is_told_once_behind_the_run(job: type[Job], seats: int | None) -> None:
    world = ran(job, seats=seats)
    (notice,) = world.heard
    manifest = json.loads(world.output()["_manifest.json"])
    assert (notice.outcome, notice.reason, notice.job) == ("success", "", "job")
    assert (notice.records, notice.inputs, notice.input_bytes, notice.bad) == (manifest["records"], 1, 6, 0)
    assert notice.source == "s3://in/data/x.txt"
    assert notice.manifest == f"{notice.output}_manifest.json" == f"s3://out/{notice.run}/_manifest.json"
    assert notice.started.startswith("2023-11-14T22:13")
    assert "_SUCCESS" in world.published[0]
    assert len(told_marks(world)) == 1


@pytest.mark.parametrize("seats", [None, 0])
def test_a_small_run_is_told(seats: int | None) -> None:
    world = ran(seats=seats, spec={"split_size": None, "partitions": None})
    assert world.invocations["mapper"] == 1
    assert [notice.outcome for notice in world.heard] == ["success"]


def test_a_failure_is_told_with_the_beginning_of_its_reason() -> None:
    world = ran(
        text=b"a\nbad " + b"x" * 5000 + b"\nb\n", spec={"max_attempts": 1, "split_size": None}, seats=0
    )
    (notice,) = world.heard
    assert notice.outcome == "failed"
    assert "ValueError" in notice.reason
    assert len(notice.reason) <= 1000
    assert "_FAILED" in world.published[0]


def test_a_run_that_was_never_planned_is_told() -> None:
    world = ran(spec={"limits": LimitsSpec(input_bytes=1)}, seats=0)
    (notice,) = world.heard
    assert notice.outcome == "failed"
    assert "limits.input_bytes" in notice.reason


def test_a_run_over_totals_is_told() -> None:
    world = ran(spec={"accumulate": True}, seats=0)
    world.drop("y.txt", b"a\n")
    world.run()
    assert [notice.outcome for notice in world.heard] == ["success", "success"]
    assert len({notice.run for notice in world.heard}) == 2


@pytest.mark.parametrize(
    ("on", "text", "told"),
    [
        ("failed", b"a\n", False),
        ("success", b"a\nbad\n", True),
        ("bad_records", b"a\n", False),
        ("bad_records", b"a\nbad\n", True),
        ("failed, bad_records", b"a\nbad\n", True),
    ],
)
def test_only_what_the_job_wants_is_told(on: str, text: bytes, told: bool) -> None:
    world = ran(text=text, spec={"notify": NotifySpec(topic=TOPIC, on=on), "bad_records": SET_ASIDE}, seats=0)
    assert "_SUCCESS" in world.output()
    assert [notice.bad for notice in world.heard] == ([text.count(b"bad")] if told else [])


def test_it_arrives_though_the_first_two_deliveries_fail() -> None:
    world = ran(seats=0, deaf=2)
    assert [type(error) for error in world.errors] == [NoticeError, NoticeError]
    assert len(world.heard) == 1
    assert "_SUCCESS" in world.output()


def test_it_arrives_though_lambda_has_given_its_event_up() -> None:
    world = ran(seats=0, deaf=4)
    assert len(world.heard) == 1
    assert world.output().keys() & {"_SUCCESS", "_FAILED"} == {"_SUCCESS"}


def test_nobody_who_can_be_told_leaves_the_run_as_it_is() -> None:
    world, calm = ran(seats=0, deaf=10_000), ran(seats=0)
    assert world.heard == []
    assert told_marks(world) == []
    assert world.output() == calm.output()


def test_who_tells_nobody_asks_the_store_for_nothing_more() -> None:
    """Who tells reads verdict, plan and manifest, lists what is told and what is published, and marks it as told."""

    class Deaf(World):
        def _hear(self, whom: NotifySpec, notice: Notice) -> None:
            self.heard.append(notice)

    def requests(notify: NotifySpec) -> Counter[str]:
        world = Deaf(Count, spec(notify=notify), seats=0)
        world.drop("x.txt", b"a\n")
        world.run()
        return world.memory.requests

    unasked = World(Count, spec(), seats=0)
    unasked.tell = None
    unasked.drop("x.txt", b"a\n")
    unasked.run()
    assert requests(NotifySpec()) == unasked.memory.requests
    assert requests(NotifySpec(topic=TOPIC)) - unasked.memory.requests == Counter(get=3, list=2, put=1)


@pytest.mark.parametrize("before", [False, True])
def test_a_kill_at_any_call_tells_at_least_once(before: bool) -> None:
    small: dict[str, Any] = {"seats": 0, "spec": {"split_size": None}, "before": before}
    for at in range(1, ran(**small).calls + 1):
        world = ran(**small, kill_at=[at], duplicates=at % 2 == 0)
        assert {notice.outcome for notice in world.heard} == {"success"}, at
        assert all("_SUCCESS" in published for published in world.published), at
        assert "_SUCCESS" in world.output(), at
