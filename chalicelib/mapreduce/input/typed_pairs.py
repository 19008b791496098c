"""Typed pairs, as one step (or one job) hands them to the next: the blocks of run files, one after the other.

Keys and values keep their types, every block has a checksum, and a part may be read from any block on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from ...core.errors import CorruptData
from ...core.plan import Split
from ...core.ports import Streams
from ..shuffle.run_file import FRAME, frame_size, read_blocks
from .blocks import LOOK_AHEAD, stretch

#: Bytes of a part at which one may begin to read, told by its marker: at most so many, evenly spread.
MOST_EDGES = 128


class PairBlock(NamedTuple):
    """Pairs from byte `offset` of an object on, the first `skip` there left out; `following` is the next block's."""

    offset: int
    following: int
    skip: int
    keys: list[Any]
    values: list[Any]


def pair_blocks(store: Streams, split: Split) -> Iterator[PairBlock]:
    """The pairs of all blocks whose first byte is in the split, which must begin at a block.

    Memory: one block. Raises CorruptData for anything that was not written so, InputChanged if the object is
    no longer the one that was planned.
    """
    at, skip, url = split.start, split.skip, split.loc.url
    if at >= split.stop:
        return
    for frame in _frames(_bytes(store, split), url):
        (block,) = read_blocks((frame,), url)
        keys, values = block
        following = at + len(frame)
        yield PairBlock(at, following, skip, keys[skip:], values[skip:])
        at, skip = following, 0
        if at >= split.stop:
            return
    raise CorruptData(f"{url}: ends at byte {at}, expected pairs up to byte {split.stop}")


def _bytes(store: Streams, split: Split) -> Iterator[bytes]:
    """From the split's first byte on, as far as the caller reads."""
    step = LOOK_AHEAD
    begin, stop = split.start, min(max(split.stop, split.start + step), split.size)
    while begin < split.size:
        yield from stretch(store, split, begin, stop)
        step *= 4
        begin, stop = stop, min(stop + step, split.size)


def _frames(chunks: Iterable[bytes], where: str) -> Iterator[bytes]:
    buffer = bytearray()
    for chunk in chunks:
        buffer += chunk
        while len(buffer) >= FRAME.size and len(buffer) >= (size := frame_size(buffer, 0, where)):
            yield bytes(buffer[:size])
            del buffer[:size]
    if buffer:
        raise CorruptData(f"{where}: ends {len(buffer)} bytes into a block of pairs")


class Edges:
    """What a part's marker tells of its blocks, learned from its bytes as they are written."""

    def __init__(self) -> None:
        self.found: list[int] = []
        self.pairs = 0
        self._gap = 0
        #: Bytes seen, the byte at which the next block begins, and what there is of a head that was cut.
        self._at = self._next = 0
        self._head = b""

    def feed(self, data: bytes) -> None:
        """Take the next bytes, cut anywhere."""
        base = self._at - len(self._head)
        data = self._head + data if self._head else data
        while (begin := self._next - base) + FRAME.size <= len(data):
            length, _, pairs, _ = FRAME.unpack_from(data, begin)
            self._note(self._next)
            self.pairs += pairs
            self._next += FRAME.size + length
        self._at = base + len(data)
        self._head = data[begin:] if begin < len(data) else b""

    def _note(self, edge: int) -> None:
        if self.found and edge - self.found[-1] < self._gap:
            return
        self.found.append(edge)
        if len(self.found) > MOST_EDGES:
            self.found = self.found[::2]
            self._gap = self.found[-1] // len(self.found)
