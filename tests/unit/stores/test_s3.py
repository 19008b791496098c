"""What S3 does rarely: lost answers, collisions, broken bodies, refusals. moto answers but for these."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, NoCredentialsError
from moto import mock_aws
from moto.core.models import botocore_stubber
from mypy_boto3_s3 import S3Client

from chalicelib.core.errors import Forbidden, NotFound, PreconditionFailed, StoreError
from chalicelib.core.ports import Loc
from chalicelib.stores.s3 import S3Store, parsed_time, parts_at_once, reads_at_once
from chalicelib.stores.s3_errors import translated
from chalicelib.stores.s3_requests import ATTEMPTS
from chalicelib.stores.s3_writer import PIECE, part_size

ROOT = Path(__file__).resolve().parents[3]
BUCKET = "bucket"
MIB = 1 << 20

Forward = Callable[[AWSPreparedRequest], AWSResponse]
Fault = Callable[[AWSPreparedRequest, Forward], AWSResponse]


class Wire:
    """Between the client and moto: plays the faults of an operation in order, then lets requests through."""

    def __init__(self) -> None:
        self.faults: dict[str, list[Fault]] = {}
        self.seen: list[str] = []
        self._lock = threading.Lock()

    def __call__(self, request: AWSPreparedRequest, event_name: str, **_: Any) -> AWSResponse:
        operation = event_name.rpartition(".")[2]
        with self._lock:
            self.seen.append(operation)
            waiting = self.faults.get(operation)
            fault = waiting.pop(0) if waiting else None
        return fault(request, self.forward) if fault else self.forward(request)

    def forward(self, request: AWSPreparedRequest) -> AWSResponse:
        with self._lock:
            answer = botocore_stubber(event_name="before-send", request=request)
        assert answer is not None
        return answer


def answer(status: int, code: str, message: str = "as S3 words it") -> Fault:
    """S3's error, and nothing done."""
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    return lambda request, _: AWSResponse(request.url, status, {}, Raw(body))


def done_but(status: int, code: str) -> Fault:
    """The request took effect and its answer was lost; its repeat got this."""

    def fault(request: AWSPreparedRequest, forward: Forward) -> AWSResponse:
        assert forward(request).status_code == 200
        return answer(status, code)(request, forward)

    return fault


def lost(request: AWSPreparedRequest, forward: Forward) -> AWSResponse:
    assert forward(request).status_code == 200
    raise ConnectionClosedError(endpoint_url=request.url)


def cut(request: AWSPreparedRequest, forward: Forward) -> AWSResponse:
    whole = forward(request)
    return AWSResponse(whole.url, whole.status_code, whole.headers, Raw(whole.content[:-3]))


