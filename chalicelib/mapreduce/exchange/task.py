"""One exchange attempt's work: the frames of some run files, put together as one run file. No protocol in here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ...core.errors import CorruptData
from ...core.ports import Store
from ...core.tasks import Position, RowGroup
from ..guard.deadline import Pace
from ..shuffle.fetch_slices import Frames, SliceReader
from ..shuffle.index import Slices
from ..shuffle.run_file import RunWriter
from .grid import PACKED_SHARE


class SomeRows(Slices):
    """A group of the run files in the slices of one block."""

    def __init__(self, block: Slices, group: RowGroup, reads: int) -> None:
        super().__init__(block.run_files[group.first : group.last], ())
        self._block, self._group = block, group
        self.reads = reads

    def column(self, number: int) -> Sequence[int]:
        return self._block.column(number)[self._group.first : self._group.last]


@dataclass(kw_only=True)
class ExchangeTask:
    """Copies partitions, one after the other, each from all run files in their order.

    Frames stay as they are, so whoever reads the result gets the very blocks, in the very order, that all those run
    files would have given. Memory: a part of the budget, of packed bytes.
    """

    store: Store
    work_bucket: str
    #: Bytes that a reduce task of this run may hold.
    budget: int
    pace: Pace
    #: What goes behind each run file's frames of a partition, for readers that must tell them apart.
    end: bytes = b""
    #: After `run`: bytes read.
    bytes_in: int = field(default=0, init=False)

    def run(
        self, slices: Slices, count: int, writer: RunWriter, after: Position | None = None
    ) -> Position | None:
        """Write `count` partitions, from `after` on; where to go on if time ran out before the end.

        Raises CorruptData for a run file that ends before it should.
        """
        reader = SliceReader(self.store, self.work_bucket, slices, self.budget // PACKED_SHARE)
        with reader:
            stopped = self._copy(reader, count, writer, after)
        self.bytes_in += reader.bytes
        return stopped

    def _copy(
        self, reader: SliceReader, count: int, writer: RunWriter, after: Position | None
    ) -> Position | None:
        first, skipped = (after.split, after.offset) if after else (0, 0)
        begun = False
        for partition, frames in reader.frames(first, count):
            for one in frames:
                if partition == first and one.number < skipped:
                    continue
                if begun and self.pace.out_of_time:
                    return Position(split=partition, offset=one.number)
                writer.add_raw(partition, self._copied(one), 0)
                begun = True
        return None

    def _copied(self, frames: Frames) -> Iterator[bytes]:
        seen = 0
        for chunk in frames.chunks:
            seen += len(chunk)
            yield chunk
        if seen != frames.size:
            raise CorruptData(f"{frames.loc.url}: expected {frames.size} bytes of the run file, got {seen}")
        if self.end:
            yield self.end
