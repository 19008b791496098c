"""Bytes on their way to an object: counted, compressed, or copied from a file.

A compressed part is one gzip or zstd stream; its bytes depend on what is written, not on how it was cut.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from ...core.ports import Disk, ObjectWriter
from ..shuffle.zstd import ZstdCompressor

#: Bytes that go to the compressor at once.
_BLOCK = 1 << 20
#: 31: with a gzip header, in which zlib writes no time and no name.
_GZIP, _GZIP_LEVEL, _ZSTD_LEVEL = 31, 6, 3


class PassingOn:
    """An object writer in front of another one; base of those that change or count the bytes on their way."""

    def __init__(self, sink: ObjectWriter) -> None:
        self._sink = sink

    def write(self, data: bytes) -> None:
        self._sink.write(data)

    def commit(self) -> bool:
        return self._sink.commit()

    def abort(self) -> None:
        self._sink.abort()

    def __enter__(self) -> Self:
        self._sink.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sink.__exit__(kind, error, trace)


class Counted(PassingOn):
    """Counts the bytes that go by."""

    def __init__(self, sink: ObjectWriter) -> None:
        super().__init__(sink)
        self.size = 0

    def write(self, data: bytes) -> None:
        self.size += len(data)
        super().write(data)


class Packed(PassingOn):
    """Compresses what is written. Holds one MiB of it."""

    def __init__(self, sink: ObjectWriter, kind: Literal["gz", "zst"]) -> None:
        super().__init__(sink)
        self._packer: zlib._Compress | ZstdCompressor = ZstdCompressor(level=_ZSTD_LEVEL)
        if kind == "gz":
            self._packer = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP)
        self._waiting = bytearray()

    def write(self, data: bytes) -> None:
        self._waiting += data
        while len(self._waiting) >= _BLOCK:
            self._pass_on(self._packer.compress(bytes(self._waiting[:_BLOCK])))
            del self._waiting[:_BLOCK]

    def commit(self) -> bool:
        self._pass_on(self._packer.compress(bytes(self._waiting)) + self._packer.flush())
        return super().commit()

    def _pass_on(self, data: bytes) -> None:
        if data:
            super().write(data)


def copy_file(disk: Disk, path: Path, sink: ObjectWriter) -> None:
    """Write a file's bytes, and remove it."""
    with disk.open(path, "rb") as file:
        while block := file.read(_BLOCK):
            sink.write(block)
    disk.remove(path)
