"""Where the partitions of a run file begin, packed: a run of 16 000 tasks has 65 million of these offsets.

    zlib of: bytes of an offset (u8), then byte 0 of all offsets, byte 1 of all, ... (little endian)

High bytes change seldom and pack to next to nothing, so an offset takes about two bytes, and a few bits where most
partitions are empty. Bytes of one rank side by side are also what lets a table of offsets be filled without a
Python object for each.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

from ...core.errors import CorruptData

#: As a marker may hold them: packed, or one by one as earlier versions wrote them.
Offsets = bytes | tuple[int, ...]
_WIDEST = 8


def pack(offsets: Sequence[int]) -> bytes:
    """P + 1 ascending offsets of P partitions."""
    return zlib.compress(b"".join((bytes((width_of(offsets),)), *planes(tuple(offsets)))), 1)


def unpack(offsets: Offsets, partitions: int) -> tuple[int, ...]:
    """The P + 1 offsets. Raises CorruptData for what are no offsets of so many partitions."""
    wide = bytearray(_WIDEST * (partitions + 1))
    for rank, plane in enumerate(checked_planes(offsets, partitions)):
        wide[rank::_WIDEST] = plane
    return struct.unpack(f"<{partitions + 1}Q", wide)


def checked_planes(offsets: Offsets, partitions: int) -> list[bytes]:
    """The offsets' bytes by rank, lowest first: each has P + 1. Raises CorruptData as `unpack` does."""
    count = partitions + 1
    if not isinstance(offsets, bytes):
        if len(offsets) != count:
            raise CorruptData(f"expected {count} offsets, got {len(offsets)}")
        return planes(offsets)
    unpacker = zlib.decompressobj()
    try:
        raw = unpacker.decompress(offsets, 1 + _WIDEST * count + 1)
    except zlib.error as error:
        raise CorruptData(f"expected {count} packed offsets: {error}") from error
    if not raw or not 1 <= raw[0] <= _WIDEST or len(raw) != 1 + raw[0] * count or not unpacker.eof:
        raise CorruptData(f"expected {count} packed offsets, got {len(raw)} bytes that are none")
    return [raw[start : start + count] for start in range(1, len(raw), count)]


def planes(offsets: tuple[int, ...]) -> list[bytes]:
    """The offsets' bytes by rank, as many ranks as the last one has."""
    wide = struct.pack(f"<{len(offsets)}Q", *offsets)
    return [wide[rank::_WIDEST] for rank in range(width_of(offsets))]


def width_of(offsets: Sequence[int]) -> int:
    """Bytes of the last offset, which is the largest."""
    return max(1, -(-offsets[-1].bit_length() // 8)) if offsets else 1
