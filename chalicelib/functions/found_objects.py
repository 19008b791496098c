"""The objects of a run's input, packed: a million of them take 60 MB, not 400."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import overload

import msgspec

from ..core.ports import ObjectInfo

#: (bucket, object)
Found = tuple[str, ObjectInfo]
#: Objects that are packed together.
_BLOCK = 4096
_decode = msgspec.msgpack.Decoder(list[Found]).decode


class FoundObjects(Sequence[Found]):
    """Goes through its objects as often as need be, a few thousand of them unpacked at a time."""

    def __init__(self, objects: Iterable[Found]) -> None:
        self._count = 0
        self._blocks: list[bytes] = []
        rest = iter(objects)
        while some := list(islice(rest, _BLOCK)):
            self._count += len(some)
            self._blocks.append(zlib.compress(msgspec.msgpack.encode(some), 1))

    def __iter__(self) -> Iterator[Found]:
        for block in range(len(self._blocks)):
            yield from self._block(block)

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Found: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Found]: ...
    def __getitem__(self, index: int | slice) -> Found | Sequence[Found]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(self._count))]
        number = range(self._count)[index]
        return self._block(number // _BLOCK)[number % _BLOCK]

    def _block(self, number: int) -> list[Found]:
        return _decode(zlib.decompress(self._blocks[number]))
