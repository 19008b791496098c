"""Dates, moments and times as keys and values, and sets as values: right, and the same bytes everywhere."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Distinct, Job, Max, Min, Record
from chalicelib.testing import run_job
from tests.features.io.runs import failed, job_spec, run

START = datetime(2026, 2, 27, 20, tzinfo=timezone(timedelta(hours=2)))
VISITS = [(START + timedelta(hours=n * 7 % 61, microseconds=n), f"user {n * n % 5}") for n in range(120)]
LINES = [f"{moment.isoformat()} {user.split()[1]}" for moment, user in VISITS]
BODY = "\n".join(LINES).encode()


class Visits(Job):
    """Who came on each day, and when."""

    def mapper(self, _: None, line: str) -> Iterator[Any]:
        moment, user = line.split()
        at = datetime.fromisoformat(moment)
        yield at.date(), ({f"user {user}"}, at)

    def reducer(self, day: date, visits: Iterator[Any]) -> Iterator[Any]:
        who: set[str] = set()
        moments = []
        for users, moment in visits:
            assert type(users) is set
            who |= users
            moments.append(moment)
        yield day, {"who": who, "first": min(moments), "last": max(moments).time(), "same": {frozenset(who)}}


class Hours(Job):
    """By the hour, in UTC: the first and the last moment, and all users."""

    def mapper(self, _: None, line: str) -> Iterator[Any]:
        moment, user = line.split()
        at = datetime.fromisoformat(moment)
        yield at.astimezone(UTC).replace(minute=0, second=0, microsecond=0), (at, user)

    reducer = Record(first=Min().of(0), last=Max().of(0), users=Distinct().of(1))


def by_day() -> list[Any]:
    days = defaultdict(list)
    for moment, user in VISITS:
        days[moment.date()].append((moment, user))
    return [
        (
            day,
            {
                "who": (who := {user for _, user in some}),
                "first": min(some)[0],
                "last": max(some)[0].time(),
                "same": {frozenset(who)},
            },
        )
        for day, some in sorted(days.items())
    ]


@pytest.mark.parametrize("split_size", [40, 4000])
def test_days_and_sets_are_python_s(split_size: int) -> None:
    assert run_job(Visits, LINES, split_size=split_size) == by_day()
    turned = type("Turned", (Visits,), {"order_by": "-key"})
    assert run_job(turned, LINES, split_size=split_size) == by_day()[::-1]


def test_moments_in_utc_are_keys() -> None:
    hours = defaultdict(list)
    for moment, user in VISITS:
        hours[moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)].append((moment, user[-1:]))
    wanted = [
        (hour, {"first": min(some)[0], "last": max(some)[0], "users": sorted({user for _, user in some})})
        for hour, some in sorted(hours.items())
    ]
    found = run_job(Hours, LINES, split_size=50)
    assert found == wanted
    assert all(hour.tzinfo is UTC for hour, _ in found)


@pytest.mark.parametrize("job", [Visits, Hours])
def test_the_bytes_do_not_depend_on_any_size(job: type[Job], tmp_path: Path) -> None:
    bodies = set()
    for number, cut in enumerate(({}, {"split_size": 300, "reduce_size": 1}, {"split_size": 70})):
        spec = job_spec(output={"format": "jsonl"}, partitions=3, **cut)
        bodies.add(run(job, spec, {"a.txt": BODY}, tmp_path / str(number)).text())
    (body,) = bodies
    rows = [json.loads(row) for row in body.splitlines()]
    if job is Visits:
        assert [(row["key"], row["value"]["who"]) for row in sorted(rows, key=lambda row: row["key"])] == [
            (day.isoformat(), sorted(found["who"])) for day, found in by_day()
        ]


class Zones(Job):
    """With and without a zone in different tasks, which no task sees together."""

    def mapper(self, _: None, line: str) -> Iterator[Any]:
        at = datetime.fromisoformat(line)
        yield at, time(at.hour)


def test_with_and_without_a_zone_in_two_tasks_is_told(tmp_path: Path) -> None:
    lines = [b"2026-01-01T00:00:00", b"2026-01-01T00:00:00+00:00"]
    told = failed(Zones, job_spec(split_size=1), {f"{n}.txt": line for n, line in enumerate(lines)}, tmp_path)
    assert "datetime in UTC" in told
    assert "datetime without a zone" in told


class Sorted(Job):
    sort_values = True

    def mapper(self, _: None, line: str) -> Iterator[Any]:
        yield 1, [line, {line}]


def test_sets_are_no_sort_keys(tmp_path: Path) -> None:
    assert "sort key is or holds a set" in failed(Sorted, job_spec(), {"a.txt": b"a\nb"}, tmp_path)
