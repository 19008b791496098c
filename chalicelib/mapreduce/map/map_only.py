"""Map tasks without a shuffle: what the mapper gives goes to the part as it comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice, repeat
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ...core.plan import Split
from ...core.tasks import Position
from ...job.job import Each
from ..output.text import Rows
from ..shuffle.collect import check_pairs
from ..shuffle.run_file import BLOCK_PAIRS
from .task import MapTask

Pair = tuple[Any, Any]


class RowWriter:
    """Takes pairs as a spiller does and writes their rows at once, in blocks."""

    def __init__(self, rows: Rows, write: Callable[[bytes], object]) -> None:
        self._rows = rows
        self._write = write
        #: Which pairs are kept, if not all: the job's `having`.
        self.keep: Callable[[Any, Any], bool] | None = None
        self._waiting: list[Pair] = []
        self._size = 0
        self.pairs = 0
        #: Rows have no order, so their keys may be of any types.
        self.key_types: frozenset[str] = frozenset()

    def add(self, pairs: Iterator[Pair]) -> None:
        while some := list(islice(pairs, BLOCK_PAIRS - len(self._waiting))):
            check_pairs(some)
            self._waiting += [pair for pair in some if self.keep(*pair)] if self.keep else some
            if len(self._waiting) == BLOCK_PAIRS:
                self._flush()

    def add_each(self, each: Each) -> None:
        self.add(zip(each.keys, repeat(each.value)))

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
        self._waiting = []


class MapOnlyTask(MapTask):
    """Feeds the splits of one task through the user's mapper into a `RowWriter`."""

    def run(self, splits: Sequence[Split], writer: Any) -> Position | None:
        """As `MapTask.run`."""
        writer.keep = self._job.having
        with TemporaryDirectory(prefix="sluice-map-", dir=self._scratch) as scratch, self._pace.alarm():
            stopped = self._feed(splits, writer, Path(scratch))
        writer.finish()
        return stopped
