"""`events`: what S3 sends, however odd, and the run's name that follows from it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from chalicelib.core.ports import Loc
from chalicelib.run.events import Created, created, event_for, failed_event, run_id


def record(key: str = "data/a.txt", **extra: Any) -> dict[str, Any]:
    return {
        "eventName": "ObjectCreated:Put",
        "eventTime": "2026-11-21T03:24:24.123Z",
        "s3": {"bucket": {"name": "b"}, "object": {"key": key, "eTag": "e", "sequencer": "00A"}},
        **extra,
    }


@pytest.mark.parametrize(
    ("encoded", "key"),
    [
        ("a.txt", "a.txt"),
        ("a+b.txt", "a b.txt"),
        ("a%2Bb", "a+b"),
        ("100%25", "100%"),
        ("h%C3%A4%C3%9F/%E2%82%AC", "häß/€"),
        ("a%2541", "a%41"),
    ],
)
def test_keys_arrive_encoded(encoded: str, key: str) -> None:
    (found,) = created({"Records": [record(encoded)]})
    assert found.loc == Loc("b", key)


@pytest.mark.parametrize("key", ["plain", "with space", "a+b", "100%", "häß/€", "q?x=1&y", "%41"])
def test_our_own_events_read_back(key: str) -> None:
    (found,) = created(event_for(Loc("b", key), hops=3))
    assert (found.loc, found.hops) == (Loc("b", key), 3)


@pytest.mark.parametrize(
    "event", [{}, {"Records": []}, {"Records": None}, {"Event": "s3:TestEvent", "Bucket": "b"}]
)
def test_no_records_no_objects(event: dict[str, Any]) -> None:
    assert list(created(event)) == []


def test_every_record_counts_and_odd_ones_are_passed_over() -> None:
    event = {
        "Records": [
            record("one"), {}, {"s3": {}}, {"s3": None}, record("gone", eventName="ObjectRemoved:Delete"),
            record("two", eventName="s3:ObjectCreated:CompleteMultipartUpload"),
        ]
    }  # fmt: skip
    assert [item.loc.key for item in created(event)] == ["one", "two"]


def first(**extra: Any) -> Created:
    (item,) = created({"Records": [record(**extra)]})
    return item


def test_a_duplicate_is_the_same_run_and_everything_else_another() -> None:
    item = first()
    assert run_id("job", item) == run_id("job", first())
    assert re.fullmatch(r"20261121T032424-[0-9a-f]{12}", run_id("job", item))
    others = [
        run_id("other", item),
        run_id("job", first(key="data/b.txt")),
        run_id("job", first(eventTime="2026-11-21T03:24:25.123Z")),
        run_id("job", Created(loc=item.loc, time=item.time, version="e2", sequencer="00A")),
        run_id("job", Created(loc=item.loc, time=item.time, version="e", sequencer="00B")),
        run_id("job", Created(loc=Loc("c", item.loc.key), time=item.time, version="e", sequencer="00A")),
    ]
    assert len({run_id("job", item), *others}) == 7


def test_the_version_goes_before_the_etag() -> None:
    event = record()
    event["s3"]["object"]["versionId"] = "v1"
    (item,) = created({"Records": [event]})
    assert item.version == "v1"


@pytest.mark.parametrize("time", ["", "yesterday", "2026"])
def test_an_event_without_a_time_still_has_a_run(time: str) -> None:
    assert run_id("job", Created(loc=Loc("b", "k"), time=time)).startswith("00000000T000000-")


def test_field_edges_do_not_blur() -> None:
    one = Created(loc=Loc("b", "ab"), version="c")
    two = Created(loc=Loc("b", "a"), version="bc")
    assert run_id("j", one) != run_id("j", two)


@pytest.mark.parametrize(
    "event",
    [{}, {"Records": []}, {"requestPayload": {}}, {"requestContext": {}}, {"requestContext": "x", "requestPayload": {}},
     {"requestContext": {}, "requestPayload": None}, [], None, "x"],
)  # fmt: skip
def test_other_events_tell_of_no_failure(event: Any) -> None:
    assert failed_event(event) is None


def test_what_lambda_tells_of_a_failure_holds_the_event() -> None:
    event = event_for(Loc("b", "k"))
    assert (
        failed_event({"requestContext": {"condition": "RetriesExhausted"}, "requestPayload": event}) == event
    )
