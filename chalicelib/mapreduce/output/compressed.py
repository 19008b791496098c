"""Bytes on their way to an object: files, and compressed parts.

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


class Packed:
    """An object writer that compresses. Holds one MiB of what was written."""

    def __init__(self, sink: ObjectWriter, kind: Literal["gz", "zst"]) -> None:
        self._sink = sink
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
        return self._sink.commit()

    def abort(self) -> None:
        self._sink.abort()

    def _pass_on(self, data: bytes) -> None:
        if data:
            self._sink.write(data)

    def __enter__(self) -> Self:
        self._sink.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sink.__exit__(kind, error, trace)


def copy_file(disk: Disk, path: Path, sink: ObjectWriter) -> None:
    """Write a file's bytes, and remove it."""
    with disk.open(path, "rb") as file:
        while block := file.read(_BLOCK):
            sink.write(block)
    disk.remove(path)
