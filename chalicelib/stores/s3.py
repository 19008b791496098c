"""Objects in S3, through boto3. The only module that imports boto3, which is slow to import."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any, Literal, overload

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.utils import parse_timestamp

from ..core.errors import ConfigError
from ..core.ports import Loc, ObjectInfo, ObjectWriter
from .base import check_block, check_range
from .s3_errors import describe, translated, undeleted
from .s3_requests import Fetched, S3Requests
from .s3_writer import PIECE, S3Writer

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client

_DELETE_BATCH = 1000
#: Connections of a client; more reads under way at once would wait for one.
_CONNECTIONS = 32
#: Pieces of a long stream that are under way at once; the first is small, for whoever reads has nothing to do before.
_PIECES, _FIRST = 4, 1 << 20


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
        max_pool_connections=_CONNECTIONS,
        connect_timeout=5,
        read_timeout=60,
        tcp_keepalive=True,
    )
    try:
        return _session().client(service, config=config)
    except BotoCoreError as error:
        raise ConfigError(f"AWS {service}: {describe(error, 'make a client')}") from error


def _session() -> boto3.Session:
    """As boto3's own, but for its parser of times, which takes most of what a page of a listing takes."""
    core = botocore.session.get_session()
    core.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=parsed_time)
    return boto3.Session(botocore_session=core)


def parsed_time(text: Any) -> datetime:
    """A time of an answer: quickly if it is written as in listings, else as botocore reads it."""
    if isinstance(text, str) and text.endswith("Z"):
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            pass
    found: datetime = parse_timestamp(text)
    return found


def reads_at_once(memory: int) -> int:
    """How many small reads are worth having under way in a function of `memory` MB, whose processor grows with it.

    A read takes 30 ms of waiting and 1.5 ms of a whole processor: below 1 024 MB the processor is what binds.
    """
    return min(max(memory // 32, S3Store.parallel_reads), _CONNECTIONS)


def parts_at_once(memory: int) -> int:
    """How many parts of 8 MiB a writer may have under way in a function of `memory` MB: a 64th of it, or one."""
    return min(max(memory // 512, 1), _PIECES)


class S3Store(S3Requests):
    """A `Store` over S3: its single requests, and what takes several. Safe to share among threads.

    `parallel_writes`: parts of 8 MiB that each writer may have under way, and in memory.
    """

    parallel_reads = 4

    def __init__(
        self,
        client: S3Client,
        *,
        parallel_reads: int = parallel_reads,
        parallel_writes: int = 2,
        **back_off: Any,
    ) -> None:
        super().__init__(client, **back_off)
        self.parallel_reads = parallel_reads
        self._parallel_writes = parallel_writes

    def get(self, loc: Loc, start: int = 0, stop: int | None = None, etag: str | None = None) -> bytes:
        if not check_range(start, stop):
            return b""
        return self.fetch(loc, start, stop, etag).body

    def stream(
        self, loc: Loc, start: int = 0, stop: int | None = None, etag: str | None = None, block: int = 1 << 17
    ) -> Iterator[bytes]:
        """A range of up to 8 MiB is one GET, and held whole. A longer one is read in pieces: 1 MiB, if `etag` says
        of which version, and then 8 MiB each, up to 4 of them under way ahead of the caller: up to 40 MiB are held.

        Every piece is of the same version of the object, also when no `etag` is given.
        """
        check_block(block)
        if not check_range(start, stop):
            return
        if stop is None or (etag is None and stop - start > PIECE):
            # The first piece tells the version, and the end.
            first = self.fetch(loc, start, start + PIECE, etag)
            yield from _blocks(first.body, block)
            start, etag = start + PIECE, first.etag
            stop = first.total if stop is None else min(stop, first.total)
        for body in self._pieces(loc, start, stop, etag):
            yield from _blocks(body, block)

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

    def writer(self, loc: Loc, if_absent: bool = False, mark: str = "") -> ObjectWriter:
        return S3Writer(self, loc, if_absent, mark, abreast=self._parallel_writes)

    def _pieces(self, loc: Loc, start: int, stop: int, etag: str | None) -> Iterator[bytes]:
        if stop - start <= PIECE:
            if start < stop:
                yield self.fetch(loc, start, stop, etag).body
            return
        cuts = pairwise((start, *range(start + _FIRST, stop, PIECE), stop))
        pool = ThreadPoolExecutor(_PIECES, thread_name_prefix="s3-read")

        def ask(how_many: int) -> None:
            for begin, end in islice(cuts, how_many):
                waiting.append((end - begin, pool.submit(self.fetch, loc, begin, end, etag)))

        try:
            waiting: deque[tuple[int, Future[Fetched]]] = deque()
            ask(_PIECES)
            while waiting:
                size, piece = waiting.popleft()
                body = piece.result().body
                ask(1)
                yield body
                if len(body) < size:  # the last one, or the object ends before `stop`
                    return
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _blocks(body: bytes, block: int) -> Iterator[bytes]:
    if len(body) <= block:
        if body:
            yield body
        return
    for at in range(0, len(body), block):
        yield body[at : at + block]
