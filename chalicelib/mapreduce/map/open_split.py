"""A split that is being read, and the steps in which its records go to the user's mapper."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from msgspec import Struct

from ...core.plan import Split
from ...core.ports import Disk, Streams
from ...core.spec import InputSpec
from ...job.binding import BoundJob
from ..guard.deadline import Pace
from ..guard.isolate import Isolation, Pair, RecordPlace
from ..guard.location import Where

T = TypeVar("T")
#: Where the input goes on: a byte of the object, and how many records of the block there are done.
Offset = tuple[int, int]


class Columns(NamedTuple):
    """Pairs that a step gives without calling the user's code."""

    keys: list[Any]
    values: list[Any]


class Step(NamedTuple):
    """Some records of a split. Each step is called, and its pairs are taken, before the next one is asked for."""

    #: Gives the pairs: an iterable of them, a dict, an `Each`, `Columns`, or None.
    call: Callable[[], Any]
    #: Where a later attempt would go on behind them; None: this attempt cannot stop here.
    edge: Callable[[], Offset] | None = None


class Tally(Struct):
    """What a task has read so far."""

    records: int = 0
    bytes: int = 0


class OpenSplit(Struct, frozen=True, kw_only=True):
    """A split, how it is to be read, and whom to tell; made anew for each split."""

    split: Split
    spec: InputSpec
    #: A compressed object may unpack to so many times its size; None: to any.
    unpack_ratio: int | None = None
    #: What JSON documents are decoded into, if `input.type` says so.
    record_type: type[Any] | None
    #: What makes records of the object's bytes, if `input.reader` says so.
    reader: Callable[..., Any] | None = None
    job: BoundJob
    store: Streams
    disk: Disk
    #: The task's own folder on the disk.
    folder: Path
    where: Where
    pace: Pace
    isolation: Isolation
    tally: Tally

    def set_aside(self, error: Exception, place: RecordPlace) -> None:
        """Count and list a record that cannot be read."""
        self.tally.records += 1
        self.isolation.set_aside(error, place)

    def each(
        self,
        records: Iterable[T],
        mapper: Callable[[T], Iterable[Pair] | None],
        place: Callable[[int, T], RecordPlace],
    ) -> Iterator[list[Pair]]:
        """The pairs of each record, complete or, for a bad record, none; `place` finds record `number`."""
        return self.isolation.each(records, mapper, place)

    def steps(
        self,
        mapped: Iterator[Iterable[Pair] | None],
        count: int,
        edge: Callable[[int], Offset] | None = None,
    ) -> Iterator[Step]:
        """What the mapper makes of `count` records, in steps as long as the pace has them.

        `mapped` calls the mapper as it is read; `edge` says where the input goes on behind so many records.
        """
        for first, done in self.stretches(count):
            pairs = partial(chain.from_iterable, filter(None, islice(mapped, done - first)))
            yield Step(pairs, partial(edge, done) if edge else None)

    def stretches(self, count: int) -> Iterator[tuple[int, int]]:
        """From where to where `count` records are cut into steps as long as the pace has them; they are counted."""
        done = 0
        while done < count:
            first, done = done, min(done + self.pace.size, count)
            self.tally.records += done - first
            yield first, done
