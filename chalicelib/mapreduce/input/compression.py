"""Compressed objects: which are, and their bytes unpacked."""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from ...core.spec import MIB
from ..shuffle.zstd import ZstdError, ZstdFile

#: Bytes of a block. Blocks of 64 to 256 KiB stay in the cache; larger ones are slower to split.
BLOCK = 1 << 17
_DECOMPRESSED = 1 << 17

#: Bytes that unpacking .xz may take, for its dictionary above all: a small file can ask for 4 GiB. `xz -9`
#: needs half of this; zstd refuses more by itself.
_XZ_MEMORY = 128 * MIB

_OPENERS: dict[str, Callable[[IO[bytes]], Any]] = {
    ".gz": lambda raw: _gunzipped(raw),
    ".bz2": lambda raw: Streams(raw, bz2.BZ2Decompressor),
    ".xz": lambda raw: Streams(raw, lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY)),
    ".zst": ZstdFile,
}
#: `gzip.BadGzipFile` is an OSError.
_DAMAGED = (EOFError, lzma.LZMAError, zlib.error, ZstdError, OSError)


def _gunzipped(raw: IO[bytes]) -> Any:
    import gzip  # few runs read such files

    return gzip.GzipFile(fileobj=raw)


def compression(key: str) -> str | None:
    """The extension by which an object is known to be compressed, and so cannot be split."""
    return next((extension for extension in _OPENERS if key.endswith(extension)), None)


@contextmanager
def unpacking(path: Path) -> Iterator[IO[bytes]]:
    """A local file, unpacked as its name asks for."""
    extension = compression(path.name)
    with path.open("rb") as raw:
        if extension is None:
            yield raw
            return
        with _OPENERS[extension](raw) as unpacked:
            yield unpacked


class Streams:
    """Compressed streams, one after the other, as one file.

    The library's own files take whatever they cannot read behind a first stream for the end, and so lose the
    rest of a damaged object without a word; nor can they be told how much memory to use.
    """

    def __init__(self, raw: IO[bytes], new: Callable[[], Any]) -> None:
        self._raw, self._new = raw, new
        self._decoder = new()

    def __enter__(self) -> Streams:
        return self

    def __exit__(self, *error: object) -> None:
        self._raw.close()

    def read(self, size: int) -> bytes:
        """1 to `size` bytes, or none at the end. Raises EOFError if the last stream is not whole."""
        while True:
            packed = b""
            if self._decoder.eof:
                packed = self._padded(self._decoder.unused_data)
                if not packed:
                    return b""
                self._decoder = self._new()
            elif self._decoder.needs_input:
                packed = self._raw.read(BLOCK)
                if not packed:
                    raise EOFError("it ends in the middle")
            data: bytes = self._decoder.decompress(packed, size)
            if data:
                return data

    def _padded(self, packed: bytes) -> bytes:
        """The beginning of the next stream, without the zeros that may stand before it."""
        while not (packed := packed.lstrip(b"\0")):
            packed = self._raw.read(BLOCK)
            if not packed:
                break
        return packed


class ChunkFile(io.RawIOBase):
    """Chunks as a raw file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = memoryview(next(self._chunks, b""))
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
