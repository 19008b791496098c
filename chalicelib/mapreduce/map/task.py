"""One map attempt's work: records to sorted partitions in one run file. No protocol in here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Protocol

from msgspec import Struct, field
from msgspec.structs import replace

from ...aggregators import Aggregator
from ...core.errors import InputChanged, InputError
from ...core.plan import Split
from ...core.ports import Disk, Store, Streams, Trail
from ...core.spec import BadRecordsSpec
from ...core.tasks import Position
from ...job.binding import BoundJob
from ...job.job import Each
from ...job.load_class import Source
from ..guard.deadline import Pace, endless
from ..guard.isolate import Isolation, Pair, RecordPlace
from ..guard.location import Where, blame, located
from ..guard.quarantine import Quarantine
from ..input.blocks import first_read
from ..input.compression import compression
from ..input.read_ahead import ReadAhead, Span
from ..shuffle.run_file import RunWriter
from ..shuffle.secondary_sort import map_collector, plain_keys
from ..shuffle.spill import Spiller, fold_states
from .open_split import Columns, OpenSplit, Step, Tally


class Sink(Protocol):
    """Takes the mapper's pairs: a spiller, or what writes rows at once."""

    def add(self, pairs: Iterator[Pair]) -> None: ...

    def add_each(self, each: Each) -> None: ...

    def add_block(self, keys: list[Any], values: list[Any]) -> None: ...


class MapTask(Struct, kw_only=True, dict=True):
    """Feeds the splits of one task through the user's mapper into a run file.

    After `run`, `records`, `bytes` and `spilled` say what was done, and the writer what was written.
    """

    job: BoundJob
    #: How the objects of each tag are read.
    sources: Mapping[str, Source]
    store: Store
    disk: Disk
    partitions: int
    #: Bytes of pairs in memory at which they are spilled.
    budget: int
    pace: Pace = field(default_factory=endless)
    quarantine: Quarantine = field(default_factory=partial(Quarantine, BadRecordsSpec(), "map"))
    #: In a process of its own: tells whoever outlives it which record is in hand.
    trail: Trail | None = None
    #: Records and bytes read, and bytes of spills.
    records: int = 0
    bytes: int = 0
    spilled: int = 0

    #: Whether pairs are put in tables by their keys.
    _keyed: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self._where = Where(self.job.name)
        self.job.services.input = self._where

    def run(self, splits: Sequence[Split], writer: RunWriter) -> Position | None:
        """Map the splits and write their pairs; where to go on, if time ran out before the end.

        Raises InputError, DataTypeError or JobCodeError, DiskError if the local disk is full, and StepTooLong
        if the user's code outlasted the time there was.
        """
        with located(self._where), self.disk.folder("sluice-map-") as folder:
            spiller = Spiller(map_collector(self.job), self.partitions, self.budget, self.disk, folder)
            stopped = self._feed(splits, spiller, folder)
            self._where.at("sort and combine")
            with blame(self._where):
                self._write(spiller, writer)
            self.spilled = spiller.bytes
        return stopped

    def _feed(self, splits: Sequence[Split], sink: Sink, folder: Path) -> Position | None:
        """The mapper's pairs, from `mapper_init` to `mapper_final`, into the sink."""
        tally = Tally()
        with self.pace.alarm():
            self._begin(splits[0] if splits else None, sink)
            stopped = self._map(splits, sink, folder, tally)
            self._end(splits[stopped.split if stopped else -1] if splits else None, sink)
        self.records, self.bytes = tally.records, tally.bytes
        return stopped

    def _begin(self, split: Split | None, sink: Sink) -> None:
        self._where.at("mapper_init", split if self.job.job._one_object else None)
        self._take(self.job.job.mapper_init, sink)

    def _end(self, split: Split | None, sink: Sink) -> None:
        self._where.at("mapper_final", split if self.job.job._one_object else None)
        self._take(self.job.job.mapper_final, sink)

    def _map(self, splits: Sequence[Split], sink: Sink, folder: Path, tally: Tally) -> Position | None:
        pace = self.pace
        with ReadAhead(self.store, splits, self._first_read) as store:
            for number, split in enumerate(splits):
                if number and self.job.job._one_object and split.loc != splits[number - 1].loc:
                    self._end(splits[number - 1], sink)
                    self._begin(split, sink)
                for step in steps_of(self._open(split, store, folder, tally)):
                    pace.begin()
                    self._take(step.call, sink)
                    pace.end()
                    if step.edge and pace.out_of_time:
                        offset, skip = step.edge()
                        return Position(split=number, offset=offset, skip=skip)
        return None

    def _first_read(self, split: Split) -> Span | None:
        if self.job.mapper == "mapper_raw":
            return Span(split.loc, 0, split.size, split.etag)
        return first_read(self.sources[split.tag].spec, split)

    def _open(self, split: Split, store: Streams, folder: Path, tally: Tally) -> OpenSplit:
        self._where.open(split)
        self.job.services.counters.keep()
        source = self.sources[split.tag]
        return OpenSplit(
            split=split,
            spec=source.spec,
            record_type=source.record_type,
            reader=source.reader,
            unpack_ratio=source.unpack_ratio,
            job=self.job,
            store=store,
            disk=self.disk,
            folder=folder,
            where=self._where,
            pace=self.pace,
            isolation=Isolation(
                self.job, split, self._where, self.pace, self.quarantine, self.trail, keyed=self._keyed
            ),
            tally=tally,
        )

    def _take(self, call: Callable[[], Any], sink: Sink) -> None:
        """Call the user's code and give its pairs to the sink."""
        with blame(self._where):
            found = call()
            if isinstance(found, Each):
                sink.add_each(found)
            elif isinstance(found, Columns):
                sink.add_block(found.keys, found.values)
            elif found is not None:
                sink.add(iter(found.items() if isinstance(found, dict) else found))

    def _write(self, spiller: Spiller, writer: RunWriter) -> None:
        """Everything collected, partition after partition."""
        combiner = self.job.combiner
        fold = combiner.merge if self.job.shuffles_states and isinstance(combiner, Aggregator) else None
        # Reducers fold states into a table and sort that: to sort them here as well would be for nothing.
        for partition, blocks in spiller.blocks(in_order=not fold):
            folded = fold_states(blocks, fold) if fold and spiller.spilled else blocks
            for keys, values in folded:
                writer.add(partition, keys, values, plain_keys(keys) if self.job.order else keys)


