"""S3 events as they arrive: keys URL-encoded, several records or none, in any order, more than once.

Or by way of EventBridge (`events: eventbridge`), one object an event, its key as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus, unquote_plus

import msgspec

from ..core.errors import InvokeError, NoticeError, StoreError
from ..core.ports import Loc

#: Rounds for which an event is kept whose function fails by what may pass: some hours.
MOST_ROUNDS = 40
#: How often an event is queued anew for which there was no slot for six hours: two days. Less than the sixteen turns
#: after which AWS takes a coordinator and a supervisor that call each other for a loop.
MOST_WAITS = 7
#: What Lambda says of an event that waited for a slot until it was too old.
TOO_OLD = "EventAgeExceeded"
#: In an event: its run is to be ended, and why Lambda gave it up.
END = "sluiceEnd"
_PASSING = (StoreError.__name__, InvokeError.__name__, NoticeError.__name__)


class Created(msgspec.Struct, frozen=True, kw_only=True):
    """One "object created" record. `hops` counts hand-overs of a supervisor, which come as such events."""

    loc: Loc
    time: str = ""
    version: str = ""
    #: Of what was written; empty if the event does not tell.
    etag: str = ""
    sequencer: str = ""
    hops: int = 0

    def age(self, now: float) -> float:
        """For how many seconds the event was under way; 0 if it does not tell."""
        try:
            return now - datetime.fromisoformat(self.time).timestamp()
        except ValueError:
            return 0.0


def created(event: dict[str, Any]) -> Iterator[Created]:
    """The objects an event tells of. Records of another shape, and deletions, are passed over."""
    read = _created_on_bus if is_of_bus(event) else _created
    for record in [event] if is_of_bus(event) else _records(event):
        try:
            found = read(record)
        except (KeyError, TypeError, ValueError, AttributeError):
            continue
        if found:
            yield found


def tells_of_objects(event: dict[str, Any]) -> bool:
    """Whether it is an event about objects, of S3's own shape or of EventBridge's. False for S3's test event."""
    return is_of_bus(event) or bool(_records(event))


def is_of_bus(event: Any) -> bool:
    """Whether EventBridge sent it, and S3 told EventBridge."""
    return (
        isinstance(event, dict) and event.get("source") == "aws.s3" and isinstance(event.get("detail"), dict)
    )


def _records(event: Any) -> list[Any]:
    found = event.get("Records") if isinstance(event, dict) else None
    return found if isinstance(found, list) else []


def _created_on_bus(event: dict[str, Any]) -> Created | None:
    """What EventBridge tells: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html

    The key is as the object has it: to decode it would find another object, or none.
    """
    item = event["detail"]["object"]
    bucket, key = event["detail"]["bucket"]["name"], item["key"]
    if not (isinstance(bucket, str) and bucket and isinstance(key, str)):
        return None
    if event.get("detail-type") != "Object Created":
        return None
    etag = str(item.get("etag") or "")
    return Created(
        loc=Loc(bucket, key),
        time=str(event.get("time", "")),
        version=str(item.get("version-id") or etag),
        etag=etag.strip('"'),
        sequencer=str(item.get("sequencer", "")),
    )


def _created(record: Any) -> Created | None:
    """One record; None for a deletion. Raises whatever comes of another shape."""
    place = record["s3"]
    item = place["object"]
    bucket, key, hops = place["bucket"]["name"], item["key"], record.get("sluiceHops", 0)
    if not (isinstance(bucket, str) and bucket and isinstance(key, str) and type(hops) is int):
        return None
    if not str(record.get("eventName", "ObjectCreated:")).startswith(("ObjectCreated", "s3:ObjectCreated")):
        return None
    return Created(
        loc=Loc(bucket, unquote_plus(key)),
        time=str(record.get("eventTime", "")),
        version=str(item.get("versionId") or item.get("eTag") or ""),
        etag=str(item.get("eTag") or "").strip('"'),
        sequencer=str(item.get("sequencer", "")),
        hops=hops,
    )


def failed_event(event: dict[str, Any]) -> dict[str, Any] | None:
    """The event on which a function has failed for good, if Lambda tells of one; None for all other events.

    It comes with `requestContext` (`functionArn`: whose it was, `condition`: why it was given up) around it.
    """
    if not isinstance(event, dict) or not isinstance(event.get("requestContext"), dict):
        return None
    payload = event.get("requestPayload")
    return payload if isinstance(payload, dict) else None


def round_of(event: dict[str, Any]) -> int:
    """How often an event was taken up again after Lambda had given it up."""
    found = event.get("sluiceRound", 0)
    return found if type(found) is int else 0


def next_round(event: dict[str, Any]) -> dict[str, Any]:
    """The event as it is taken up once more: Lambda delivers it three times again, over some three minutes."""
    return {**event, "sluiceRound": round_of(event) + 1}


def may_wait_on(report: dict[str, Any]) -> bool:
    """Whether the event that Lambda gave up only waited for a slot, and may do so again."""
    waits = report["requestPayload"].get("sluiceWaits", 0)
    return bool(
        report["requestContext"].get("condition") == TOO_OLD and type(waits) is int and waits < MOST_WAITS
    )


def queued_anew(event: dict[str, Any]) -> dict[str, Any]:
    """The event as it is queued once more that grew too old in Lambda's queue: nothing was tried, so nothing counts."""
    return {**event, "sluiceWaits": event.get("sluiceWaits", 0) + 1}


def may_pass(report: dict[str, Any]) -> bool:
    """Whether the function of a failed event raised what may pass: S3 or Lambda did not answer.

    False of one that was killed (Lambda says so by another name), and of any other error.
    """
    answer = report.get("responsePayload")
    return isinstance(answer, dict) and answer.get("errorType") in _PASSING


def event_for(loc: Loc, hops: int = 0, sent: float | None = None) -> dict[str, Any]:
    """An event of the same shape, by which a supervisor hands over and engines deliver.

    `sent` is when, in seconds since the epoch; without it the event does not tell its age.
    """
    return {
        "Records": [
            {
                "eventSource": "sluice",
                "eventName": "ObjectCreated:Put",
                "eventTime": "" if sent is None else datetime.fromtimestamp(sent, UTC).isoformat(),
                "sluiceHops": hops,
                "s3": {"bucket": {"name": loc.bucket}, "object": {"key": quote_plus(loc.key, safe="/")}},
            }
        ]
    }


def put_again(loc: Loc, etag: str, sent: float, sequencer: str = "") -> dict[str, Any]:
    """An event as S3 would send it if the object, whose etag this is, were put anew at `sent`.

    So it starts a run of its own, and delivered twice the same one twice. `sequencer` tells events of one time apart.
    """
    event = event_for(loc, sent=sent)
    event["Records"][0]["s3"]["object"] |= {"eTag": etag, "sequencer": sequencer}
    return event


def run_id(job: str, item: Created) -> str:
    """`20261121T032424-0123456789ab`: a pure function of job and event, so that a duplicate is the same run.

    Sorts by the event's time; the digits are of a hash of job, bucket, key, version (or etag) and
    sequencer.
    """
    parts = (job, *item.loc, item.time, item.version, item.sequencer)
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:12]
    digits = "".join(character for character in item.time[:19] if character.isdigit())
    stamp = f"{digits[:8]}T{digits[8:14]}" if len(digits) == 14 else "00000000T000000"
    return f"{stamp}-{digest}"
