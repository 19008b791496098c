"""The local disk: folders that go, files that are named when they fail, moves that make their folders."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from chalicelib.core.errors import DiskError
from chalicelib.core.ports import Disk
from chalicelib.stores.disk import LocalDisk, system_disk
from tests.worlds.disks import FailingDisk, SlowDisk, SmallDisk


@pytest.fixture(params=["sound", "small", "slow", "failing"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Disk:
    """All of them, none in trouble: what tests put in the place of the real one keeps its contract."""
    if request.param == "small":
        return SmallDisk(tmp_path, 1 << 20)
    if request.param == "slow":
        return SlowDisk(tmp_path, lambda: None)
    return FailingDisk(tmp_path, ()) if request.param == "failing" else LocalDisk(tmp_path)


def test_a_folder_goes_with_all_that_is_in_it(disk: Disk) -> None:
    with pytest.raises(KeyError), disk.folder("sluice-x-") as folder:  # noqa: PT012
        assert folder.parent == disk.root
        assert folder.name.startswith("sluice-x-")
        (folder / "inner").mkdir()
        with disk.open(folder / "inner" / "file", "wb") as file:
            file.write(b"x")
        raise KeyError
    assert list(disk.root.iterdir()) == []


def test_files_are_written_appended_changed_and_read(disk: Disk) -> None:
    path = disk.root / "file"
    with disk.open(path, "wb", 6) as file:
        file.write(b"abc")
    with disk.open(path, "ab") as file:
        file.write(b"def")
    with disk.open(path, "r+b") as file:
        file.seek(1)
        file.write(b"BC")
    with disk.open(path, "rb") as file:
        file.seek(1)
        assert (file.read(3), file.read(100), file.read(1)) == (b"BCd", b"ef", b"")
    with disk.open(path, "w+b") as file:
        file.write(bytes(100_000))
        file.seek(99_999)
        assert file.read(2) == b"\0"


def test_a_moved_file_is_there_under_its_new_name_alone(disk: Disk) -> None:
    path, to = disk.root / "draft", disk.root / "files" / "one" / "name"
    with disk.open(path, "wb") as file:
        file.write(b"x")
    disk.move(path, to)
    assert to.read_bytes() == b"x"
    assert not path.exists()
    disk.remove(to)
    disk.remove(to)  # that it is gone already is no error
    assert not to.exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the device is Linux's")
@pytest.mark.parametrize(("size", "needed"), [(None, "is 0 bytes long so far"), (7000, "needs 7000 bytes")])
def test_a_full_disk_says_what_was_needed_what_is_free_and_what_to_do(size: int | None, needed: str) -> None:
    """A real one: writes to this device find no room, at once or when the buffer is written at the end."""
    disk = LocalDisk(Path("/dev"))
    for amount in (10, 100_000):
        file = disk.open(Path("/dev/full"), "wb", size)
        with pytest.raises(DiskError) as caught, file:
            file.write(bytes(amount))
        message = str(caught.value)
        assert message.startswith(f"/dev: no space left on the local disk: full {needed}, and ")
        assert message.endswith("make split_size or reduce_size smaller")
        assert isinstance(caught.value.__cause__, OSError)
        assert caught.value.__cause__.errno == errno.ENOSPC
        assert file.closed


def test_a_small_disk_takes_what_there_is_room_for(tmp_path: Path) -> None:
    disk = SmallDisk(tmp_path, 10)
    file = disk.open(tmp_path / "file", "wb")
    file.write(b"0123456789ab")
    with pytest.raises(DiskError, match=r"file is 10 bytes long so far, and 0 bytes are free"):
        file.close()
    assert (tmp_path / "file").read_bytes() == b"0123456789"


@pytest.mark.parametrize("mode", ["rb", "wb", "r+b"])
def test_other_errors_name_the_file(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "none" / "file"
    with pytest.raises(DiskError, match=rf"^{path}: the local disk failed: No such file or directory$"):
        LocalDisk(tmp_path).open(path, mode)  # type: ignore[arg-type]


def test_a_folder_that_cannot_be_made_and_a_move_that_fails_are_told(tmp_path: Path) -> None:
    disk = LocalDisk(tmp_path / "none")
    with pytest.raises(DiskError, match="the local disk failed"), disk.folder("sluice-"):
        pass
    with pytest.raises(DiskError, match="the local disk failed"):
        disk.move(tmp_path / "missing", tmp_path / "to")


def test_a_read_that_fails_names_the_disk(tmp_path: Path) -> None:
    disk = FailingDisk(tmp_path, [1])
    with disk.open(tmp_path / "file", "wb") as file:
        file.write(b"x")
    with disk.open(tmp_path / "file", "rb") as file, pytest.raises(DiskError, match="Input/output error"):
        file.read(1)


def test_the_system_s_disk_is_there() -> None:
    assert system_disk().root.is_dir()
    assert system_disk().free() > 0
