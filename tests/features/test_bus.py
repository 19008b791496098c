"""`events: eventbridge`: the same runs as by S3's own events, also of two jobs over one prefix.

The events have the shape that EventBridge sends: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job, Sum
from chalicelib.config.triggers import bus_patterns
from chalicelib.core.ports import Loc
from chalicelib.core.spec import JobSpec
from chalicelib.run.events import created
from tests.worlds.simulation import IN, Simulation, spec

KEY = "a b+c/100%25 häß.txt"
TEXT = b"a b a\nc a\n"


class Words(Job):
    def mapper(self, _: None, line: str) -> Iterator[Any]:
        for word in line.split():
            yield word, 1

    reducer = Sum()


def told(loc: Loc, etag: str, time: float, sequencer: str = "00617F08299329D189") -> dict[str, Any]:
    """As S3 tells EventBridge of an object; the key is as it is."""
    return {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": "123456789012",
        "time": f"{datetime.fromtimestamp(time, UTC):%Y-%m-%dT%H:%M:%SZ}",
        "region": "ca-central-1",
        "resources": [f"arn:aws:s3:::{loc.bucket}"],
        "detail": {
            "version": "0",
            "bucket": {"name": loc.bucket},
            "object": {"key": loc.key, "size": 5, "etag": etag, "sequencer": sequencer},
            "request-id": "N4N7GDK58NMKJ12R",
            "requester": "123456789012",
            "source-ip-address": "1.2.3.4",
            "reason": "PutObject",
        },
    }


def matches(pattern: dict[str, Any], event: dict[str, Any]) -> bool:
    """What EventBridge documents of patterns, as far as ours go: all fields, and one of the choices of each."""
    for name, wanted in pattern.items():
        if name == "$or":
            if not any(matches(one, event) for one in wanted):
                return False
            continue
        found = event.get(name)
        if isinstance(wanted, dict):
            if not (isinstance(found, dict) and matches(wanted, found)):
                return False
        elif not any(_chosen(choice, found) for choice in wanted):
            return False
    return True


def _chosen(choice: Any, found: Any) -> bool:
    if isinstance(choice, str):
        return bool(choice == found)
    ((operator, text),) = choice.items()
    tests = {
        "prefix": lambda: found.startswith(text),
        "suffix": lambda: found.endswith(text),
        "wildcard": lambda: fnmatch.fnmatchcase(found, text),  # ours hold no other signs of patterns
    }
    return bool(tests[operator]())


class OnBus(Simulation):
    """All that is created is told to EventBridge, whose rules of the job start its functions."""

    def __init__(self, job_spec: JobSpec, scratch: Path, **how: Any) -> None:
        super().__init__(Words, job_spec, scratch, **how)
        self.patterns = bus_patterns("job", job_spec)
        self.unwatched: list[str] = []

    def put(self, key: str, body: bytes) -> None:
        self.tell_of(IN.child(key), self.add(key, body))

    def tell_of(self, loc: Loc, etag: str) -> None:
        event = told(loc, etag, self.time)
        starts = [function for function, pattern in self.patterns.items() if matches(pattern, event)]
        self.unwatched += [] if starts else [loc.url]
        for function in starts:
            self.deliver(function, event)

    def _created(self, loc: Loc) -> None:
        if loc.bucket != IN.bucket:
            self.tell_of(loc, self.memory.head(loc).etag)


def world(place: Path, **how: Any) -> OnBus:
    return OnBus(spec(split_size=4, events="eventbridge"), place, **how)


def test_keys_come_as_they_are_and_a_repeated_event_is_the_same_run(tmp_path: Path) -> None:
    cloud = world(tmp_path, duplicates=True)
    cloud.put(KEY, TEXT)
    cloud.put("_hidden/x.txt", b"never\n")
    cloud.run()
    assert cloud.text() == b"a\t3\nb\t1\nc\t1\n"
    runs = {key.split("/")[2] for key in cloud.names() if key.startswith("work/runs/")}
    assert len(runs) == 1
    assert cloud.errors == []
    (item,) = created(told(Loc("b", KEY), "e", 0.0))
    assert item.loc.key == KEY
    assert not [url for url in cloud.unwatched if url.endswith(".done")]
    assert cloud.unwatched, "run files and plans start nothing"


@pytest.mark.parametrize("call", range(1, 60, 4))
def test_a_death_at_any_call_is_made_up_for(call: int, tmp_path: Path) -> None:
    """Three times in a row, so that Lambda reports events of EventBridge's shape."""
    cloud = world(tmp_path, kill_at=(call, call + 1, call + 2), reports=True, retries=0)
    cloud.put("a.txt", TEXT)
    cloud.run()
    ended = [name for name in cloud.output() if name in ("_SUCCESS", "_FAILED")]
    assert len(ended) == 1, cloud.names()
    assert ended == ["_FAILED"] or cloud.text() == b"a\t3\nb\t1\nc\t1\n"


def test_an_event_that_a_coordinator_failed_on_for_good_ends_its_run(tmp_path: Path) -> None:
    cloud = world(tmp_path, kill_at=(1, 2, 3), reports=True)
    cloud.put("a.txt", TEXT)
    cloud.run()
    assert b"its coordinator was stopped" in cloud.output()["_FAILED"]


@pytest.mark.parametrize("kind", ["Object Deleted", "Object Restore Completed"])
def test_other_events_start_nothing(kind: str) -> None:
    assert list(created({**told(Loc("b", "k"), "e", 0.0), "detail-type": kind})) == []


@pytest.mark.parametrize(
    "detail",
    [{}, {"bucket": {}}, {"bucket": {"name": 1}, "object": {"key": "k"}}, {"bucket": "b", "object": 3}],
)
def test_odd_events_are_passed_over(detail: dict[str, Any]) -> None:
    assert list(created({**told(Loc("b", "k"), "e", 0.0), "detail": detail})) == []
