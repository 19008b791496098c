"""One contract for every store: memory, a folder, S3 as moto has it, S3 as a real server has it."""

from __future__ import annotations

import threading
import uuid
from array import array
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import boto3
import pytest
from botocore.config import Config
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.models import botocore_stubber
from moto.s3.models import s3_backends
from mypy_boto3_s3 import S3Client

from chalicelib.core.errors import NotFound, PreconditionFailed
from chalicelib.core.ports import Loc, Store
from chalicelib.stores.folder import FolderStore
from chalicelib.stores.memory import MemoryStore
from chalicelib.stores.s3 import S3Store
from scripts.emulation.emulator import Emulator

T = TypeVar("T")

RACERS = 20
MIB = 1 << 20


class Place(NamedTuple):
    store: Store
    bucket: str
    #: Keys and unfinished uploads that the store left behind, found by other means than the store.
    leftovers: Callable[[], list[str]]
    #: Puts an object of one byte by a shorter way than the store's, where there is one.
    seed: Callable[[Loc], object] | None = None

    def loc(self, key: str) -> Loc:
        return Loc(self.bucket, key)

    def keys(self, prefix: str = "", after: str = "") -> list[str]:
        return [row.key for row in self.store.list(self.loc(prefix), after)]


@pytest.fixture(
    params=[
        "memory",
        "folder",
        pytest.param("moto", marks=pytest.mark.slow),
        pytest.param("ministack", marks=pytest.mark.cloud),
    ]
)
def place(request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue(f"{request.param}_place")
    return found


@pytest.fixture
def memory_place() -> Place:
    store = MemoryStore(now=lambda: 1_700_000_000.0)
    return Place(store, "bucket", lambda: [row.key for row in store.list(Loc("bucket", ""))])


@pytest.fixture
def folder_place(tmp_path: Path) -> Place:
    root = tmp_path / "root"
    return Place(
        FolderStore([root]), str(root), lambda: [str(path.relative_to(root)) for path in root.rglob("*")]
    )


@pytest.fixture(scope="module")
def moto_client() -> Iterator[S3Client]:
    """moto looks at a condition and then writes, without a lock between the two, so its requests are
    made one after the other here. Between two requests of one thread the others' still come in.
    """
    lock = threading.Lock()

    def one_at_a_time(**sent: Any) -> object:
        with lock:
            return botocore_stubber(**sent)

    client = make_test_client()
    client.meta.events.unregister("before-send", botocore_stubber)  # type: ignore[arg-type]
    client.meta.events.register("before-send", one_at_a_time)  # type: ignore[arg-type]
    yield client
    client.close()


@pytest.fixture
def moto_place(moto_client: S3Client) -> Iterator[Place]:
    def seed(loc: Loc) -> None:
        s3_backends[DEFAULT_ACCOUNT_ID]["aws"].put_object(loc.bucket, loc.key, b"x")

    with mock_aws():
        yield from s3_place(moto_client, seed)


@pytest.fixture(scope="module")
def ministack_client(emulator: Emulator) -> Iterator[S3Client]:
    client = make_test_client(emulator.endpoint, emulator.keys)
    yield client
    client.close()


@pytest.fixture
def ministack_place(ministack_client: S3Client) -> Iterator[Place]:
    yield from s3_place(ministack_client)


def make_test_client(endpoint: str | None = None, keys: tuple[str, str] = ("test", "test")) -> S3Client:
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=keys[0],
        aws_secret_access_key=keys[1],
        config=Config(max_pool_connections=32, retries={"mode": "standard", "total_max_attempts": 1}),
    )


def s3_place(client: S3Client, seed: Callable[[Loc], object] | None = None) -> Iterator[Place]:
    bucket = f"contract-{uuid.uuid4().hex[:12]}"
    client.create_bucket(Bucket=bucket)

    def leftovers() -> list[str]:
        objects = client.list_objects_v2(Bucket=bucket).get("Contents", ())
        uploads = client.list_multipart_uploads(Bucket=bucket).get("Uploads", ())
        return [row["Key"] for row in objects] + [f"upload of {row['Key']}" for row in uploads]

    store = S3Store(client)
    yield Place(store, bucket, leftovers, seed)
    store.delete(bucket, (row.key for row in store.list(Loc(bucket, ""))))
    client.delete_bucket(Bucket=bucket)


