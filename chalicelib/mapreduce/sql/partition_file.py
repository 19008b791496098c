"""A partition in a run file of a SQL job: one Parquet file, in frames that carry checksums.

A frame is the length of its payload, CRC-32 of the payload (2 x u32, little endian), and the payload. What an exchange
task has put together is several such files, with an empty frame behind each.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from itertools import chain, takewhile
from typing import BinaryIO
from zlib import crc32

from ...core.errors import CorruptData

#: Bytes of a payload: as much as is read of a file at once.
_PAYLOAD = 1 << 22
_FRAME = struct.Struct("<2I")
#: The frame behind a file that others may follow.
END = _FRAME.pack(0, crc32(b""))


def frames_of(file: BinaryIO) -> Iterator[bytes]:
    """The bytes of a file as frames."""
    while payload := file.read(_PAYLOAD):
        yield _FRAME.pack(len(payload), crc32(payload)) + payload


def each_file(chunks: Iterable[bytes], size: int, where: str) -> Iterator[Iterator[bytes | memoryview]]:
    """The files in `size` bytes of frames, each in pieces; take one to its end before the next. As `payloads`."""
    found = payloads(chunks, size, where)
    for first in found:
        yield chain((first,), takewhile(len, found))


def payloads(chunks: Iterable[bytes], size: int, where: str) -> Iterator[bytes | memoryview]:
    """The payloads of `size` bytes of frames, in the pieces that they come in; an empty piece for an empty one.

    Nothing is copied or held, so a piece is given out before its frame's checksum is known to fit: what was made of
    pieces counts only when all were taken. Raises CorruptData, naming `where`, for bytes other than those written.
    """
    head, seen, frame = b"", 0, None
    for chunk in chunks:
        seen += len(chunk)
        rest = memoryview(chunk)
        while rest:
            if frame is None:
                missing = _FRAME.size - len(head)
                head, rest = head + rest[:missing], rest[missing:]
                if len(head) < _FRAME.size:
                    break
                frame, head = _Frame(head, where), b""
                if frame.left and not rest:
                    break
            piece, rest = rest[: frame.left], rest[frame.left :]
            frame.take(piece)
            yield piece
            if not frame.left:
                frame.check()
                frame = None
    if head or frame or seen != size:
        raise CorruptData(f"{where}: expected {size} bytes of whole frames, got {seen}")


class _Frame:
    """A frame that is read: how many bytes are left of it, and the checksum of those before."""

    def __init__(self, head: bytes, where: str) -> None:
        self.left, self._expected = _FRAME.unpack(head)
        self._checksum, self._where = crc32(b""), where
        if self.left > _PAYLOAD:
            raise CorruptData(f"{where}: a frame of {self.left} bytes, expected at most {_PAYLOAD}")

    def take(self, piece: memoryview) -> None:
        self._checksum = crc32(piece, self._checksum)
        self.left -= len(piece)

    def check(self) -> None:
        if self._checksum != self._expected:
            raise CorruptData(
                f"{self._where}: a frame's checksum is {self._checksum:08x}, expected {self._expected:08x}"
            )
