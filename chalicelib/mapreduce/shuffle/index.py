"""The shuffle index: a table of offsets, one row a run file, stored by columns so that a reducer reads its own alone.

It comes in blocks of some thousand run files, each an object of its own:

    names      msgpack: the folder of the run files, and the rest of each one's key
    columns    P + 1 of them: offset of partition p in each run file, u32 (or u64), little endian

A reduce task over partitions `[first, last)` takes columns `first` to `last` of each block, in one range read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from ...core.errors import CorruptData
from ...core.messages import UNDECODABLE
from ...core.ports import Loc, Store
from ...core.tasks import IndexBlock, Slice
from .fetch import Range, fetch_all, share_of_reads
from .offsets import Offsets, checked_planes

#: Bytes of a block's columns, about, and its run files at most.
BLOCK_BYTES, BLOCK_ROWS = 16 << 20, 4096
#: Columns that a reader holds at once, in bytes.
BAND = 16 << 20
#: What lies so near to the block's beginning is read together with the names.
NEAR = 1 << 18

_KINDS: dict[int, Literal["I", "Q"]] = {4: "I", 8: "Q"}
_names = msgspec.msgpack.Decoder(tuple[str, list[str]])


class BlockBuilder:
    """Collects the rows of one block. Memory: twice `BLOCK_BYTES`."""

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self._most = min(BLOCK_ROWS, max(1, BLOCK_BYTES // (4 * (partitions + 1))))
        self._run_files: list[str] = []
        self._rows: list[list[bytes]] = []

    def add(self, run_file: str, offsets: Offsets) -> None:
        """One run file, in task order. Raises CorruptData if the offsets are not of so many partitions."""
        self._rows.append(checked_planes(offsets, self._partitions))
        self._run_files.append(run_file)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def full(self) -> bool:
        return len(self._rows) >= self._most

    def build(self) -> tuple[IndexBlock, bytes, list[int]]:
        """(its head, the object's bytes, the sum of each column); it is empty then."""
        common = _folder(self._run_files)
        names = msgspec.msgpack.encode((common, [name[len(common) :] for name in self._run_files]))
        count, width = len(self._rows), 4 if max(map(len, self._rows), default=0) <= 4 else 8
        body = bytearray(len(names) + (self._partitions + 1) * count * width)
        body[: len(names)] = names
        for row, planes in enumerate(self._rows):
            for rank, plane in enumerate(planes):
                body[len(names) + row * width + rank :: count * width] = plane
        self._run_files, self._rows = [], []
        block = IndexBlock(rows=count, width=width, names=len(names))
        return block, bytes(body), _sums(memoryview(body)[len(names) :], block)


def _folder(names: Sequence[str]) -> str:
    """The folder that all of them are in; empty if they are in several."""
    folder = names[0][: names[0].rfind("/") + 1] if names else ""
    return folder if all(name.startswith(folder) for name in names) else ""


def _sums(columns: memoryview, block: IndexBlock) -> list[int]:
    size = block.rows * block.width
    return (
        [sum(_column(columns[at : at + size], block)) for at in range(0, len(columns), size)] if size else []
    )


def _column(data: memoryview | bytes, block: IndexBlock) -> Sequence[int]:
    return memoryview(data).cast("B").cast(_KINDS[block.width])


class Slices:
    """Which bytes of which run files belong to each partition of one reduce task.

    Partitions are counted from the task's first. This one holds all columns; see `StoredSlices`.
    """

    #: How many reads of run files a task should have under way.
    reads = share_of_reads(1)

    def __init__(self, run_files: Sequence[str], columns: Sequence[Sequence[int]]) -> None:
        #: Keys of the run files, in the order of their records in the input.
        self.run_files = run_files
        self._columns = columns

    @classmethod
    def of(cls, rows: Sequence[Slice]) -> Slices:
        return cls([row.run_file for row in rows], list(zip(*(row.offsets for row in rows), strict=True)))

    def column(self, number: int) -> Sequence[int]:
        """Of each run file: where partition `number` begins, and the one before it ends."""
        return self._columns[number] if self.run_files else ()

    def size(self, partition: int) -> int:
        """Bytes of the partition in all run files."""
        begin, end = self.column(partition), self.column(partition + 1)
        return sum(end) - sum(begin)

    def wanted(self, first: int, last: int) -> list[tuple[int, int, int]]:
        """(number of a run file, start, stop) of those that have bytes of partitions `[first, last)`."""
        spans = zip(self.column(first), self.column(last), strict=True)
        return [(number, start, stop) for number, (start, stop) in enumerate(spans) if start < stop]


class StoredSlices(Slices):
    """The same, read from the blocks of the index as it is wanted: a band of columns is held at a time."""

    def __init__(self, store: Store, blocks: Sequence[tuple[Loc, IndexBlock]], first: int, last: int) -> None:
        self._store, self._blocks, self._first, self._last = store, blocks, first, last
        for loc, block in blocks:
            if block.width not in _KINDS:
                raise CorruptData(f"{loc.url}: expected offsets of 4 or 8 bytes, not of {block.width}")
        column = sum(block.rows * block.width for _, block in blocks)
        self._band = max(1, BAND // column - 1) if column else last - first
        self._held: tuple[int, list[bytes]] = (-1, [])
        super().__init__(list(self._read_names()), ())

    def column(self, number: int) -> Sequence[int]:
        start, parts = self._held
        if not 0 <= number - start <= self._band or start < 0:
            start = number
            self._held = start, []  # not two bands at once
            self._held = start, parts = start, list(self._read_columns(start))
        found = []
        for (_, block), part in zip(self._blocks, parts, strict=True):
            size = block.rows * block.width
            found.append(
                _column(memoryview(part)[(number - start) * size : (number - start + 1) * size], block)
            )
        return found[0] if len(found) == 1 else [offset for part in found for offset in part]

    def _read_names(self) -> Iterator[str]:
        """The names, and with them the first band if all of it is near."""
        stop = self._first + min(self._last - self._first, self._band) + 1
        near = all(self._at(block, stop) <= NEAR for _, block in self._blocks)
        ranges = [(loc, 0, self._at(block, stop) if near else block.names) for loc, block in self._blocks]
        band: list[bytes] = []
        for (loc, block), body in zip(self._blocks, self._fetched(ranges), strict=True):
            yield from _decoded_names(body[: block.names], loc, block)
            band.append(body[self._at(block, self._first) :] if near else b"")
        if near:
            self._held = 0, band

    def _read_columns(self, start: int) -> Iterator[bytes]:
        begin = self._first + start
        end = min(begin + self._band, self._last) + 1
        return self._fetched(
            [(loc, self._at(block, begin), self._at(block, end)) for loc, block in self._blocks]
        )

    def _fetched(self, ranges: Sequence[Range]) -> Iterator[bytes]:
        """The ranges' bytes. Raises CorruptData for a block that ends before."""
        for (loc, start, stop), body in zip(ranges, fetch_all(self._store, ranges), strict=True):
            if len(body) != (stop or 0) - start:
                raise CorruptData(
                    f"{loc.url}: byte {start}: expected {(stop or 0) - start} bytes, got {len(body)}"
                )
            yield body

    @staticmethod
    def _at(block: IndexBlock, column: int) -> int:
        """Where a column begins in the object."""
        return block.names + column * block.rows * block.width


def _decoded_names(data: bytes, loc: Loc, block: IndexBlock) -> Iterator[str]:
    try:
        common, names = _names.decode(data)
    except UNDECODABLE as error:
        raise CorruptData(f"{loc.url}: expected names of run files: {error}") from error
    if len(names) != block.rows:
        raise CorruptData(f"{loc.url}: expected names of {block.rows} run files, got {len(names)}")
    return (common + name for name in names)
