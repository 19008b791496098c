"""Rows of Parquet files to batches of mapped pairs: what a map task does with input that is a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from ...core.plan import Split
from ...core.ports import Store
from ...core.spec import InputSpec
from ...job.binding import BoundJob
from ..guard.deadline import Pace
from ..guard.isolate import Pair, Weeder, typed_place
from ..guard.location import Where
from .typed_batches import PairBatch

Row = dict[str, Any]


class RowSource:
    """Reads and maps rows in steps, as long as the pace has them."""

    def __init__(
        self,
        job: BoundJob,
        store: Store,
        where: Where,
        pace: Pace,
        weeder: Weeder,
    ) -> None:
        self._job = job
        self._store = store
        self._where = where
        self._pace = pace
        self._weeder = weeder

    def batches(self, split: Split, spec: InputSpec, scratch: Path) -> Iterator[PairBatch]:
        """Each is called before the next is asked for. An attempt goes on behind so many rows of a row group."""
        from ..input.parquet import read_groups  # only jobs that read such files have DuckDB

        skip = split.skip
        for group, lists in read_groups(self._store, split, spec, scratch):
            size, at = group.stop - group.start, 0
            for rows in lists:
                done = min(max(skip - at, 0), len(rows))
                while done < len(rows):
                    step = rows[done : done + self._pace.size]
                    done += len(step)
                    finished = group.first + at + done == group.last
                    edge = (group.stop, 0) if finished else (group.start, at + done)
                    call = self._call(split, group.start, step)
                    yield PairBatch(call, partial(_same, edge), len(step), size)
                    size = 0
                at += len(rows)
            skip = 0

    def _call(self, split: Split, at: int, rows: list[Row]) -> Callable[[], Iterable[Pair]]:
        if self._weeder.careful:
            return partial(chain.from_iterable, self._carefully(split, at, rows))
        return partial(chain.from_iterable, map(self._mapped, rows))

    def _mapped(self, row: Row) -> Iterable[Pair]:
        found: Iterable[Pair] | None = self._job.job.mapper(None, row)
        return found or ()

    def _carefully(self, split: Split, at: int, rows: list[Row]) -> Iterator[list[Pair]]:
        """The pairs that each row makes, complete or, for a bad one, none; `at` is the byte of its row group."""
        for row in rows:
            yield self._weeder.pairs(split, partial(self._mapped, row), partial(typed_place, at, row))


def _same(edge: tuple[int, int]) -> tuple[int, int]:
    return edge
