"""Long lists of objects as they are stored: some thousand rows packed together, one such frame after the other.

A hundred thousand objects take about two megabytes, and whoever reads or writes them holds one frame.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from ...core.errors import CorruptData
from ...core.ports import ObjectInfo, ObjectWriter

#: Rows of a frame, and bytes of the length before it.
_ROWS, _LENGTH = 4096, 4
#: No frame is longer: rows have keys of at most 1 KiB.
_MOST = 64 << 20

#: (bucket, object)
Found = tuple[str, ObjectInfo]


class Taken(NamedTuple):
    """An object that a run was given to read."""

    bucket: str
    key: str
    #: A digest of etag, size and time: another one is another version.
    version: int
    #: When it was first missing in a listing, in seconds since the epoch; 0: it was there.
    gone: int = 0


FOUND = msgspec.msgpack.Decoder(list[Found])
TAKEN = msgspec.msgpack.Decoder(list[Taken])


class Frames:
    """Writes rows to an object."""

    def __init__(self, sink: ObjectWriter) -> None:
        self._sink = sink
        self._rows: list[Any] = []

    def add(self, row: Found | Taken) -> None:
        self._rows.append(row)
        if len(self._rows) >= _ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what is left; call it once, at the end."""
        if self._rows:
            body = zlib.compress(msgspec.msgpack.encode(self._rows), 1)
            self._sink.write(len(body).to_bytes(_LENGTH, "big") + body)
            self._rows = []


def read_found(blocks: Iterable[bytes], where: str) -> Iterator[Found]:
    """The rows of an object of `Found`, from its bytes. Raises CorruptData, naming `where`."""
    for body in _bodies(blocks, where):
        yield from _decoded(FOUND, body, where)


def read_taken(blocks: Iterable[bytes], where: str) -> Iterator[Taken]:
    """The rows of an object of `Taken`, from its bytes. Raises CorruptData, naming `where`."""
    for body in _bodies(blocks, where):
        yield from _decoded(TAKEN, body, where)


def _decoded(decoder: msgspec.msgpack.Decoder[Any], body: bytes, where: str) -> list[Any]:
    try:
        rows: list[Any] = decoder.decode(zlib.decompress(body))
    except (zlib.error, msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise CorruptData(f"{where}: expected a list of objects: {error}") from error
    return rows


def _bodies(blocks: Iterable[bytes], where: str) -> Iterator[bytes]:
    rest = bytearray()
    for block in blocks:
        rest += block
        while len(rest) >= _LENGTH:
            end = _LENGTH + int.from_bytes(rest[:_LENGTH], "big")
            if end > _MOST:
                raise CorruptData(f"{where}: expected frames of at most {_MOST:,} bytes, got {end:,}")
            if len(rest) < end:
                break
            yield bytes(rest[_LENGTH:end])
            del rest[:end]
    if rest:
        raise CorruptData(f"{where}: ends within a frame, {len(rest):,} bytes after the last whole one")
