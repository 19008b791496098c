"""What is true of folders only: paths that lead out, folders that come and go, files changed in place."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chalicelib.core.errors import Forbidden, NotFound, PreconditionFailed, StoreError
from chalicelib.core.ports import Loc
from chalicelib.stores.folder import FolderStore


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "root"
    made.mkdir()
    return made


@pytest.fixture
def store(root: Path) -> FolderStore:
    return FolderStore([root])


def loc(root: Path, key: str) -> Loc:
    return Loc(str(root), key)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def writes(store: FolderStore, place: Loc) -> list[Callable[[], object]]:
    """Every way to write or delete."""
    return [
        lambda: store.put(place, b"x"),
        lambda: store.put_if_absent(place, b"x"),
        lambda: store.put_if_match(place, b"x", "1-1-1"),
        lambda: store.writer(place),
        lambda: store.delete(place.bucket, [place.key]),
    ]


class TestPathsThatLeadOut:
    @pytest.mark.parametrize(
        "key",
        [
            "..",
            "../out",
            "a/../../out",
            "a/..",
            "/etc/passwd",
            "",
            "a//b",
            "a/",
            ".",
            "./a",
            "a\0b",
            ".sluice-tmp-1",
        ],
    )
    def test_a_key_that_is_no_plain_path_is_refused(self, store: FolderStore, root: Path, key: str) -> None:
        (root.parent / "out").write_bytes(b"not yours")
        reads = [lambda: store.get(loc(root, key)), lambda: store.head(loc(root, key))]
        for call in writes(store, loc(root, key)) + reads:
            with pytest.raises(Forbidden, match="expected a key that is a plain path below"):
                call()
        assert files(root) == []
        assert (root.parent / "out").read_bytes() == b"not yours"

    def test_a_folder_that_was_not_given_is_refused(self, store: FolderStore, root: Path) -> None:
        other = root.parent / "other"
        other.mkdir()
        reads = [lambda: store.get(loc(other, "k")), lambda: list(store.list(loc(other, "")))]
        for call in writes(store, loc(other, "k")) + reads:
            with pytest.raises(Forbidden, match=f"may touch only what is in {root}"):
                call()
        assert files(other) == []

    def test_nothing_is_written_through_a_link_that_leads_out(self, store: FolderStore, root: Path) -> None:
        outside = root.parent / "outside"
        outside.mkdir()
        (outside / "k").write_bytes(b"theirs")
        (root / "link").symlink_to(outside)
        for key in ("link/k", "link/new/k"):
            calls = writes(store, loc(root, key))
            if key == "link/new/k":
                del calls[2]  # there is nothing to replace, so it says so
            for call in calls:
                with pytest.raises(Forbidden, match="a symbolic link leads out of"):
                    call()
        assert files(outside) == ["k"]
        assert (outside / "k").read_bytes() == b"theirs"

    def test_a_link_in_the_place_of_an_object_is_replaced_and_not_followed(
        self, store: FolderStore, root: Path
    ) -> None:
        outside = root.parent / "theirs"
        outside.write_bytes(b"theirs")
        (root / "k").symlink_to(outside)
        store.put(loc(root, "k"), b"ours")
        assert (store.get(loc(root, "k")), outside.read_bytes()) == (b"ours", b"theirs")

    def test_inputs_are_read_through_links(self, store: FolderStore, root: Path) -> None:
        outside = root.parent / "outside"
        (outside / "deep").mkdir(parents=True)
        (outside / "deep/k").write_bytes(b"input")
        (root / "folder").symlink_to(outside)
        (root / "file").symlink_to(outside / "deep/k")
        assert [row.key for row in store.list(loc(root, ""))] == ["file", "folder/deep/k"]
        assert store.get(loc(root, "folder/deep/k")) == store.get(loc(root, "file")) == b"input"

    def test_links_in_a_circle_end(self, store: FolderStore, root: Path) -> None:
        for name, other in (("a", "b"), ("b", "a")):
            (root / name).mkdir()
            (root / name / "k").write_bytes(b"x")
            (root / name / "to").symlink_to(root / other)
        (root / "a/self").symlink_to(root / "a")
        assert [row.key for row in store.list(loc(root, ""))] == ["a/k", "a/to/k", "b/k", "b/to/k"]

    def test_the_root_of_the_file_system_is_a_folder_too(self, root: Path) -> None:
        store, key = FolderStore([Path("/")]), str(root / "k").lstrip("/")
        store.put(Loc("/", key), b"x")
        assert (root / "k").read_bytes() == b"x"
        assert [row.key for row in store.list(Loc("/", key))] == [key]
        (root / "keep").touch()
        store.delete("/", [key])
        assert files(root) == ["keep"]


class TestListing:
    def test_a_missing_folder_is_empty(self, store: FolderStore, root: Path) -> None:
        assert list(store.list(loc(root, "no/such/folder/"))) == []
        (root / "file").touch()
        assert list(store.list(loc(root, "file/"))) == []
        assert list(FolderStore([root / "no"]).list(loc(root / "no", ""))) == []

    def test_a_prefix_that_leads_out_is_empty(self, store: FolderStore, root: Path) -> None:
        (root.parent / "out").mkdir()
        (root.parent / "out/k").touch()
        for prefix in ("../", "../out/", "..", "/", "a/../../out/"):
            assert list(store.list(loc(root, prefix))) == []

    def test_only_files_are_objects(self, store: FolderStore, root: Path) -> None:
        (root / "empty").mkdir()
        (root / "broken").symlink_to(root / "nowhere")
        os.mkfifo(root / "pipe")
        (root / "file").touch()
        assert [row.key for row in store.list(loc(root, ""))] == ["file"]
        with pytest.raises(NotFound, match="a folder or a special file"):
            store.get(loc(root, "empty"))

    def test_a_name_that_is_no_utf8_is_listed_and_read(self, store: FolderStore, root: Path) -> None:
        Path(os.fsdecode(os.fsencode(root) + b"/\xff\xfe")).write_bytes(b"x")
        (row,) = store.list(loc(root, ""))
        assert os.fsencode(row.key) == b"\xff\xfe"
        assert store.get(loc(root, row.key)) == b"x"

    def test_a_prefix_opens_its_own_folder_only(
        self, store: FolderStore, root: Path, opened_folders: list[str]
    ) -> None:
        for key in ("runs/job/run/map/1", "runs/job/run/reduce/1", "runs/job/other/map/1", "out/1", "map/1"):
            store.put(loc(root, key), b"x")
        opened_folders.clear()
        assert [row.key for row in store.list(loc(root, "runs/job/run/map/"))] == ["runs/job/run/map/1"]
        assert opened_folders == [f"{root}/runs/job/run/map"]
        opened_folders.clear()
        assert [row.key for row in store.list(loc(root, ""), "runs/job/run/q")] == ["runs/job/run/reduce/1"]
        assert opened_folders == [
            f"{root}{rest}" for rest in ("", "/runs", "/runs/job", "/runs/job/run", "/runs/job/run/reduce")
        ]

    def test_files_deleted_while_they_are_listed_are_left_out(self, store: FolderStore, root: Path) -> None:
        for key in "abc":
            store.put(loc(root, key), b"x")
        listing = store.list(loc(root, ""))
        assert next(listing).key == "a"
        store.delete(str(root), ["b"])
        assert [row.key for row in listing] == ["c"]


_scans: list[list[str]] = []


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if event == "os.scandir":
        for heard in _scans:
            heard.append(str(arguments[0]).rstrip("/"))


@pytest.fixture(scope="module")
def _audit() -> None:
    sys.addaudithook(_hear)  # there is no way to take a hook away: it stays, and does nothing


@pytest.fixture
def opened_folders(_audit: None) -> Iterator[list[str]]:
    """The folders that are read, as the interpreter itself reports them."""
    heard: list[str] = []
    _scans.append(heard)
    yield heard
    _scans.remove(heard)


class TestTemporaryFiles:
    def test_nothing_unfinished_is_shown(self, store: FolderStore, root: Path) -> None:
        with store.writer(loc(root, "a/k")) as writer:
            writer.write(b"half")
            assert len(list((root / "a").iterdir())) == 1
            assert list(store.list(loc(root, ""))) == []
            assert list(store.list(loc(root, "a/."))) == []
        assert list((root / "a").iterdir()) == []

    def test_nothing_stays_after_an_error(self, store: FolderStore, root: Path) -> None:
        with pytest.raises(TypeError):
            store.put(loc(root, "k"), "text")  # type: ignore[arg-type]
        (root / "taken").mkdir()
        for call in writes(store, loc(root, "taken"))[:2]:
            with pytest.raises(StoreError, match=r"taken: put: .*cannot be both an object and a folder"):
                call()
        with pytest.raises(StoreError, match="cannot be both"):
            store.put_if_match(loc(root, "taken"), b"x", store_etag(root / "taken"))
        assert files(root) == ["taken"]

    def test_a_file_has_nothing_below_it(self, store: FolderStore, root: Path) -> None:
        store.put(loc(root, "a"), b"x")
        with pytest.raises(StoreError, match="cannot be both an object and a folder"):
            store.put(loc(root, "a/b"), b"x")
        with pytest.raises(NotFound):
            store.get(loc(root, "a/b"))
        store.delete(str(root), ["a/b"])
        assert files(root) == ["a"]


def store_etag(path: Path) -> str:
    found = path.stat()
    return f"{found.st_mtime_ns}-{found.st_size}-{found.st_ino}"


class TestFoldersThatComeAndGo:
    def test_folders_that_become_empty_go(self, store: FolderStore, root: Path) -> None:
        for key in ("a/b/c/1", "a/b/c/2", "a/3"):
            store.put(loc(root, key), b"x")
        store.delete(str(root), ["a/b/c/1"])
        assert files(root) == ["a", "a/3", "a/b", "a/b/c", "a/b/c/2"]
        store.delete(str(root), ["a/b/c/2"])
        assert files(root) == ["a", "a/3"]
        store.delete(str(root), ["a/3"])
        assert root.is_dir()
        assert files(root) == []

    def test_a_folder_is_not_deleted_as_an_object(self, store: FolderStore, root: Path) -> None:
        store.put(loc(root, "a/b"), b"x")
        store.delete(str(root), ["a"])
        assert files(root) == ["a", "a/b"]

    def test_writers_and_deleters_of_one_folder_do_not_trip_each_other(
        self, store: FolderStore, root: Path
    ) -> None:
        def come_and_go(number: int) -> None:
            place = loc(root, f"x/y/{number}")
            for _ in range(150):
                assert store.put_if_absent(place, b"%d" % number)
                etag = store.head(place).etag
                assert store.put_if_match(place, b"again", etag)
                store.delete(str(root), [place.key])

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(come_and_go, range(4)))
        assert files(root) == []

    def test_processes_count_without_losing_a_step(self, store: FolderStore, root: Path) -> None:
        """A counter kept by compare-and-swap: a lost update would show in the sum."""
        store.put(loc(root, "counter"), b"0")
        with multiprocessing.get_context("spawn").Pool(2) as pool:
            pool.map(count_up, [(str(root), 60)] * 2)
            pool.close()
            pool.join()
        assert store.get(loc(root, "counter")) == b"120"


def count_up(task: tuple[str, int]) -> None:
    root, steps = task
    store, place = FolderStore([Path(root)]), Loc(root, "counter")
    for _ in range(steps):
        done = None
        while done is None:
            etag = store.head(place).etag
            try:
                # Padded with the process, so that two processes' bodies are never the same bytes.
                value = int(store.get(place, etag=etag).split()[0]) + 1
            except PreconditionFailed:
                continue
            done = store.put_if_match(
                place, b"%d" % value if value == 120 else b"%d %d" % (value, os.getpid()), etag
            )


class TestVersions:
    def test_each_version_has_an_etag_of_its_own(self, store: FolderStore, root: Path) -> None:
        """Also within one tick of the file system's clock, with the same size and a recycled inode."""
        etags = [store.put(loc(root, "k"), b"same size") for _ in range(500)]
        assert len(set(etags)) == 500

    def test_a_file_written_in_place_while_it_is_read_is_noticed(
        self, store: FolderStore, root: Path
    ) -> None:
        for change in (lambda file: file.write(b"more"), lambda file: file.truncate(4)):
            etag = store.put(loc(root, "k"), b"0123456789")
            reading = store.stream(loc(root, "k"), etag=etag, block=4)
            assert next(reading) == b"0123"
            with (root / "k").open("ab") as file:
                change(file)
            with pytest.raises(PreconditionFailed, match="k: the file"):
                list(reading)

    def test_a_file_cut_while_it_is_read_is_noticed_without_an_etag(
        self, store: FolderStore, root: Path
    ) -> None:
        store.put(loc(root, "k"), b"0123456789")
        reading = store.stream(loc(root, "k"), block=4)
        next(reading)
        os.truncate(root / "k", 4)
        with pytest.raises(PreconditionFailed, match="cut to 4 bytes"):
            list(reading)

    def test_an_overwritten_file_is_read_to_its_end_in_the_version_begun(
        self, store: FolderStore, root: Path
    ) -> None:
        etag = store.put(loc(root, "k"), b"0123456789")
        reading = store.stream(loc(root, "k"), etag=etag, block=4)
        assert next(reading) == b"0123"
        store.put(loc(root, "k"), b"abcdefghij")
        assert b"".join(reading) == b"456789"

    def test_no_descriptor_stays_open(self, store: FolderStore, root: Path) -> None:
        before = len(os.listdir("/dev/fd"))
        etag = store.put(loc(root, "k"), b"0123456789")
        reading = store.stream(loc(root, "k"), block=4)
        next(reading)
        assert len(os.listdir("/dev/fd")) == before + 1
        reading.close()  # type: ignore[attr-defined]
        store.get(loc(root, "k"), etag=etag)
        store.put_if_absent(loc(root, "k"), b"other")
        store.put_if_match(loc(root, "k"), b"other", "1-1-1")
        store.put_if_match(loc(root, "k"), b"other", etag)
        store.delete(str(root), ["k"])
        with pytest.raises(NotFound):
            store.get(loc(root, "k"))
        assert len(os.listdir("/dev/fd")) == before


