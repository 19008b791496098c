"""Objects in S3, through boto3. The only module that imports boto3, which is slow to import."""

from __future__ import annotations

import functools
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar, overload

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    FlexibleChecksumError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from ..core.errors import ConfigError, NotFound, StoreError
from ..core.ports import Loc, ObjectInfo, ObjectWriter
from .base import check_block, check_range
from .s3_errors import CONFLICT, code_and_status, describe, translated, undeleted
from .s3_writer import PIECE, S3Writer

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client

T = TypeVar("T")

#: How often one of *our* retries is made: of a 409, and of a body that ended early. botocore
#: repeats neither; what it does repeat (throttling, 5xx, lost connections) it has repeated already.
ATTEMPTS = 8

_DELETE_BATCH = 1000

#: Failures in the middle of a body, after botocore has handed it over.
_BROKEN_BODY = (IncompleteReadError, ReadTimeoutError, ResponseStreamingError, FlexibleChecksumError)


@overload
def make_client(service: Literal["s3"]) -> S3Client: ...
@overload
def make_client(service: Literal["lambda"]) -> LambdaClient: ...
@functools.cache
def make_client(service: Literal["s3", "lambda"]) -> Any:
    """The process's client of `service`, made once: making one takes longer than a request.

    Endpoint, region and credentials come from the environment, as boto3 reads it. Checksums stay as
    boto3 sends them by default (CRC32): S3 then refuses a body that was damaged on its way; where an
    S3-compatible server knows no checksums, AWS_REQUEST_CHECKSUM_CALCULATION=when_required helps.
    Raises ConfigError where the environment names no region or an unknown profile.
    """
    config = Config(
        retries={"mode": "standard", "total_max_attempts": 8},
        max_pool_connections=32,
        connect_timeout=5,
        read_timeout=60,
        tcp_keepalive=True,
    )
    try:
        return boto3.client(service, config=config)
    except BotoCoreError as error:
        raise ConfigError(f"AWS {service}: {describe(error, 'make a client')}") from error


class _Fetched(NamedTuple):
    body: bytes
    #: Empty where S3 told only that the range begins past the end (416).
    etag: str
    #: Size of the whole object, or `start` where it is not known to reach that far.
    total: int


