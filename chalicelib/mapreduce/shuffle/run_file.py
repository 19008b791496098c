"""Run files: the pairs of all partitions in one object, in blocks that carry checksums.

Pairs are sorted by key, so that runs can be merged; but for an aggregator's states of a task that did not spill,
which reducers fold into a table. A run file is the concatenation of its partitions, each a row of frames:

    payload length, CRC-32 of payload, pairs in it, bytes unpacked     4 x u32, little endian
    payload: zstd of (shape of keys, shape of values, length of keys, keys, values)

The byte offsets of the partitions are not in the file but in the marker that commits it, so that
one range read brings any stretch of partitions.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any
from zlib import crc32

from ...core.codec import Unsupported, decode_column, encode_column
from ...core.errors import CorruptData, DataTypeError
from .key_order import type_names
from .zstd import ZstdCompressor, ZstdDecompressor, ZstdError

#: A block is a list of keys and the list of their values, sorted by key.
Block = tuple[list[Any], list[Any]]

#: Pairs in a block: large enough to amortise a frame, small enough to hold one of each run.
BLOCK_PAIRS = 8192
#: Bytes of rows that wait to be written together, about; and how many pairs are taken before their bytes are counted.
#: So rows of a megabyte wait by the score, not by the thousand.
BLOCK_BYTES, SOME_PAIRS = 1 << 21, 64
FRAME = struct.Struct("<4I")
_COLUMNS = struct.Struct("<BBI")
_LEVEL = 1


class RunWriter:
    """Writes frames in partition order to `write`. Holds one block."""

    def __init__(self, write: Callable[[bytes], object], partitions: int) -> None:
        self._write = write
        self._compressor = ZstdCompressor(level=_LEVEL)
        self._at = 0
        self._offsets = [0] * (partitions + 1)
        self._partition = 0
        self.pairs = 0
        #: The names of the types of all keys written.
        self.key_types: set[str] = set()

    def add(self, partition: int, keys: list[Any], values: list[Any], shown: list[Any] | None = None) -> None:
        """Append sorted pairs to `partition`; partitions must come in ascending order.

        `shown` are the keys whose types are noted, if they are others than those written.
        """
        if partition < self._partition:
            raise ValueError(f"partition {partition} after {self._partition}")
        self._skip_to(partition)
        shown = shown or keys
        for start in range(0, len(keys), BLOCK_PAIRS):
            stop = start + BLOCK_PAIRS
            data = frame(keys[start:stop], values[start:stop], self._compressor)
            self._write(data)
            self._at += len(data)
            self.key_types |= type_names(shown[start:stop])  # block by block, while these are in the cache
        self.pairs += len(keys)

    def add_raw(self, partition: int, frames: Iterable[bytes], rows: int) -> None:
        """Append bytes in another format, which must have checksums of its own, to `partition`."""
        if partition < self._partition:
            raise ValueError(f"partition {partition} after {self._partition}")
        self._skip_to(partition)
        for frame in frames:
            self._write(frame)
            self._at += len(frame)
        self.pairs += rows

    def finish(self) -> tuple[int, ...]:
        """The P + 1 offsets of the partitions."""
        self._skip_to(len(self._offsets) - 1)
        self._offsets[-1] = self._at
        return tuple(self._offsets)

    def _skip_to(self, partition: int) -> None:
        for skipped in range(self._partition + 1, partition + 1):
            self._offsets[skipped] = self._at
        self._partition = partition


def frame(keys: Sequence[Any], values: Sequence[Any], compressor: Any = None) -> bytes:
    """The frame of at most `BLOCK_PAIRS` pairs. Raises DataTypeError for what is not carried.

    `compressor`: one that is there already, for to make one takes as long as to use it for a few hundred pairs.
    """
    try:
        key_shape, key_body = encode_column(keys)
        value_shape, value_body = encode_column(values)
    except Unsupported as error:
        raise _culprit(keys, values, error) from error
    raw = b"".join((_COLUMNS.pack(key_shape, value_shape, len(key_body)), key_body, value_body))
    compressor = compressor or ZstdCompressor(level=_LEVEL)
    payload: bytes = compressor.compress(raw, ZstdCompressor.FLUSH_FRAME)
    return FRAME.pack(len(payload), crc32(payload), len(keys), len(raw)) + payload


def _culprit(keys: Sequence[Any], values: Sequence[Any], error: Unsupported) -> DataTypeError:
    """The error with the key and value it is about."""
    for key, value in zip(keys, values, strict=True):
        try:
            encode_column([key])
            encode_column([value])
        except Unsupported as narrow:
            shown = f"key {key!r:.200} ({type(key).__name__}), value {value!r:.200} ({type(value).__name__})"
            return DataTypeError(f"{shown}: {narrow}")
    return error


def read_blocks(chunks: Iterable[bytes], where: str, size: int | None = None) -> Iterator[Block]:
    """The blocks in a stretch of frames that arrives in chunks of any size.

    Holds one frame and one chunk. Raises CorruptData, naming `where`, for a frame whose checksum or
    length is not what was written, and for a stretch of other than `size` bytes: one that was cut off
    between two frames looks whole otherwise.
    """
    waiting: list[bytes] = []
    held, needed, seen = 0, FRAME.size, 0
    for chunk in chunks:
        waiting.append(chunk)
        held += len(chunk)
        seen += len(chunk)
        if held < needed:
            continue
        buffer = waiting[0] if len(waiting) == 1 else b"".join(waiting)
        start = 0
        while held - start >= (needed := frame_size(buffer, start, where)):
            yield _block(buffer, start, where)
            start += needed
        rest = buffer[start:]
        waiting, held = ([rest], len(rest)) if rest else ([], 0)
    if held:
        raise CorruptData(f"{where}: the run file ends {held} bytes into a frame")
    if size is not None and seen != size:
        raise CorruptData(f"{where}: expected {size} bytes of the run file, got {seen}")


def frame_size(buffer: bytes | bytearray, start: int, where: str) -> int:
    """Bytes of the frame at `start`, or of its head if that is not there yet.

    The checksum is known to fit only when the whole frame is read, so a length that cannot be right must
    be seen before: zstd makes no data much longer.
    """
    if len(buffer) - start < FRAME.size:
        return FRAME.size
    length, _, _, raw_size = FRAME.unpack_from(buffer, start)
    if length > raw_size + (raw_size >> 7) + 512:
        raise CorruptData(f"{where}: a frame of {length} bytes for {raw_size} bytes of pairs")
    return FRAME.size + int(length)


def _block(buffer: bytes, start: int, where: str) -> Block:
    length, checksum, pairs, raw_size = FRAME.unpack_from(buffer, start)
    payload = memoryview(buffer)[start + FRAME.size : start + FRAME.size + length]
    if crc32(payload) != checksum:
        raise CorruptData(f"{where}: a frame's checksum is {crc32(payload):08x}, expected {checksum:08x}")
    try:
        raw = memoryview(ZstdDecompressor().decompress(payload, max_length=raw_size + 1))
    except ZstdError as error:
        raise CorruptData(f"{where}: a frame does not unpack: {error}") from error
    if len(raw) != raw_size:
        raise CorruptData(f"{where}: a frame unpacks to {len(raw)} bytes or more, expected {raw_size}")
    try:
        key_shape, value_shape, key_size = _COLUMNS.unpack_from(raw)
        keys = decode_column(key_shape, raw[_COLUMNS.size : _COLUMNS.size + key_size])
        values = decode_column(value_shape, raw[_COLUMNS.size + key_size :])
    except (struct.error, CorruptData) as error:
        raise CorruptData(f"{where}: a frame does not unpack: {error}") from error
    if len(keys) != pairs or len(values) != pairs:
        raise CorruptData(
            f"{where}: a frame holds {len(keys)} keys and {len(values)} values, expected {pairs}"
        )
    return keys, values
