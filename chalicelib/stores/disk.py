"""The local disk as a folder of the file system: `/tmp` on Lambda, a run's work folder on this machine."""

from __future__ import annotations

import errno
import io
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from ..core.errors import DiskError
from ..core.ports import FileMode

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

_FULL = (errno.ENOSPC, errno.EDQUOT)
_ADVICE = "give the function more ephemeral storage or memory, or make split_size or reduce_size smaller"


def system_disk() -> LocalDisk:
    """The disk in the system's own folder for temporary files."""
    from tempfile import gettempdir

    return LocalDisk(Path(gettempdir()))


class LocalDisk:
    """Keeps the contract of `core.ports.Disk` below one folder, which must be there."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def root(self) -> Path:
        return self._root

    @contextmanager
    def folder(self, prefix: str) -> Iterator[Path]:
        folder = self._root / f"{prefix}{uuid.uuid4().hex}"
        try:
            folder.mkdir(mode=0o700)
        except OSError as error:
            raise self.failure(self._root / prefix, None, error) from error
        try:
            yield folder
        finally:
            shutil.rmtree(folder)

    def open(self, path: Path, mode: FileMode, size: int | None = None) -> BinaryIO:
        try:
            raw = self.raw(path, mode, size)
        except OSError as error:
            raise self.failure(path, size, error) from error
        if "+" in mode:
            return cast(BinaryIO, io.BufferedRandom(raw))
        return cast(BinaryIO, io.BufferedReader(raw) if mode == "rb" else io.BufferedWriter(raw))

    def move(self, path: Path, to: Path) -> None:
        try:
            to.parent.mkdir(parents=True, exist_ok=True)
            path.replace(to)
        except OSError as error:
            raise self.failure(to, None, error) from error

    def remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    # -- what a disk of other habits has otherwise -------------------------------------------------------

    def raw(self, path: Path, mode: FileMode, size: int | None) -> DiskFile:
        """The file without its buffer."""
        return DiskFile(self, path, mode, size)

    def free(self) -> int:
        """Bytes that there is room for."""
        return shutil.disk_usage(self._root).free

    def failure(self, path: Path, size: int | None, error: OSError) -> DiskError:
        """What an error of the file system means for the task whose file it is; `size` as given to `open`."""
        if error.errno not in _FULL:
            return DiskError(f"{path}: the local disk failed: {error.strerror or error}")
        needed = f"needs {size} bytes" if size else f"is {_size(path)} bytes long so far"
        return DiskError(
            f"{path.parent}: no space left on the local disk: {path.name} {needed}, and {self.free()} bytes are"
            f" free: {_ADVICE}"
        )


class DiskFile(io.FileIO):
    """A file whose errors are the disk's. It lies under a buffer, so that few writes come so far down."""

    def __init__(self, disk: LocalDisk, path: Path, mode: FileMode, size: int | None) -> None:
        self._disk = disk
        self._path = path
        self._size = size
        super().__init__(path, mode)

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise self.failure(error) from error

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        try:
            return super().readinto(buffer)
        except OSError as error:
            raise self.failure(error) from error

    def failure(self, error: OSError) -> DiskError:
        return self._disk.failure(self._path, self._size, error)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