class Raw(BytesIO):
    """What botocore asks of urllib3's response."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


CONFLICT = answer(409, "ConditionalRequestConflict")


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture(scope="module")
def any_client() -> Iterator[S3Client]:
    made = make_test_client(attempts=3)
    made.meta.events.unregister("before-send", botocore_stubber)
    yield made
    made.close()


@pytest.fixture
def client(any_client: S3Client, wire: Wire) -> Iterator[S3Client]:
    with mock_aws():
        any_client.meta.events.register("before-send", wire)
        any_client.create_bucket(Bucket=BUCKET)
        yield any_client
        any_client.meta.events.unregister("before-send", wire)


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def store(client: S3Client, pauses: list[float]) -> S3Store:
    return S3Store(client, pause=pauses.append, jitter=lambda: 0.5)


def make_test_client(attempts: int, endpoint: str | None = None) -> S3Client:
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"mode": "standard", "total_max_attempts": attempts}),
    )


def loc(key: str = "k") -> Loc:
    return Loc(BUCKET, key)


class TestForbiddenOrMissing:
    """S3 says 403 of a missing object to who may not list the whole bucket."""

    def test_a_403_of_what_is_not_there_means_that(self, store: S3Store, wire: Wire) -> None:
        store.put(loc("k2"), b"begins alike")
        for operation, read in (("GetObject", store.get), ("HeadObject", store.head)):
            wire.faults[operation] = [answer(403, "AccessDenied")]
            with pytest.raises(NotFound, match=rf"{operation}: no such object"):
                read(loc())

    def test_a_403_of_what_is_there_stays_one(self, store: S3Store, wire: Wire) -> None:
        store.put(loc(), b"x")
        for operation, read in (("GetObject", store.get), ("HeadObject", store.head)):
            wire.faults[operation] = [answer(403, "AccessDenied")]
            with pytest.raises(Forbidden):
                read(loc())

    def test_a_403_where_nothing_may_be_listed_stays_one(self, store: S3Store, wire: Wire) -> None:
        wire.faults["GetObject"] = [answer(403, "AccessDenied")]
        wire.faults["ListObjectsV2"] = [answer(403, "AccessDenied")]
        with pytest.raises(Forbidden):
            store.get(loc())

    def test_a_swap_of_what_is_not_there_is_lost(self, store: S3Store, wire: Wire) -> None:
        wire.faults["PutObject"] = [answer(403, "AccessDenied")]
        assert store.put_if_match(loc(), b"x", "0" * 32) is None
        store.put(loc(), b"there")
        wire.faults["PutObject"] = [answer(403, "AccessDenied")]
        with pytest.raises(Forbidden):
            store.put_if_match(loc(), b"x", "0" * 32)

    def test_what_is_there_costs_no_listing(self, store: S3Store, wire: Wire) -> None:
        store.put(loc(), b"x")
        store.get(loc())
        with pytest.raises(NotFound):
            store.get(loc("other"))
        assert "ListObjectsV2" not in wire.seen


class TestLostAnswers:
    def test_botocore_repeats_a_creation_whose_answer_was_lost(self, store: S3Store, wire: Wire) -> None:
        wire.faults["PutObject"] = [lost]
        assert store.put_if_absent(loc(), b"mine") is True
        assert wire.seen.count("PutObject") == 2
        assert store.get(loc()) == b"mine"

    def test_a_412_with_our_body_there_is_our_success(self, store: S3Store, wire: Wire) -> None:
        wire.faults["PutObject"] = [done_but(412, "PreconditionFailed")]
        assert store.put_if_absent(loc(), b"mine") is True

    def test_a_412_with_another_body_there_is_a_loss(self, store: S3Store) -> None:
        for there in (b"theirs", b"mine, and more", b"min", b""):
            store.put(loc(), there)
            assert store.put_if_absent(loc(), b"mine") is False

    def test_a_412_with_nothing_there_any_more_is_a_loss(self, store: S3Store, wire: Wire) -> None:
        wire.faults["PutObject"] = [answer(412, "PreconditionFailed")]
        assert store.put_if_absent(loc(), b"mine") is False

    def test_a_replacement_whose_answer_was_lost_is_ours(self, store: S3Store, wire: Wire) -> None:
        old = store.put(loc(), b"old")
        wire.faults["PutObject"] = [done_but(412, "PreconditionFailed")]
        new = store.put_if_match(loc(), b"new", old)
        assert new == store.head(loc()).etag != old

    @pytest.mark.parametrize(("status", "code"), [(412, "PreconditionFailed"), (404, "NoSuchUpload")])
    def test_a_multipart_upload_whose_answer_was_lost_is_ours(
        self, store: S3Store, wire: Wire, status: int, code: str
    ) -> None:
        wire.faults["CompleteMultipartUpload"] = [done_but(status, code)]
        assert write(store, 9 * MIB, if_absent=True) is True
        assert store.head(loc()).size == 9 * MIB

    @pytest.mark.parametrize("theirs", [b"\1" * 9 * MIB, b"\0" * (9 * MIB - 1)])
    def test_a_multipart_upload_of_another_is_not_ours(self, store: S3Store, theirs: bytes) -> None:
        """The same size with other bytes, and the same bytes with another size."""
        store.put(loc(), theirs)
        assert write(store, 9 * MIB, if_absent=True) is False
        assert store.get(loc()) == theirs


class TestCollisions:
    def test_a_409_is_repeated(self, store: S3Store, wire: Wire, pauses: list[float]) -> None:
        wire.faults["PutObject"] = [CONFLICT, CONFLICT]
        assert store.put_if_absent(loc(), b"mine") is True
        assert store.requests["put"] == 3
        assert len(pauses) == 2
        assert 0 < pauses[0] < pauses[1]

    def test_a_409_and_then_another_winner_is_a_loss(self, store: S3Store, wire: Wire) -> None:
        def overtaken(request: AWSPreparedRequest, forward: Forward) -> AWSResponse:
            store.put(loc(), b"theirs")
            return CONFLICT(request, forward)

        wire.faults["PutObject"] = [overtaken]
        assert store.put_if_absent(loc(), b"mine") is False

    def test_a_replacement_is_repeated_too(self, store: S3Store, wire: Wire) -> None:
        old = store.put(loc(), b"old")
        wire.faults["PutObject"] = [CONFLICT]
        assert store.put_if_match(loc(), b"new", old) is not None
        assert store.get(loc()) == b"new"

    def test_a_409_for_ever_is_an_error(self, store: S3Store, wire: Wire, pauses: list[float]) -> None:
        wire.faults["PutObject"] = [CONFLICT] * 100
        with pytest.raises(StoreError, match=r"s3://bucket/k: PutObject: ConditionalRequestConflict \(409\)"):
            store.put_if_absent(loc(), b"mine")
        assert store.requests["put"] == ATTEMPTS
        assert len(pauses) == ATTEMPTS - 1
        assert max(pauses) <= 2

    def test_a_multipart_commit_is_repeated(self, store: S3Store, wire: Wire) -> None:
        wire.faults["CompleteMultipartUpload"] = [CONFLICT]
        assert write(store, 9 * MIB, if_absent=True) is True

    def test_a_multipart_commit_that_cannot_be_made_leaves_no_parts(
        self, store: S3Store, client: S3Client, wire: Wire
    ) -> None:
        wire.faults["CompleteMultipartUpload"] = [CONFLICT] * 100
        with pytest.raises(StoreError, match="CompleteMultipartUpload: ConditionalRequestConflict"):
            write(store, 9 * MIB, if_absent=True)
        assert client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []


class TestBrokenBodies:
    def test_a_body_that_ends_early_is_read_again(self, store: S3Store, wire: Wire) -> None:
        store.put(loc(), b"0123456789")
        wire.faults["GetObject"] = [cut, cut]
        assert store.get(loc(), 2, 9) == b"2345678"
        assert store.requests["get"] == 3

    def test_a_body_that_always_ends_early_is_an_error(self, store: S3Store, wire: Wire) -> None:
        store.put(loc(), b"0123456789")
        wire.faults["GetObject"] = [cut] * 100
        with pytest.raises(
            StoreError, match=r"s3://bucket/k: GetObject: 4 read, but total bytes expected is 7"
        ):
            store.get(loc(), 2, 9)
        assert store.requests["get"] == ATTEMPTS

    def test_a_connection_that_breaks_off_is_made_again(self, pauses: list[float]) -> None:
        with serve([b"01234", b"0123456789"], length=10) as endpoint:
            client = make_test_client(1, endpoint)
            store = S3Store(client, pause=pauses.append)
            assert store.get(loc()) == b"0123456789"
            client.close()
        assert store.requests["get"] == 2

    def test_a_server_that_ignores_ranges_is_an_error(self) -> None:
        with serve([b"0123456789"], length=10) as endpoint:
            client = make_test_client(1, endpoint)
            with pytest.raises(StoreError, match="ignored the Range"):
                S3Store(client).get(loc(), 2, 5)
            client.close()


@pytest.mark.slow
class TestStreams:
    def test_four_pieces_are_under_way_at_once_and_no_more(self, store: S3Store, wire: Wire) -> None:
        body = bytes(6 * PIECE)
        etag = store.put(loc(), body)
        all_four, under_way, most = threading.Barrier(4), 0, 0
        lock = threading.Lock()

        def together(request: AWSPreparedRequest, forward: Forward) -> AWSResponse:
            nonlocal under_way, most
            with lock:
                under_way += 1
                most = max(most, under_way)
            all_four.wait(timeout=30)  # breaks, and fails the test, if the four never meet
            with lock:
                under_way -= 1
            return forward(request)

        wire.faults["GetObject"] = [together] * 4
        assert sum(map(len, store.stream(loc(), 0, len(body), etag))) == len(body)
        assert most == 4
        assert store.requests["get"] == 7  # the first is small, so that reading begins early

    def test_a_reader_begins_when_the_first_mebibyte_is_there(self, store: S3Store, wire: Wire) -> None:
        """And not when 8 of them are."""
        body = bytes(range(256)) * (2 * PIECE // 256)
        etag, begun = store.put(loc(), body), threading.Event()

        def later(request: AWSPreparedRequest, forward: Forward) -> AWSResponse:
            if "bytes=5-" not in str(request.headers["Range"]):
                assert begun.wait(30)
            return forward(request)

        wire.faults["GetObject"] = [later] * 3
        reading = store.stream(loc(), 5, len(body) - 7, etag, block=MIB)
        first = next(reading)
        begun.set()
        assert first + b"".join(reading) == body[5:-7]

    def test_a_slow_reader_is_not_run_away_from(self, store: S3Store) -> None:
        etag = store.put(loc(), bytes(6 * PIECE))
        reading = store.stream(loc(), 0, 6 * PIECE, etag)
        next(reading)
        reading.close()  # type: ignore[attr-defined]  # it waits for what was under way
        assert store.requests["get"] <= 5

    @pytest.mark.parametrize(("start", "stop"), [(0, 100), (50, PIECE + 50), (0, None)])
    def test_a_small_range_is_one_request(self, store: S3Store, start: int, stop: int | None) -> None:
        store.put(loc(), bytes(PIECE if stop is None else PIECE + 100))
        assert sum(map(len, store.stream(loc(), start, stop))) == (stop or PIECE) - start
        assert store.requests["get"] == 1

    def test_versions_are_not_mixed_without_an_etag(self, store: S3Store) -> None:
        store.put(loc(), b"a" * (3 * PIECE))
        reading = store.stream(loc(), block=PIECE)
        assert next(reading) == b"a" * PIECE
        store.put(loc(), b"b" * (3 * PIECE))
        with pytest.raises(PreconditionFailed, match="overwritten"):
            next(reading)

    def test_an_error_of_a_piece_reaches_the_reader(self, store: S3Store, wire: Wire) -> None:
        etag = store.put(loc(), bytes(3 * PIECE))
        wire.faults["GetObject"] = [answer(403, "AccessDenied")] * 3
        before = threading.active_count()
        with pytest.raises(Forbidden, match="GetObject: AccessDenied"):
            next(store.stream(loc(), 0, 3 * PIECE, etag))
        assert threading.active_count() == before


class TestRefusals:
    @pytest.mark.parametrize(
        ("status", "code", "kind", "hint"),
        [
            (403, "AccessDenied", Forbidden, "allow s3:GetObject"),
            (403, "ExpiredToken", Forbidden, "AWS credentials"),
            (404, "NoSuchKey", NotFound, "check the key"),
            (404, "NoSuchBucket", NotFound, "create the bucket"),
            (412, "PreconditionFailed", PreconditionFailed, "overwritten"),
            (400, "ExpiredToken", StoreError, "AWS credentials"),
            (418, "Teapot", StoreError, "AWS documentation"),
        ],
    )
    def test_a_refusal_says_where_what_and_what_to_do(
        self, store: S3Store, wire: Wire, status: int, code: str, kind: type[StoreError], hint: str
    ) -> None:
        wire.faults["GetObject"] = [answer(status, code)]
        if code == "AccessDenied":
            wire.faults["ListObjectsV2"] = [answer(status, code)]
        with pytest.raises(StoreError) as caught:
            store.get(loc("the/key"))
        assert not wire.faults.get("ListObjectsV2")
        assert type(caught.value) is kind
        text = str(caught.value)
        assert text.startswith(f"s3://bucket/the/key: GetObject: {code} ({status}): as S3 words it; ")
        assert hint in text

    def test_each_operation_translates(self, store: S3Store, wire: Wire) -> None:
        denied = answer(403, "AccessDenied")
        calls: dict[str, Callable[[], object]] = {
            "HeadObject": lambda: store.head(loc()),
            "PutObject": lambda: store.put(loc(), b"x"),
            "ListObjectsV2": lambda: list(store.list(loc())),
            "DeleteObjects": lambda: store.delete(BUCKET, ["k"]),
            "CreateMultipartUpload": lambda: write(store, 9 * MIB),
            "UploadPart": lambda: write(store, 9 * MIB),
            "CompleteMultipartUpload": lambda: write(store, 9 * MIB),
        }
        for operation, call in calls.items():
            wire.faults[operation] = [denied]
            if operation == "HeadObject":  # or it would be missing
                wire.faults["ListObjectsV2"] = [denied]
            with pytest.raises(Forbidden, match=rf"^s3://bucket/k: {operation}: .*allow s3:"):
                call()

    def test_conditional_puts_into_a_missing_bucket_are_not_found(self, store: S3Store) -> None:
        nowhere = Loc("nowhere", "k")
        for call in (
            lambda: store.put_if_absent(nowhere, b"x"),
            lambda: store.put_if_match(nowhere, b"x", "0" * 32),
            lambda: store.put(nowhere, b"x"),
            lambda: list(store.list(nowhere)),
            lambda: store.delete("nowhere", ["k"]),
        ):
            with pytest.raises(NotFound, match=r"s3://nowhere/k: .*NoSuchBucket.*create the bucket"):
                call()

    def test_nobody_at_the_endpoint(self) -> None:
        with serve([], length=0) as endpoint:
            pass  # the port is closed again
        client = make_test_client(1, endpoint)
        with pytest.raises(StoreError, match=r"s3://bucket/k: GetObject: .*check the network"):
            S3Store(client).get(loc())
        client.close()

    def test_no_credentials(self) -> None:
        error = translated(NoCredentialsError(), "GetObject", "s3://b/k")
        assert type(error) is StoreError
        assert "set AWS_PROFILE" in str(error)

    def test_an_answer_without_a_text_is_still_told(self) -> None:
        error = translated(
            ClientError({"ResponseMetadata": {"HTTPStatusCode": 500}}, "X"), "GetObject", "s3://b/k"
        )
        assert str(error).startswith("s3://b/k: GetObject:  (500): no message; it was repeated in vain")

    def test_keys_that_were_not_deleted_are_told(self, store: S3Store, wire: Wire) -> None:
        body = (
            b"<DeleteResult>"
            b"<Error><Key>a</Key><Code>AccessDenied</Code><Message>no</Message></Error>"
            b"<Error><Key>b</Key><Code>InternalError</Code></Error>"
            b"</DeleteResult>"
        )
        wire.faults["DeleteObjects"] = [lambda request, _: AWSResponse(request.url, 200, {}, Raw(body))]
        with pytest.raises(Forbidden, match=r"s3://bucket/a: .*allow s3:DeleteObject .*\(1 more"):
            store.delete(BUCKET, ["a", "b", "c"])

    def test_deletes_go_in_batches_of_a_thousand(self, store: S3Store, wire: Wire) -> None:
        sizes: list[int] = []

        def counted(request: AWSPreparedRequest, forward: Forward) -> AWSResponse:
            body = request.body
            assert isinstance(body, bytes)
            sizes.append(body.count(b"<Key>"))
            return AWSResponse(request.url, 200, {}, Raw(b"<DeleteResult/>"))

        wire.faults["DeleteObjects"] = [counted] * 9
        store.delete(BUCKET, (f"k{number}" for number in range(2001)))
        assert sizes == [1000, 1000, 1]
        assert store.requests["delete"] == 3


class TestWriter:
    def test_parts_never_limit_an_object_below_5_tib(self) -> None:
        sizes = [part_size(number) for number in range(10_000)]
        assert sizes[0] == 8 * MIB
        assert sizes == sorted(sizes)
        filled, needed = 0, []
        for size in sizes:
            if filled >= 5 << 40:
                break
            filled += size
            needed.append(size)
        assert filled >= 5 << 40
        assert max(needed) <= 5 << 30

    def test_parts_are_uploaded_as_they_fill(self, store: S3Store) -> None:
        with store.writer(loc()) as writer:
            for megabytes, puts in ((8, 0), (1, 2), (7, 2), (1, 3), (16, 5)):
                writer.write(bytes(megabytes * MIB))
                until(lambda: store.requests["put"] >= puts)  # noqa: B023 (called before the next round)
                assert store.requests["put"] == puts  # one more than parts: the upload's own
            assert writer.commit() is True
        assert store.requests["put"] == 7
        assert store.head(loc()).size == 33 * MIB

    @pytest.mark.parametrize("abreast", [1, 3])
    def test_who_writes_goes_on_while_parts_are_under_way(
        self, client: S3Client, wire: Wire, abreast: int
    ) -> None:
        """As many as memory was given for: the next write waits until one of them has arrived."""
        store, written, seen = S3Store(client, parallel_writes=abreast), threading.Event(), []
        at_once, lock = [0, 0], threading.Lock()

        def slow(request: AWSPreparedRequest, forward: Forward) -> AWSResponse:
            with lock:
                at_once[0] += 1
                at_once[1] = max(at_once)
            seen.append(written.wait(20))  # in line, nobody would write meanwhile
            with lock:
                at_once[0] -= 1
            return forward(request)

        wire.faults["UploadPart"] = [slow] * 7
        body = bytes(range(256)) * (7 * PIECE // 256)
        with store.writer(loc()) as writer:
            writer.write(body[: abreast * PIECE + 1])
            until(lambda: at_once[0] == abreast)
            written.set()
            writer.write(body[abreast * PIECE + 1 :])
            assert writer.commit()
        assert seen == [True] * 7
        assert at_once == [0, abreast]
        assert store.get(loc()) == body

    @pytest.mark.parametrize("operation", ["CreateMultipartUpload", "UploadPart"])
    @pytest.mark.parametrize("size", [9, 40])
    def test_what_an_upload_meets_is_raised_to_who_writes(
        self, store: S3Store, wire: Wire, operation: str, size: int
    ) -> None:
        """By `write` or by `commit`, with the object; nothing is there then, nor any part."""
        wire.faults[operation] = [answer(403, "AccessDenied")]
        with pytest.raises(Forbidden, match=rf"s3://bucket/k: {operation}: AccessDenied"):
            write(store, size * MIB)
        assert store.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []
        assert "CompleteMultipartUpload" not in wire.seen
        with pytest.raises(NotFound):
            store.head(loc())

    def test_an_upload_is_aborted_when_its_last_part_has_arrived(self, store: S3Store, wire: Wire) -> None:
        """S3 would keep a part that arrives later, and charge for it."""
        entered, leave = threading.Event(), threading.Timer(0.1, lambda: go.set())
        go = threading.Event()

        def slow(request: AWSPreparedRequest, forward: Forward) -> AWSResponse:
            entered.set()
            go.wait(20)
            with wire._lock:
                wire.seen.append("arrived")
            return forward(request)

        wire.faults["UploadPart"] = [slow]
        with store.writer(loc()) as writer:
            writer.write(bytes(9 * MIB))
            assert entered.wait(20)
            leave.start()
        assert wire.seen[-2:] == ["arrived", "AbortMultipartUpload"]
        leave.join()

    def test_parts_carry_the_checksum_that_the_upload_announced(
        self, store: S3Store, wire: Wire, client: S3Client
    ) -> None:
        """S3 refuses the commit otherwise; moto and MiniStack do not care."""
        told: dict[str, Any] = {}

        def hear(params: Any, model: Any, **_: Any) -> None:
            told[model.name] = params

        client.meta.events.register("before-parameter-build.s3", hear)
        assert write(store, 9 * MIB) is True
        client.meta.events.unregister("before-parameter-build.s3", hear)
        assert told["CreateMultipartUpload"]["ChecksumAlgorithm"] == "CRC32"
        assert told["UploadPart"]["ChecksumAlgorithm"] == "CRC32"
        parts = told["CompleteMultipartUpload"]["MultipartUpload"]["Parts"]
        assert [part["PartNumber"] for part in parts] == [1, 2]
        assert all(part["ChecksumCRC32"] for part in parts)

    def test_a_cleanup_that_fails_does_not_hide_the_error(self, store: S3Store, wire: Wire) -> None:
        wire.faults["AbortMultipartUpload"] = [answer(403, "AccessDenied")]
        with pytest.raises(ZeroDivisionError) as caught, store.writer(loc()) as writer:  # noqa: PT012
            writer.write(bytes(9 * MIB))
            raise ZeroDivisionError
        (note,) = caught.value.__notes__
        assert "AbortMultipartUpload: AccessDenied" in note


class TestMakeClient:
    def run(self, code: str, **environment: str) -> str:
        """In a process of its own: clients are made once per process, and boto3 keeps its session."""
        base = {
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=base | environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def test_a_client_is_made_once_and_repeats_requests(self) -> None:
        code = (
            "from chalicelib.stores.s3 import make_client as m; c = m('s3'); assert m('s3') is c;"
            "assert m('lambda') is not c; print(c.meta.config.retries, c.meta.config.max_pool_connections)"
        )
        said = self.run(code, AWS_DEFAULT_REGION="eu-west-1")
        assert "'mode': 'standard'" in said
        assert "'total_max_attempts': 8" in said
        assert said.endswith("32")

    def test_times_of_a_listing_are_parsed_quickly(self) -> None:
        """By calls of Python functions: botocore's own parser makes a hundred more for each of a page's times."""
        said = self.run(LISTED, AWS_DEFAULT_REGION="eu-west-1").split()
        assert said[:2] == ["1764547205.0", "True"]
        assert int(said[2]) > 40

    def test_what_the_environment_lacks_is_named(self) -> None:
        code = (
            "from chalicelib.stores.s3 import make_client\nfrom chalicelib.core.errors import ConfigError\n"
            "try: make_client('lambda')\nexcept ConfigError as error: print(error)"
        )
        assert "set AWS_DEFAULT_REGION" in self.run(code)
        assert "correct AWS_PROFILE" in self.run(code, AWS_PROFILE="nobody", AWS_DEFAULT_REGION="eu-west-1")

    def test_boto3_is_imported_by_the_s3_store_only(self) -> None:
        code = "import sys, chalicelib.stores.{0}; print(int('boto3' in sys.modules))"
        assert [self.run(code.format(name)) for name in ("memory", "folder", "s3")] == ["0", "0", "1"]


#: Parses a page through the client's own parser and through botocore's, and counts the calls of Python functions.
LISTED = """
import sys
from botocore.parsers import create_parser
from chalicelib.stores.s3 import make_client
row = '<Contents><Key>k</Key><LastModified>2025-12-01T00:00:05.000Z</LastModified><Size>1</Size></Contents>'
page = '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">' + row * 1000 + '</ListBucketResult>'
client = make_client("s3")
shape = client.meta.service_model.operation_model("ListObjectsV2").output_shape
def parse(parser):
    calls = 0
    def count(frame, event, arg):
        nonlocal calls
        calls += event == "call"
    sys.setprofile(count)
    found = parser.parse({"body": page.encode(), "headers": {}, "status_code": 200}, shape)
    sys.setprofile(None)
    return calls, {row["LastModified"].timestamp() for row in found["Contents"]}
