"""Single requests to S3: counted, repeated where botocore does not do so, their errors translated."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    FlexibleChecksumError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from ..core.errors import NotFound, StoreError
from ..core.ports import Loc, ObjectInfo
from .s3_errors import CONFLICT, code_and_status, translated

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

T = TypeVar("T")

#: How often one of *our* retries is made: of a 409, and of a body that ended early. botocore
#: repeats neither; what it does repeat (throttling, 5xx, lost connections) it has repeated already.
ATTEMPTS = 8

#: S3's code where something is not allowed; a HEAD has no body, and so the status for a code.
_DENIED = ("AccessDenied", "403")

#: Failures in the middle of a body, after botocore has handed it over.
_BROKEN_BODY = (IncompleteReadError, ReadTimeoutError, ResponseStreamingError, FlexibleChecksumError)


#: The name of an object's mark among its metadata; S3 lets no mark go with an empty value.
MARK = "sluice-run"


def marked(mark: str) -> dict[str, Any]:
    """What makes a request write an object with a mark."""
    return {"Metadata": {MARK: mark}} if mark else {}


class Fetched(NamedTuple):
    """The answer to one GET."""

    body: bytes
    #: Empty where S3 told only that the range begins past the end (416).
    etag: str
    #: Size of the whole object, or `start` where it is not known to reach that far.
    total: int


class S3Requests:
    """What one request does; `S3Store` and `S3Writer` are made of these. Safe to share among threads.

    `pause` waits that many seconds, `jitter` is a number in [0, 1): both for the back-off between retries.
    """

    def __init__(
        self,
        client: S3Client,
        *,
        pause: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.client = client
        self.requests: Counter[str] = Counter()
        self._pause, self._jitter = pause, jitter
        self._lock = threading.Lock()

    def count(self, kind: str) -> None:
        with self._lock:
            self.requests[kind] += 1

    def head(self, loc: Loc) -> ObjectInfo:
        self.count("head")
        try:
            found = self.client.head_object(Bucket=loc.bucket, Key=loc.key)
        except (ClientError, BotoCoreError) as error:
            raise self._unread(error, "HeadObject", loc) from error
        size, modified = found["ContentLength"], found["LastModified"].timestamp()
        mark = found.get("Metadata", {}).get(MARK, "")
        return ObjectInfo(loc.key, size, found["ETag"].strip('"'), modified, mark)

    def put(self, loc: Loc, body: bytes, mark: str = "") -> str:
        try:
            return self._put(loc, body, **marked(mark))
        except (ClientError, BotoCoreError) as error:
            raise translated(error, "PutObject", loc.url) from error

    def put_if_absent(self, loc: Loc, body: bytes, mark: str = "") -> bool:
        try:
            self._put(loc, body, IfNoneMatch="*", **marked(mark))
        except (ClientError, BotoCoreError) as error:
            if code_and_status(error)[1] == 412:
                return self._etag_if_holds(loc, body) is not None
            raise translated(error, "PutObject", loc.url) from error
        return True

    def put_if_match(self, loc: Loc, body: bytes, etag: str) -> str | None:
        try:
            return self._put(loc, body, IfMatch=f'"{etag}"')
        except (ClientError, BotoCoreError) as error:
            code, status = code_and_status(error)
            if status == 412:
                return self._etag_if_holds(loc, body)
            if code == "NoSuchKey" or self._says_missing(error, loc):
                return None
            raise translated(error, "PutObject", loc.url) from error

    def unless_conflict(self, request: Callable[[], T]) -> T:
        """`request()`, counted as a put and repeated while S3 says that writers of one key collided.

        A collision (409) decides nothing: the condition was not even looked at.
        """
        for attempt in range(1, ATTEMPTS):
            self.count("put")
            try:
                return request()
            except ClientError as error:
                if code_and_status(error)[0] != CONFLICT:
                    raise
            self._back_off(attempt)
        self.count("put")
        return request()

    def fetch(self, loc: Loc, start: int, stop: int | None, etag: str | None) -> Fetched:
        """One GET, made again when the body breaks off. A range that begins past the end is empty."""
        asked: dict[str, Any] = {"IfMatch": f'"{etag}"'} if etag is not None else {}
        ranged = start > 0 or stop is not None
        if ranged:
            asked["Range"] = f"bytes={start}-" if stop is None else f"bytes={start}-{stop - 1}"
        for attempt in range(1, ATTEMPTS + 1):
            self.count("get")
            try:
                answer = self.client.get_object(Bucket=loc.bucket, Key=loc.key, **asked)
            except (ClientError, BotoCoreError) as error:
                if code_and_status(error)[1] == 416:
                    return Fetched(b"", "", start)
                raise self._unread(error, "GetObject", loc) from error
            try:
                with closing(answer["Body"]) as stream:
                    body = stream.read()
            except _BROKEN_BODY as error:
                if attempt == ATTEMPTS:
                    raise translated(error, "GetObject", loc.url) from error
            else:
                total = _total(answer.get("ContentRange"), loc) if ranged else len(body)
                return Fetched(body, answer["ETag"].strip('"'), total)
            self._back_off(attempt)
        raise AssertionError("the last attempt returns or raises")

    def _put(self, loc: Loc, body: bytes, **more: Any) -> str:
        """The new etag; `more` is a condition, or metadata. Raises boto's errors."""
        answer = self.unless_conflict(
            lambda: self.client.put_object(Bucket=loc.bucket, Key=loc.key, Body=body, **more)
        )
        return answer["ETag"].strip('"')

    def _etag_if_holds(self, loc: Loc, body: bytes) -> str | None:
        """The object's etag if it is exactly `body`: then the 412 was for a repeat of our own success,
        whose answer was lost."""
        try:
            there = self.fetch(loc, 0, len(body) + 1, None)
            return (there.etag or self.head(loc).etag) if there.body == body else None
        except NotFound:
            return None

    def _unread(self, error: ClientError | BotoCoreError, operation: str, loc: Loc) -> StoreError:
        """The error of a GET or HEAD. A missing object is NotFound, also where S3 says 403 of it.

        It does so to who may not list the whole bucket, and functions may list their own prefixes only.
        """
        if self._says_missing(error, loc):
            return NotFound(
                f"{loc.url}: {operation}: no such object; check the key; it must be the exact name"
            )
        return translated(error, operation, loc.url)

    def _says_missing(self, error: ClientError | BotoCoreError, loc: Loc) -> bool:
        """Whether a 403 is for a missing object: a listing of the key shows it; False if it may not be listed."""
        if code_and_status(error)[0] not in _DENIED:
            return False
        self.count("list")
        try:
            page = self.client.list_objects_v2(Bucket=loc.bucket, Prefix=loc.key, MaxKeys=1)
        except (ClientError, BotoCoreError):
            return False
        return not any(row["Key"] == loc.key for row in page.get("Contents", ()))

    def _back_off(self, attempt: int) -> None:
        """Full jitter, so that writers that collided once do not collide again."""
        self._pause(self._jitter() * min(2.0, 0.05 * 2**attempt))


def _total(content_range: str | None, loc: Loc) -> int:
    """The object's size, from `bytes 0-9/100`."""
    if content_range is None:
        raise StoreError(
            f"{loc.url}: GetObject: the server ignored the Range that was asked for; use another"
        )
    return int(content_range.rpartition("/")[2])
