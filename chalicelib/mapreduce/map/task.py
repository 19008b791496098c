"""One map attempt's work: records to sorted partitions in one run file. No protocol in here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, islice, repeat
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from msgspec.structs import replace

from ...aggregators import Aggregator
from ...core.errors import InputChanged, InputError
from ...core.plan import Split
from ...core.ports import Store
from ...core.spec import BadRecordsSpec, InputSpec
from ...core.tasks import Position
from ...job.binding import BoundJob
from ...job.job import Each
from ...job.load_class import Source
from ..guard.deadline import Pace, endless
from ..guard.isolate import Weeder, typed_place
from ..guard.location import LineNumbers, Where, blame
from ..guard.quarantine import Quarantine
from ..input.blocks import TextBlock, decode_text, fixed_blocks, line_blocks, too_long, whole_object
from ..input.compression import compression
from ..input.records import LineReader, RecordReader, newline_split, record_reader, rows_of_stream
from ..shuffle.run_file import RunWriter
from ..shuffle.secondary_sort import map_collector, plain_keys
from ..shuffle.spill import Spiller, fold_states
from .row_batches import RowSource
from .typed_batches import PairSource

Pair = tuple[Any, Any]
#: A call that gives pairs: an iterable of them, a dict, an `Each`, or None.
Batch = Callable[[], Any]
#: Where the input goes on after a batch, for an attempt that has to stop there; None: it cannot.
Edge = Callable[[], int | tuple[int, int]] | None


class MapTask:
    """Feeds the splits of one task through the user's mapper into a spiller.

    After `run`, `records` and `bytes` say what was read, `writer` what was written.
    """

    def __init__(
        self,
        job: BoundJob,
        spec: InputSpec,
        store: Store,
        partitions: int,
        budget: int,
        scratch: Path,
        record_type: type[Any] | None = None,
        pace: Pace | None = None,
        quarantine: Quarantine | None = None,
        sources: Mapping[str, Source] | None = None,
    ) -> None:
        self._job = job
        self._spec = spec
        self._store = store
        self._partitions = partitions
        self._budget = budget
        self._scratch = scratch
        self._record_type = record_type
        self._sources = sources or {}
        self._pace = pace or endless()
        self._quarantine = quarantine or Quarantine(BadRecordsSpec(), "map")
        self._where = Where(job.name)
        self._weeder = Weeder(job, self._where, self._pace, self._quarantine)
        job.services.input = self._where
        self.records = 0
        self.bytes = 0
        self.spilled = 0

    def run(self, splits: Sequence[Split], writer: RunWriter) -> Position | None:
        """Map the splits and write their pairs; where to go on, if time ran out before the end.

        Raises InputError, DataTypeError or JobCodeError, and StepTooLong if the user's code outlasted
        the time there was.
        """
        with TemporaryDirectory(prefix="sluice-map-", dir=self._scratch) as scratch:
            spiller = Spiller(map_collector(self._job), self._partitions, self._budget, Path(scratch))
            with self._pace.alarm():
                stopped = self._feed(splits, spiller, Path(scratch))
            self._where.at("sort and combine")
            with blame(self._where):
                self._write(spiller, writer)
            self.spilled = spiller.bytes
        return stopped

    def _feed(self, splits: Sequence[Split], spiller: Spiller, scratch: Path) -> Position | None:
        job, pace = self._job.job, self._pace
        self._where.at("mapper_init")
        self._take(spiller, job.mapper_init)
        stopped = None
        for number, split in enumerate(splits):
            self._where.open(split)
            self._spec, self._record_type = self._sources.get(split.tag, (self._spec, self._record_type))
            self._job.services.counters.keep()
            for batch, edge in self._of_split(split, scratch):
                pace.begin()
                self._take(spiller, batch)
                pace.end()
                if edge and pace.out_of_time:
                    stopped = _position(number, edge())
                    break
            if stopped:
                break
        self._where.at("mapper_final")
        self._take(spiller, job.mapper_final)
        return stopped

    def _take(self, spiller: Spiller, batch: Batch) -> None:
        with blame(self._where):
            _add(spiller, batch())

    def _write(self, spiller: Spiller, writer: RunWriter) -> None:
        combiner = self._job.combiner
        fold = combiner.merge if self._job.shuffles_states and isinstance(combiner, Aggregator) else None
        # Reducers fold states into a table and sort that: to sort them here as well would be for nothing.
        for partition, blocks in spiller.blocks(in_order=not fold):
            folded = fold_states(blocks, fold) if fold and spiller.spilled else blocks
            for keys, values in folded:
                writer.add(partition, keys, values, plain_keys(keys) if self._job.order else keys)

    # -- a split's batches: each is called and consumed before the next one is asked for ------------

    def _of_split(self, split: Split, scratch: Path) -> Iterator[tuple[Batch, Edge]]:
        try:
            if self._job.mapper == "mapper_raw":
                yield self._one(split, partial(self._raw, split, scratch)), None
            elif self._spec.format == "whole_file":
                yield self._one(split, partial(self._whole, split)), None
            elif self._spec.format in ("pairs", "parquet"):
                yield from self._typed(split, scratch)
            elif self._spec.multiline:
                yield from self._rows(split)
            elif self._job.mapper == "mapper":
                yield from self._records(split)
            else:
                yield from self._chunks(split)
        except InputChanged:
            raise
        except InputError as error:
            if not self._weeder.active:
                raise
            self.records += 1
            self._weeder.set_aside(error, split, None, b"")

    def _blocks(self, split: Split) -> Iterator[TextBlock]:
        if self._spec.format == "fixed":
            blocks = fixed_blocks(self._store, split, self._spec.record_bytes)
        else:
            blocks = line_blocks(
                self._store,
                split,
                self._spec.max_record_bytes,
                partial(self._too_long, split) if self._weeder.active else None,
            )
        known = self._weeder.active and not split.start and self._spec.format != "fixed"
        self._weeder.numbers = LineNumbers(known=known)
        for block in blocks:
            self.bytes += len(block.data)
            self._weeder.numbers.block(block)
            yield block

    def _too_long(self, split: Split, error: InputError, at: int, record: bytes) -> None:
        """Set aside a line that stands between two blocks."""
        self._weeder.numbers.block(TextBlock(at, b"\n"))
        self._set_aside(split, error, at, record)

    def _set_aside(self, split: Split, error: InputError, at: int, record: bytes) -> None:
        self.records += 1
        self._weeder.set_aside(error, split, at, record)

    def _typed(self, split: Split, scratch: Path) -> Iterator[tuple[Batch, Edge]]:
        how = (self._job, self._store, self._where, self._pace, self._weeder)
        if self._spec.format == "parquet":
            batches = RowSource(*how).batches(split, self._spec, scratch)
        else:
            batches = PairSource(*how).batches(split)
        for batch in batches:
            self.records += batch.records
            self.bytes += batch.bytes
            yield batch.call, batch.edge

    def _records(self, split: Split) -> Iterator[tuple[Batch, Edge]]:
        reader = record_reader(self._spec, self._record_type, self._store, split.loc)
        for block in self._blocks(split):
            if not self._weeder.active:
                yield from self._of_block(reader, block, split)
                continue
            for readable in self._readable(reader, block, split):
                yield from self._of_block(reader, readable, split)

    def _of_block(self, reader: RecordReader, block: TextBlock, split: Split) -> Iterator[tuple[Batch, Edge]]:
        """A block's records in steps, as long as the pace has them."""
        found = reader.records(block)
        records = iter(found)
        self._where.records(reader, block, records, len(found))
        results: Iterator[Iterable[Pair]]
        if self._weeder.careful:
            results = self._carefully(reader, block, records, len(found), split)
        else:
            results = map(self._job.job.mapper, repeat(None), records)
        done = 0
        while done < len(found):
            size = min(self._pace.size, len(found) - done)
            done += size
            self.records += size
            step = results if size == len(found) else islice(results, size)
            yield partial(chain.from_iterable, step), partial(_edge, reader, block, done, len(found))

    def _carefully(
        self, reader: RecordReader, block: TextBlock, records: Iterator[Any], count: int, split: Split
    ) -> Iterator[Sequence[Pair]]:
        """The pairs of each record, complete or, for a bad record, none."""
        mapper = self._job.job.mapper
        for number, record in enumerate(records):
            place = partial(_place, reader, block, number, count)
            yield self._weeder.pairs(split, partial(mapper, None, record), place)

    def _readable(self, reader: RecordReader, block: TextBlock, split: Split) -> Iterator[TextBlock]:
        """The block, or if it cannot be read what stands between its bad lines, which are set aside.

        A bad line is set aside only when what follows it is asked for: an attempt that stops before it
        leaves it to the next.
        """
        try:
            reader.records(block)
        except InputError:
            yield from self._between_bad_lines(reader, block, split)
        else:
            yield block

    def _between_bad_lines(self, reader: RecordReader, block: TextBlock, split: Split) -> Iterator[TextBlock]:
        good: list[bytes] = []
        start = at = block.offset
        for line in newline_split(block.data):
            try:
                reader.records(TextBlock(at, line))
                good.append(line)
                at += len(line)
            except InputError as error:
                if good:
                    yield TextBlock(start, b"".join(good))
                self._set_aside(split, error, at, line)
                good, start, at = [], at + len(line), at + len(line)
        if good:
            yield TextBlock(start, b"".join(good))

    def _chunks(self, split: Split) -> Iterator[tuple[Batch, Edge]]:
        mapper = self._job.job.mapper_chunk
        reader = LineReader(self._spec, split.loc)
        for block in self._blocks(split):
            self.records += block.data.count(b"\n") + (not block.data.endswith(b"\n"))
            self._where.chunk(block)
            batch = (
                partial(self._weeder.chunk, reader, block, split)
                if self._weeder.active
                else partial(mapper, reader.text(block))
            )
            yield batch, partial(_edge, reader, block, 1, 1)

    def _rows(self, split: Split) -> Iterator[tuple[Batch, Edge]]:
        mapper = self._job.job.mapper
        self.bytes += split.size
        for rows in rows_of_stream(self._spec, whole_object(self._store, split), split.loc.url):
            self.records += len(rows)
            results: Iterator[Iterable[Pair]] = map(mapper, repeat(None), rows)
            if self._weeder.careful:
                pairs = self._weeder.pairs
                results = (
                    pairs(split, partial(mapper, None, row), partial(typed_place, None, row)) for row in rows
                )
            yield partial(chain.from_iterable, results), None

    def _one(self, split: Split, work: Batch) -> Batch:
        """A whole object as one record."""
        self.records += 1
        return partial(self._weeder.whole, split, work) if self._weeder.active else work

    def _whole(self, split: Split) -> Any:
        pieces: list[bytes] = []
        before = self.bytes
        for chunk in whole_object(self._store, split):
            pieces.append(chunk)
            self.bytes += len(chunk)
            if self.bytes - before > self._spec.max_record_bytes:
                raise too_long(split.loc.url, self._spec.max_record_bytes)
        data = b"".join(pieces)
        value: Any = data
        if self._spec.encoding != "bytes":
            value = decode_text(TextBlock(0, data), self._spec.encoding, self._spec.errors, split.loc.url)
        if self._job.mapper == "mapper":
            return self._job.job.mapper(split.loc.url, value)
        return self._job.job.mapper_chunk(value)

    def _raw(self, split: Split, scratch: Path) -> Iterator[Pair]:
        path = scratch / ("object-" + Path(split.key).name[-60:])  # of 4 bytes at most each, of 255
        limit = self._spec.max_record_bytes if compression(split.key) else split.size
        with path.open("wb") as file:
            for chunk in whole_object(self._store, split):
                if file.tell() + len(chunk) > limit:  # it is not known how much a small object unpacks to
                    raise too_long(split.loc.url, limit)
                file.write(chunk)
                self.bytes += len(chunk)
        try:
            yield from self._job.job.mapper_raw(str(path)) or ()
        finally:
            path.unlink(missing_ok=True)