def race(contenders: list[Callable[[], T]]) -> list[T]:
    """What each returned; all start at one moment."""
    barrier = threading.Barrier(len(contenders))

    def run(contend: Callable[[], T]) -> T:
        barrier.wait()
        return contend()

    with ThreadPoolExecutor(len(contenders)) as pool:
        return list(pool.map(run, contenders))


class TestStoreContract:
    def test_a_body_comes_back_as_it_was_put(self, place: Place) -> None:
        for body in (b"", b"x", bytes(range(256)) * 40):
            etag = place.store.put(place.loc("a/b.bin"), body)
            assert place.store.get(place.loc("a/b.bin")) == body
            found = place.store.head(place.loc("a/b.bin"))
            assert (found.key, found.size, found.etag) == ("a/b.bin", len(body), etag)
            assert place.store.get(place.loc("a/b.bin"), etag=etag) == body

    def test_a_listing_says_what_head_says(self, place: Place) -> None:
        place.store.put(place.loc("a"), b"12345")
        (row,) = place.store.list(place.loc(""))
        seen = place.store.head(place.loc("a"))
        assert (row.key, row.size, row.etag) == (seen.key, seen.size, seen.etag) == ("a", 5, seen.etag)
        assert abs(row.modified - seen.modified) <= 1  # a HEAD tells whole seconds only

    def test_an_object_carries_the_mark_it_was_written_with(self, place: Place) -> None:
        store, mark = place.store, "words/20261121T032424-0123456789ab/3"
        kept = "" if isinstance(store, FolderStore) else mark  # where nothing starts runs by itself

        def found(key: str) -> str:
            return store.head(place.loc(key)).mark

        store.put(place.loc("plain"), b"x")
        store.put(place.loc("put"), b"x", mark)
        assert store.put_if_absent(place.loc("absent"), b"", mark)
        assert (found("plain"), found("put"), found("absent")) == ("", kept, kept)
        for size in (0, 10, 9 * MIB):  # the last one goes in several requests
            with store.writer(place.loc(f"written-{size}"), if_absent=True, mark=mark) as writer:
                writer.write(b"x" * size)
                assert writer.commit()
            assert found(f"written-{size}") == kept
        assert not store.put_if_absent(place.loc("put"), b"y", "another/run/1")
        assert found("put") == kept
        store.put(place.loc("put"), b"z")
        assert found("put") == ""
        assert {row.mark for row in store.list(place.loc(""))} == {""}, "a listing knows of none"

    @pytest.mark.parametrize(
        ("start", "stop"),
        [(0, None), (0, 10), (0, 4), (3, 7), (9, 10), (3, None), (0, 0), (5, 5), (7, 3), (4, 99), (0, 99)],
    )
    def test_a_range_is_cut_at_the_end(self, place: Place, start: int, stop: int | None) -> None:
        body = b"0123456789"
        etag = place.store.put(place.loc("k"), body)
        for version in (None, etag):
            assert place.store.get(place.loc("k"), start, stop, version) == body[start:stop]
            assert b"".join(place.store.stream(place.loc("k"), start, stop, version, 4)) == body[start:stop]

    @pytest.mark.parametrize(("start", "stop"), [(10, 11), (10, None), (11, 20), (99, None)])
    def test_a_range_past_the_end_is_empty(self, place: Place, start: int, stop: int | None) -> None:
        etag = place.store.put(place.loc("k"), b"0123456789")
        for version in (None, etag):
            assert place.store.get(place.loc("k"), start, stop, version) == b""
            assert list(place.store.stream(place.loc("k"), start, stop, version)) == []

    def test_an_empty_object_has_empty_ranges_only(self, place: Place) -> None:
        place.store.put(place.loc("k"), b"")
        for stop in (None, 0, 1, 100):
            assert place.store.get(place.loc("k"), 0, stop) == b""
            assert list(place.store.stream(place.loc("k"), 0, stop)) == []

    def test_a_range_below_zero_is_refused(self, place: Place) -> None:
        place.store.put(place.loc("k"), b"0123456789")
        with pytest.raises(ValueError, match="byte range"):
            place.store.get(place.loc("k"), -3)
        with pytest.raises(ValueError, match="byte range"):
            place.store.get(place.loc("k"), 0, -3)

    def test_an_overwritten_object_is_not_read_as_the_old_one(self, place: Place) -> None:
        old = place.store.put(place.loc("k"), b"old body")
        new = place.store.put(place.loc("k"), b"new body")
        assert new != old
        with pytest.raises(PreconditionFailed, match=f"{place.bucket}/k"):
            place.store.get(place.loc("k"), etag=old)
        with pytest.raises(PreconditionFailed, match=f"{place.bucket}/k"):
            place.store.get(place.loc("k"), 2, 5, etag=old)
        with pytest.raises(PreconditionFailed, match=f"{place.bucket}/k"):
            next(iter(place.store.stream(place.loc("k"), etag=old)))
        assert place.store.get(place.loc("k"), etag=new) == b"new body"

    def test_what_is_not_there_is_not_found(self, place: Place) -> None:
        place.store.put(place.loc("there"), b"x")
        for key in ("absent", "there-not", "ther", "a/b/c"):
            with pytest.raises(NotFound, match=f"{place.bucket}/{key}"):
                place.store.head(place.loc(key))
            with pytest.raises(NotFound, match=f"{place.bucket}/{key}"):
                place.store.get(place.loc(key))
            with pytest.raises(NotFound, match=f"{place.bucket}/{key}"):
                next(iter(place.store.stream(place.loc(key), 0, 5)))

    @pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001, 128 << 10, 300_001])
    def test_stream_is_get_in_blocks(self, place: Place, size: int) -> None:
        body = bytes(i * 31 % 251 for i in range(size))
        place.store.put(place.loc("k"), body)
        for block in (1000, 1 << 17, 1 << 20):
            blocks = list(place.store.stream(place.loc("k"), block=block))
            assert b"".join(blocks) == body
            assert all(1 <= len(data) <= block for data in blocks)

    @pytest.mark.slow
    def test_a_long_stream_keeps_its_order(self, place: Place) -> None:
        """More than parallel reads x piece size, with an end that is no multiple of anything."""
        body = array("Q", range(33 * MIB // 8 + 1234)).tobytes()[:-3]
        etag = place.store.put(place.loc("k"), body)
        for start, stop, version in (
            (0, None, None),
            (5, len(body) - 7, etag),
            (8 * MIB - 1, 99 * MIB, None),
            (24 * MIB - 1, 99 * MIB, etag),
        ):
            blocks = list(place.store.stream(place.loc("k"), start, stop, version))
            assert b"".join(blocks) == body[start:stop]

    def test_a_stream_left_early_ends_its_threads(self, place: Place) -> None:
        before = threading.active_count()
        etag = place.store.put(place.loc("k"), b"abcdefgh" * (5 * MIB))
        reading = iter(place.store.stream(place.loc("k"), 0, 40 * MIB, etag))
        assert next(reading).startswith(b"abcdefgh")
        reading.close()  # type: ignore[attr-defined]
        assert threading.active_count() == before

    def test_one_of_many_creates(self, place: Place) -> None:
        """And whoever lost can read all of what the winner wrote at once."""

        def create(loc: Loc, body: bytes) -> tuple[bool, bytes]:
            return place.store.put_if_absent(loc, body), place.store.get(loc)

        bodies = [f"racer {number} of {uuid.uuid4()}".encode() for number in range(RACERS)]
        for round_number in range(3):
            loc = place.loc(f"lease/{round_number}")
            told = race([partial(create, loc, body) for body in bodies])
            won = [created for created, _ in told]
            assert won.count(True) == 1
            assert {seen for _, seen in told} == {bodies[won.index(True)]}

    def test_a_repeat_of_the_own_creation_is_recognised(self, place: Place) -> None:
        for body in (b"mine", b""):
            loc = place.loc(f"k{len(body)}")
            assert place.store.put_if_absent(loc, body) is True
            assert place.store.put_if_absent(loc, body) is True
            assert place.store.put_if_absent(loc, body + b"?") is False
            assert place.store.get(loc) == body
        assert place.store.put_if_absent(place.loc("k4"), b"min") is False

    def test_an_object_that_was_deleted_can_be_created_again(self, place: Place) -> None:
        assert place.store.put_if_absent(place.loc("k"), b"one")
        place.store.delete(place.bucket, ["k"])
        assert place.store.put_if_absent(place.loc("k"), b"two")
        assert place.store.get(place.loc("k")) == b"two"

    def test_one_of_many_replaces(self, place: Place) -> None:
        loc = place.loc("lease")
        etag = place.store.put(loc, b"expired")
        for round_number in range(3):
            bodies = [f"round {round_number} racer {number:02d}".encode() for number in range(RACERS)]
            won = race([partial(place.store.put_if_match, loc, body, etag) for body in bodies])
            winners = [number for number, new in enumerate(won) if new is not None]
            assert len(winners) == 1
            assert place.store.get(loc) == bodies[winners[0]]
            etag = place.store.head(loc).etag
            assert won[winners[0]] == etag

    def test_replacing_needs_the_etag_that_is_there(self, place: Place) -> None:
        loc = place.loc("k")
        first = place.store.put(loc, b"first")
        assert place.store.put_if_match(place.loc("absent"), b"x", first) is None
        second = place.store.put_if_match(loc, b"second", first)
        assert second is not None
        assert second == place.store.head(loc).etag
        assert place.store.put_if_match(loc, b"third", first) is None
        assert place.store.put_if_match(loc, b"second", first) == second  # our own, its answer lost
        place.store.delete(place.bucket, ["k"])
        assert place.store.put_if_match(loc, b"third", second) is None
        assert place.keys() == []

    def test_an_empty_replacement_is_recognised_too(self, place: Place) -> None:
        first = place.store.put(place.loc("k"), b"first")
        second = place.store.put_if_match(place.loc("k"), b"", first)
        assert second is not None
        assert place.store.put_if_match(place.loc("k"), b"", first) == second

    def test_a_listing_is_in_the_order_of_utf8(self, place: Place) -> None:
        # Without "a" and "😀": a folder cannot hold both `a` and `a/b`.
        keys = [
            "a b",
            "a-b/c",
            "a.b",
            "a/b",
            "a/b.c/d",
            "a/c",
            "a0",
            "B",
            "z",
            "é",
            "ü/x",
            "\ue000",
            "ﬀ",
            "😀/🙂",
        ]
        for key in reversed(keys):
            place.store.put(place.loc(key), key.encode())
        expected = sorted(keys, key=str.encode)
        assert place.keys() == expected
        for after in (*expected, "", "a/", "a/b/", "a!", "zz"):
            assert place.keys("", after) == [key for key in expected if key.encode() > after.encode()]

    def test_a_prefix_may_end_in_the_middle_of_a_name(self, place: Place) -> None:
        keys = [
            "map/000001.done",
            "map/000002.done",
            "map/000010.done",
            "map/x/1",
            "mapper",
            "reduce/00001.done",
        ]
        for key in keys:
            place.store.put(place.loc(key), b"")
        for prefix in (
            "",
            "m",
            "map",
            "map/",
            "map/0",
            "map/00000",
            "map/x",
            "map/x/",
            "map/000001.done",
            "q",
            "r/",
        ):
            expected = [key for key in keys if key.startswith(prefix)]
            assert place.keys(prefix) == expected
            for after in ("map/000001.done", "map/x", "a", "z"):
                assert place.keys(prefix, after) == [key for key in expected if key > after]

    @pytest.mark.slow
    def test_more_than_a_page_is_listed_and_deleted(self, place: Place) -> None:
        keys = [f"run/map/{number:06d}.done" for number in range(1050)]
        put = place.seed or (lambda loc: place.store.put(loc, b"x"))
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(put, map(place.loc, keys)))
        assert place.keys("run/map/") == keys
        assert place.keys("run/map/", keys[999]) == keys[1000:]
        place.store.delete(place.bucket, (row.key for row in place.store.list(place.loc("run/"))))
        assert place.keys() == []
        assert place.leftovers() == []

    def test_deleting_what_is_not_there_is_no_error(self, place: Place) -> None:
        place.store.put(place.loc("a/1"), b"x")
        place.store.put(place.loc("a/2"), b"x")
        place.store.delete(place.bucket, ["a/1", "a/9", "b/c/d", "a/1"])
        place.store.delete(place.bucket, [])
        assert place.keys() == ["a/2"]

    @pytest.mark.parametrize(
        "key",
        [
            "with space",
            "a+b",
            "100%",
            "%41",
            "a%2Fb",
            "q?x=1&y",
            "#1",
            "ключ/键/clé",
            "e\u0301",
            "'\"",
            "~x",
            "a\\b",
            "a;b=c",
        ],
    )
    def test_a_key_is_taken_as_it_is(self, place: Place, key: str) -> None:
        assert place.store.put_if_absent(place.loc(key), b"one") is True
        assert place.store.put_if_absent(place.loc(key), b"other") is False
        assert place.store.get(place.loc(key), 1, 3) == b"ne"
        assert place.store.head(place.loc(key)).key == key
        assert place.keys() == [key]
        assert place.keys(key[:-1]) == [key]
        assert place.keys("", key) == []
        place.store.delete(place.bucket, [key])
        assert place.leftovers() == []

    @pytest.mark.parametrize("if_absent", [False, True])
    @pytest.mark.parametrize("size", [0, 10, 8 * MIB, 8 * MIB + 1, 20 * MIB])
    def test_a_writer_publishes_at_commit(self, place: Place, size: int, if_absent: bool) -> None:
        body = bytes(range(256)) * (size // 256) + bytes(size % 256)
        with place.store.writer(place.loc("out/part"), if_absent) as writer:
            for at in range(0, size, 3 * MIB):
                writer.write(body[at : at + 3 * MIB])
            assert place.keys() == []
            assert writer.commit() is True
        assert place.store.get(place.loc("out/part")) == body
        assert place.keys() == ["out/part"]
        place.store.delete(place.bucket, ["out/part"])
        assert place.leftovers() == []

    @pytest.mark.parametrize("size", [10, 20 * MIB])
    def test_a_writer_left_without_commit_leaves_nothing(self, place: Place, size: int) -> None:
        place.store.put(place.loc("keep"), b"")
        with place.store.writer(place.loc("part")) as writer:
            writer.write(bytes(size))
        with (  # noqa: PT012 (the error has to come between the two)
            pytest.raises(RuntimeError, match="in the middle"),
            place.store.writer(place.loc("part")) as writer,
        ):
            writer.write(bytes(size))
            raise RuntimeError("in the middle")
        assert place.leftovers() == ["keep"]
        with pytest.raises(ValueError, match="committed or aborted"):
            writer.write(b"late")
        with pytest.raises(ValueError, match="committed or aborted"):
            writer.commit()

    @pytest.mark.parametrize("size", [10, 9 * MIB])
    def test_a_writer_that_comes_second_leaves_the_winner(self, place: Place, size: int) -> None:
        place.store.put(place.loc("part"), b"the winner's")
        with place.store.writer(place.loc("part"), if_absent=True) as writer:
            writer.write(bytes(size))
            assert writer.commit() is False
        assert place.store.get(place.loc("part")) == b"the winner's"
        assert place.leftovers() == ["part"]

    @pytest.mark.parametrize("size", [10, 9 * MIB])
    def test_a_writer_of_the_same_bytes_recognises_them(self, place: Place, size: int) -> None:
        for _ in range(2):
            with place.store.writer(place.loc("part"), if_absent=True) as writer:
                writer.write(bytes(size))
                assert writer.commit() is True
        assert place.leftovers() == ["part"]

    def test_a_writer_without_condition_replaces(self, place: Place) -> None:
        place.store.put(place.loc("part"), b"old")
        with place.store.writer(place.loc("part")) as writer:
            writer.write(b"new")
            assert writer.commit() is True
        assert place.store.get(place.loc("part")) == b"new"

    def test_one_of_many_writers_commits(self, place: Place) -> None:
        def write(body: bytes) -> bool:
            with place.store.writer(place.loc("part"), if_absent=True) as writer:
                writer.write(body)
                return writer.commit()

        bodies = [f"racer {number:02d} ".encode() * 40 for number in range(RACERS)]
        won = race([partial(write, body) for body in bodies])
        assert won.count(True) == 1
        assert place.store.get(place.loc("part")) == bodies[won.index(True)]
        assert place.leftovers() == ["part"]

    def test_requests_are_counted(self, place: Place) -> None:
        store = place.store
        store.put(place.loc("k"), b"x")
        store.put_if_absent(place.loc("l"), b"x")
        store.get(place.loc("k"))
        store.head(place.loc("k"))
        assert place.keys() == ["k", "l"]
        store.delete(place.bucket, ["k"])
        assert dict(store.requests) == {"put": 2, "get": 1, "head": 1, "list": 1, "delete": 1}