class TestEvents:
    def test_each_object_that_becomes_visible_is_told_once(self, root: Path) -> None:
        told: list[Loc] = []
        store = FolderStore([root], on_created=told.append)
        etag = store.put(loc(root, "put"), b"1")
        store.put_if_absent(loc(root, "new"), b"1")
        store.put_if_absent(loc(root, "new"), b"1")
        store.put_if_absent(loc(root, "new"), b"2")
        store.put_if_match(loc(root, "put"), b"2", "1-1-1")
        store.put_if_match(loc(root, "put"), b"3", etag)
        with store.writer(loc(root, "written")) as writer:
            writer.write(b"x")
            assert len(told) == 3
            writer.commit()
        with store.writer(loc(root, "never")) as writer:
            writer.write(b"x")
        store.delete(str(root), ["put"])
        assert told == [loc(root, key) for key in ("put", "new", "put", "written")]

    def test_the_object_is_there_when_it_is_told(self, root: Path) -> None:
        seen: list[bytes] = []
        store = FolderStore([root], on_created=lambda place: seen.append(store.get(place)))
        store.put(loc(root, "a/b"), b"body")
        assert seen == [b"body"]

    def test_racers_are_told_once(self, root: Path) -> None:
        told: list[Loc] = []
        store, barrier = FolderStore([root], on_created=told.append), threading.Barrier(8)

        def create(number: int) -> bool:
            barrier.wait()
            return store.put_if_absent(loc(root, "k"), b"%d" % number)

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(create, range(8))).count(True) == 1
        assert told == [loc(root, "k")]
