"""Map tasks without a shuffle: what the mapper gives goes to the part as it comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice, repeat
from typing import Any, ClassVar

from ...core.plan import Split
from ...core.tasks import Position
from ...job.job import Each
from ..guard.isolate import Pair
from ..guard.location import located
from ..output.text import Rows
from ..shuffle.collect import check_pairs
from ..shuffle.memory_size import row_bytes
from ..shuffle.run_file import BLOCK_BYTES, BLOCK_PAIRS, SOME_PAIRS
from .task import MapTask

Keep = Callable[[Any, Any], bool]


class RowWriter:
    """Writes the rows of pairs in blocks, in the order in which they come.

    Holds one block: 8 192 pairs, or about 2 MiB of them and what 64 pairs more take.
    """

    def __init__(self, rows: Rows, write: Callable[[bytes], object]) -> None:
        self._rows = rows
        self._write = write
        self._waiting: list[Pair] = []
        #: Bytes of them, about.
        self._bytes = 0
        self._size = 0
        self.pairs = 0
        #: Rows have no order, so their keys may be of any types.
        self.key_types: frozenset[str] = frozenset()

    def add(self, pairs: Iterator[Pair], keep: Keep | None = None) -> None:
        """Take all pairs, or those for which `keep` is true."""
        while some := list(islice(pairs, min(SOME_PAIRS, BLOCK_PAIRS - len(self._waiting)))):
            check_pairs(some)
            if keep:
                some = [pair for pair in some if keep(*pair)]
            self._waiting += some
            self._bytes += row_bytes(some)
            if len(self._waiting) == BLOCK_PAIRS or self._bytes >= BLOCK_BYTES:
                self._flush()

    def finish(self) -> tuple[int, ...]:
        """Where what was written begins and ends."""
        self._flush()
        return (0, self._size)

    def _flush(self) -> None:
        if not self._waiting:
            return
        keys, values = zip(*self._waiting, strict=True)
        data = self._rows(keys, values)
        self._write(data)
        self._size += len(data)
        self.pairs += len(self._waiting)
        self._waiting, self._bytes = [], 0


class _Kept:
    """Takes pairs as a spiller does, and writes those that the job's `having` keeps."""

    def __init__(self, writer: RowWriter, having: Keep | None) -> None:
        self._writer = writer
        self._having = having

    def add(self, pairs: Iterator[Pair]) -> None:
        self._writer.add(pairs, self._having)

    def add_each(self, each: Each) -> None:
        self.add(zip(each.keys, repeat(each.value)))

    def add_block(self, keys: list[Any], values: list[Any]) -> None:
        self.add(zip(keys, values, strict=True))


class MapOnlyTask(MapTask):
    """Feeds the splits of one task through the user's mapper into a `RowWriter`."""

    _keyed: ClassVar[bool] = False

    def run(self, splits: Sequence[Split], writer: Any) -> Position | None:
        """As `MapTask.run`."""
        with located(self._where), self.disk.folder("sluice-map-") as folder:
            stopped = self._feed(splits, _Kept(writer, self.job.having), folder)
            writer.finish()
        return stopped
