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


def each_file(chunks: Iterable[bytes], size: int, where: str) -> Iterator[Iterator[bytes]]:
    """The files in `size` bytes of frames, each as its payloads; take one to its end before the next. As `payloads`."""
    found = payloads(chunks, size, where)
    for first in found:
        yield chain((first,), takewhile(len, found))


def payloads(chunks: Iterable[bytes], size: int, where: str) -> Iterator[bytes]:
    """The payloads, empty ones too, of `size` bytes of frames in chunks of any size; holds one frame and one chunk.

    Raises CorruptData, naming `where`, for bytes that are not those that were written.
    """
    buffer, seen = bytearray(), 0
    for chunk in chunks:
        seen += len(chunk)
        buffer += chunk
        while len(buffer) >= _FRAME.size:
            length, checksum = _FRAME.unpack_from(buffer)
            if length > _PAYLOAD:
                raise CorruptData(f"{where}: a frame of {length} bytes, expected at most {_PAYLOAD}")
            if len(buffer) < _FRAME.size + length:
                break
            payload = bytes(buffer[_FRAME.size : _FRAME.size + length])
            if crc32(payload) != checksum:
                raise CorruptData(
                    f"{where}: a frame's checksum is {crc32(payload):08x}, expected {checksum:08x}"
                )
            del buffer[: _FRAME.size + length]
            yield payload
    if buffer or seen != size:
        raise CorruptData(f"{where}: expected {size} bytes of whole frames, got {seen}")