ours, times = parse(client._endpoint._response_parser_factory.create_parser("rest-xml"))
theirs, same = parse(create_parser("rest-xml"))
print(*times, times == same, (theirs - ours) // 1000)
"""
TIMES = [
    "2025-12-01T00:00:05Z",
    "2025-12-01T00:00:05.000Z",
    "Mon, 01 Dec 2025 00:00:05 GMT",
    1764547205,
    "1764547205",
]


@pytest.mark.parametrize(
    "text",
    [
        "2025-12-01T00:00:05Z",
        "Mon, 01 Dec 2025 00:00:05 GMT",
        "2025-12-01T00:00:05.000000Z",
        1764547205,
        "1764547205",
    ],
)
def test_times_are_understood_however_they_are_written(text: str | float) -> None:
    assert parsed_time(text).timestamp() == 1764547205.0


@pytest.mark.parametrize(
    ("memory", "reads"), [(0, 4), (128, 4), (256, 8), (512, 16), (1024, 32), (10_240, 32)]
)
def test_reads_at_once_grow_with_the_processor(memory: int, reads: int) -> None:
    assert reads_at_once(memory) == reads


@pytest.mark.parametrize(("memory", "parts"), [(0, 1), (512, 1), (1024, 2), (1769, 3), (10_240, 4)])
def test_parts_at_once_take_a_64th_of_the_memory(memory: int, parts: int) -> None:
    assert parts_at_once(memory) == parts


def until(holds: Callable[[], bool]) -> None:
    """Wait for what another thread does."""
    for _ in range(2000):
        if holds():
            return
        time.sleep(0.01)
    pytest.fail("it did not happen within 20 s")


def write(store: S3Store, size: int, if_absent: bool = False) -> bool:
    with store.writer(loc(), if_absent) as writer:
        writer.write(bytes(size))
        return writer.commit()


class serve:  # noqa: N801 (used as a function)
    """A server on the loopback interface that answers GETs with these bodies, all said to have `length`."""

    def __init__(self, bodies: list[bytes], length: int) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(length))
                self.send_header("ETag", '"0"')
                self.end_headers()
                self.wfile.write(bodies.pop(0))
                self.close_connection = True

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