def rest_of(splits: Sequence[Split], position: Position) -> list[Split]:
    """The splits from a position on."""
    first = splits[position.split]
    rest = list(splits[position.split + 1 :])
    if compression(first.key) is None and position.offset >= first.stop:
        return rest
    return [replace(first, start=position.offset, skip=position.skip), *rest]


def _position(split: int, edge: int | tuple[int, int]) -> Position:
    offset, skip = edge if isinstance(edge, tuple) else (edge, 0)
    return Position(split=split, offset=offset, skip=skip)


def _edge(reader: RecordReader, block: TextBlock, done: int, count: int) -> int:
    """Byte of the object at which the record after the first `done` of a block's begins."""
    if done == count:
        return block.offset + len(block.data)
    return block.offset + reader.start_of(block, done)


def _place(reader: RecordReader, block: TextBlock, number: int, count: int) -> tuple[int, bytes]:
    """Byte of the object at which a record of a block begins, and its bytes."""
    start = reader.start_of(block, number)
    stop = reader.start_of(block, number + 1) if number + 1 < count else len(block.data)
    return block.offset + start, block.data[start:stop]


def _add(spiller: Spiller, found: Any) -> None:
    """Give a batch's pairs to the spiller."""
    if isinstance(found, Each):
        spiller.add_each(found)
    elif found is not None:
        spiller.add(iter(found.items() if isinstance(found, dict) else found))
