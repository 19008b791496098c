"""Local disks in trouble: full, slow, or failing now and then."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from chalicelib.core.ports import FileMode
from chalicelib.stores.disk import DiskFile, LocalDisk

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer


class SmallDisk(LocalDisk):
    """Has room for `capacity` bytes of files, which may be changed at any time."""

    def __init__(self, root: Path, capacity: int) -> None:
        super().__init__(root)
        self.capacity = capacity

    def free(self) -> int:
        used = sum(path.stat().st_size for path in self.root.rglob("*") if path.is_file())
        return max(self.capacity - used, 0)

    def raw(self, path: Path, mode: FileMode, size: int | None) -> DiskFile:
        return _Limited(self, path, mode, size)


class _Limited(DiskFile):
    """Takes what there is room for, and then nothing."""

    def write(self, data: ReadableBuffer, /) -> int:
        room = self._disk.free()
        if not room:
            raise self.failure(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        return super().write(memoryview(data).cast("B")[:room])


class SlowDisk(LocalDisk):
    """Calls `wait` for every read and write."""

    def __init__(self, root: Path, wait: Callable[[], object]) -> None:
        super().__init__(root)
        self.wait = wait

    def raw(self, path: Path, mode: FileMode, size: int | None) -> DiskFile:
        return _Slow(self, path, mode, size, self.wait)


class _Slow(DiskFile):
    def __init__(
        self, disk: LocalDisk, path: Path, mode: FileMode, size: int | None, wait: Callable[[], object]
    ) -> None:
        super().__init__(disk, path, mode, size)
        self._wait = wait

    def write(self, data: ReadableBuffer, /) -> int:
        self._wait()
        return super().write(data)

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        self._wait()
        return super().readinto(buffer)


class FailingDisk(SlowDisk):
    """The reads and writes of these numbers, from 0, meet an error of the device."""

    def __init__(self, root: Path, fails: Iterable[int]) -> None:
        super().__init__(root, self._turn)
        self._fails = set(fails)
        self.turns = 0

    def _turn(self) -> None:
        self.turns += 1
        if self.turns - 1 in self._fails:
            raise self.failure(self.root / "a file", None, OSError(errno.EIO, os.strerror(errno.EIO)))