class S3Store:
    """A `Store` over S3. Safe to share among threads.

    `pause` waits that many seconds, `jitter` is a number in [0, 1): both for the back-off between retries.
    """

    parallel_reads = 4

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
            raise translated(error, "HeadObject", loc.url) from error
        size, modified = found["ContentLength"], found["LastModified"].timestamp()
        return ObjectInfo(loc.key, size, found["ETag"].strip('"'), modified)

    def get(self, loc: Loc, start: int = 0, stop: int | None = None, etag: str | None = None) -> bytes:
        if not check_range(start, stop):
            return b""
        return self._fetch(loc, start, stop, etag).body

    def stream(
        self, loc: Loc, start: int = 0, stop: int | None = None, etag: str | None = None, block: int = 1 << 17
    ) -> Iterator[bytes]:
        """A range of up to 8 MiB is one GET, and held whole. A longer one is read in pieces of 8 MiB, up
        to `parallel_reads` of them under way ahead of the caller: up to 40 MiB are held then.

        Every piece is of the same version of the object, also when no `etag` is given.
        """
        check_block(block)
        if not check_range(start, stop):
            return
        if stop is None or (etag is None and stop - start > PIECE):
            # The first piece tells the version, and the end.
            first = self._fetch(loc, start, start + PIECE, etag)
            yield from _blocks(first.body, block)
            start, etag = start + PIECE, first.etag
            stop = first.total if stop is None else min(stop, first.total)
        for body in self._pieces(loc, start, stop, etag):
            yield from _blocks(body, block)

    def put(self, loc: Loc, body: bytes) -> str:
        try:
            return self._put(loc, body)
        except (ClientError, BotoCoreError) as error:
            raise translated(error, "PutObject", loc.url) from error

    def put_if_absent(self, loc: Loc, body: bytes) -> bool:
        try:
            self._put(loc, body, IfNoneMatch="*")
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
            if code == "NoSuchKey":
                return None
            raise translated(error, "PutObject", loc.url) from error

    def list(self, prefix: Loc, after: str = "") -> Iterator[ObjectInfo]:
        """One request for each 1000 objects, made when they are asked for."""
        place: dict[str, Any] = {"StartAfter": after} if after else {}
        while True:
            self.count("list")
            try:
                page = self.client.list_objects_v2(Bucket=prefix.bucket, Prefix=prefix.key, **place)
            except (ClientError, BotoCoreError) as error:
                raise translated(error, "ListObjectsV2", prefix.url) from error
            for row in page.get("Contents", ()):
                modified = row["LastModified"].timestamp()
                yield ObjectInfo(row["Key"], row["Size"], row["ETag"].strip('"'), modified)
            if not page.get("IsTruncated"):
                return
            place = {"ContinuationToken": page["NextContinuationToken"]}

    def delete(self, bucket: str, keys: Iterable[str]) -> None:
        """One request for each 1000 keys. All are tried before what failed is raised."""
        rest, failed = iter(keys), []
        while batch := tuple(islice(rest, _DELETE_BATCH)):
            self.count("delete")
            try:
                answer = self.client.delete_objects(
                    Bucket=bucket, Delete={"Objects": [{"Key": key} for key in batch], "Quiet": True}
                )
            except (ClientError, BotoCoreError) as error:
                raise translated(error, "DeleteObjects", Loc(bucket, batch[0]).url) from error
            failed += answer.get("Errors", ())
        if failed:
            raise undeleted(bucket, failed)

    def writer(self, loc: Loc, if_absent: bool = False) -> ObjectWriter:
        return S3Writer(self, loc, if_absent)

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

    def _put(self, loc: Loc, body: bytes, **condition: Any) -> str:
        """The new etag. Raises boto's errors."""
        answer = self.unless_conflict(
            lambda: self.client.put_object(Bucket=loc.bucket, Key=loc.key, Body=body, **condition)
        )
        return answer["ETag"].strip('"')

    def _etag_if_holds(self, loc: Loc, body: bytes) -> str | None:
        """The object's etag if it is exactly `body`: then the 412 was for a repeat of our own success,
        whose answer was lost."""
        try:
            there = self._fetch(loc, 0, len(body) + 1, None)
            return (there.etag or self.head(loc).etag) if there.body == body else None
        except NotFound:
            return None

    def _pieces(self, loc: Loc, start: int, stop: int, etag: str | None) -> Iterator[bytes]:
        if stop - start <= PIECE:
            if start < stop:
                yield self._fetch(loc, start, stop, etag).body
            return
        starts = iter(range(start, stop, PIECE))
        pool = ThreadPoolExecutor(self.parallel_reads, thread_name_prefix="s3-read")

        def ask(how_many: int) -> None:
            for at in islice(starts, how_many):
                waiting.append(pool.submit(self._fetch, loc, at, min(at + PIECE, stop), etag))

        try:
            waiting: deque[Future[_Fetched]] = deque()
            ask(self.parallel_reads)
            while waiting:
                body = waiting.popleft().result().body
                ask(1)
                yield body
                if len(body) < PIECE:  # the last one, or the object ends before `stop`
                    return
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _fetch(self, loc: Loc, start: int, stop: int | None, etag: str | None) -> _Fetched:
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
                    return _Fetched(b"", "", start)
                raise translated(error, "GetObject", loc.url) from error
            try:
                with closing(answer["Body"]) as stream:
                    body = stream.read()
            except _BROKEN_BODY as error:
                if attempt == ATTEMPTS:
                    raise translated(error, "GetObject", loc.url) from error
            else:
                total = _total(answer.get("ContentRange"), loc) if ranged else len(body)
                return _Fetched(body, answer["ETag"].strip('"'), total)
            self._back_off(attempt)
        raise AssertionError("the last attempt returns or raises")

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


def _blocks(body: bytes, block: int) -> Iterator[bytes]:
    if len(body) <= block:
        if body:
            yield body
        return
    for at in range(0, len(body), block):
        yield body[at : at + block]