def steps_of(opened: OpenSplit) -> Iterator[Step]:
    """The records of a split in steps; what cannot be read of it is set aside, if bad records are."""
    try:
        yield from _reading(opened)
    except InputChanged:
        raise
    except InputError as error:
        if not opened.isolation.active:
            raise
        opened.set_aside(error, RecordPlace(None, b""))


def _reading(opened: OpenSplit) -> Iterator[Step]:
    """The one of seven ways to read a split that its input and the job's mapper ask for.

    It is imported only then: a function starts faster without the others.
    """
    mapper, spec = opened.job.mapper, opened.spec
    if mapper == "mapper_raw" or spec.format == "whole_file":
        from .whole_objects import steps
    elif spec.reader:
        from .own_records import steps
    elif spec.format == "pairs":
        from .pairs import steps
    elif spec.format == "parquet":
        from .parquet_rows import steps
    elif spec.multiline:
        from .whole_objects import quoted_rows as steps
    elif mapper == "mapper":
        from .text_records import steps
    else:
        from .chunks import steps
    return steps(opened)


def rest_of(splits: Sequence[Split], position: Position) -> list[Split]:
    """The splits from a position on."""
    first = splits[position.split]
    rest = list(splits[position.split + 1 :])
    if compression(first.key) is None and position.offset >= first.stop:
        return rest
    return [replace(first, start=position.offset, skip=position.skip), *rest]
