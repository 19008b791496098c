"""Run files: sorted pairs of all partitions in one object, in blocks that carry checksums.

A run file is the concatenation of its partitions, each a row of frames:

    payload length, CRC-32 of payload, pairs in it, bytes unpacked     4 x u32, little endian
    payload: zstd of (shape of keys, shape of values, length of keys, keys, values)

The byte offsets of the partitions are not in the file but in the marker that commits it, so that
one range read brings any stretch of partitions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from struct import Struct
from typing import Any
from zlib import crc32

from .codec import Unsupported, decode_column, encode_column
from .errors import CorruptData, DataTypeError
from .zstd import ZstdCompressor, ZstdError, decompress

#: A block is a list of keys and the list of their values, sorted by key.
Block = tuple[list[Any], list[Any]]

#: Pairs in a block: large enough to amortise a frame, small enough to hold one of each run.
BLOCK_PAIRS = 8192
_FRAME = Struct("<4I")
_COLUMNS = Struct("<BBI")
_LEVEL = 1


class RunWriter:
    """Writes frames in partition order to `write`. Holds one block."""

    def __init__(self, write: Callable[[bytes], object], partitions: int) -> None:
        self._write = write
        self._compress = ZstdCompressor(level=_LEVEL).compress
        self._at = 0
        self._offsets = [0] * (partitions + 1)
        self._partition = 0
        self.pairs = 0
        #: The names of the types of all keys written.
        self.key_types: set[str] = set()

    def add(self, partition: int, keys: list[Any], values: list[Any]) -> None:
        """Append sorted pairs to `partition`; partitions must come in ascending order."""
        if partition < self._partition:
            raise ValueError(f"partition {partition} after {self._partition}")
        self._skip_to(partition)
        for start in range(0, len(keys), BLOCK_PAIRS):
            frame = self._frame(keys[start : start + BLOCK_PAIRS], values[start : start + BLOCK_PAIRS])
            self._write(frame)
            self._at += len(frame)
        self.pairs += len(keys)
        self.key_types.update(kind.__name__ for kind in set(map(type, keys)))

    def finish(self) -> tuple[int, ...]:
        """The P + 1 offsets of the partitions."""
        self._skip_to(len(self._offsets) - 1)
        self._offsets[-1] = self._at
        return tuple(self._offsets)

    def _skip_to(self, partition: int) -> None:
        for skipped in range(self._partition + 1, partition + 1):
            self._offsets[skipped] = self._at
        self._partition = partition

    def _frame(self, keys: list[Any], values: list[Any]) -> bytes:
        try:
            key_shape, key_body = encode_column(keys)
            value_shape, value_body = encode_column(values)
        except Unsupported as error:
            raise _culprit(keys, values, error) from error
        raw = b"".join((_COLUMNS.pack(key_shape, value_shape, len(key_body)), key_body, value_body))
        payload: bytes = self._compress(raw, ZstdCompressor.FLUSH_FRAME)
        return _FRAME.pack(len(payload), crc32(payload), len(keys), len(raw)) + payload


def _culprit(keys: list[Any], values: list[Any], error: Unsupported) -> DataTypeError:
    """The error with the key and value it is about."""
    for key, value in zip(keys, values, strict=True):
        try:
            encode_column([key])
            encode_column([value])
        except Unsupported as narrow:
            shown = f"key {key!r:.200} ({type(key).__name__}), value {value!r:.200} ({type(value).__name__})"
            return DataTypeError(f"{shown}: {narrow}")
    return error


def read_blocks(chunks: Iterable[bytes], where: str) -> Iterator[Block]:
    """The blocks in a stretch of frames that arrives in chunks of any size.

    Holds one frame and one chunk. Raises CorruptData, naming `where`, for a frame whose checksum or
    length is not what was written.
    """
    buffer = b""
    for chunk in chunks:
        buffer = buffer + chunk if buffer else chunk
        start = 0
        while len(buffer) - start >= _FRAME.size:
            length = _FRAME.unpack_from(buffer, start)[0]
            if len(buffer) - start < _FRAME.size + length:
                break
            yield _block(buffer, start, where)
            start += _FRAME.size + length
        buffer = buffer[start:]
    if buffer:
        raise CorruptData(f"{where}: the run file ends {len(buffer)} bytes into a frame")


def _block(buffer: bytes, start: int, where: str) -> Block:
    length, checksum, pairs, raw_size = _FRAME.unpack_from(buffer, start)
    payload = memoryview(buffer)[start + _FRAME.size : start + _FRAME.size + length]
    if crc32(payload) != checksum:
        raise CorruptData(f"{where}: a frame's checksum is {crc32(payload):08x}, expected {checksum:08x}")
    try:
        raw = memoryview(decompress(payload))
        if len(raw) != raw_size:
            raise CorruptData(f"{where}: a frame unpacks to {len(raw)} bytes, expected {raw_size}")
        key_shape, value_shape, key_size = _COLUMNS.unpack_from(raw)
        keys = decode_column(key_shape, raw[_COLUMNS.size : _COLUMNS.size + key_size])
        values = decode_column(value_shape, raw[_COLUMNS.size + key_size :])
    except (ZstdError, ValueError) as error:
        raise CorruptData(f"{where}: a frame does not unpack: {error}") from error
    if len(keys) != pairs or len(values) != pairs:
        raise CorruptData(
            f"{where}: a frame holds {len(keys)} keys and {len(values)} values, expected {pairs}"
        )
    return keys, values
