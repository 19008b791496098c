"""One map attempt's work: records to sorted partitions in one run file. No protocol in here."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from operator import length_hint
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .aggregators import Aggregator
from .collect import map_collector
from .errors import DataTypeError, InputError, JobCodeError, SluiceError
from .job import BoundJob, Each
from .model import Split
from .ports import Store
from .reading import TextBlock, decode_text, fixed_blocks, line_blocks, whole_object
from .records import LineReader, RecordReader, record_reader, rows_of_stream
from .runfile import RunWriter
from .spec import InputSpec
from .spill import Spiller, fold_states

Pair = tuple[Any, Any]
#: A call that gives pairs: an iterable of them, a dict, an `Each`, or None.
Batch = Callable[[], Any]


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
    ) -> None:
        self._job = job
        self._spec = spec
        self._store = store
        self._partitions = partitions
        self._budget = budget
        self._scratch = scratch
        self._record_type = record_type
        self._where = _Where(job.name)
        self.records = 0
        self.bytes = 0
        self.spilled = 0

    def run(self, splits: Iterable[Split], writer: RunWriter) -> None:
        """Map all splits and write their pairs. Raises InputError, DataTypeError or JobCodeError."""
        with TemporaryDirectory(prefix="sluice-map-", dir=self._scratch) as scratch:
            spiller = Spiller(map_collector(self._job), self._partitions, self._budget, Path(scratch))
            for batch in self._batches(splits, Path(scratch)):
                with _blame(self._where):
                    _add(spiller, batch())
            self._where.at("sort and combine")
            with _blame(self._where):
                self._write(spiller, writer)
            self.spilled = spiller.bytes

    def _write(self, spiller: Spiller, writer: RunWriter) -> None:
        combiner = self._job.combiner
        fold = combiner.merge if self._job.shuffles_states and isinstance(combiner, Aggregator) else None
        for partition, blocks in spiller.blocks():
            folded = fold_states(blocks, fold) if fold and spiller.spilled else blocks
            for keys, values in folded:
                writer.add(partition, keys, values)

    def _batches(self, splits: Iterable[Split], scratch: Path) -> Iterator[Batch]:
        """Calls that give pairs; each is made and its pairs are consumed before the next one is asked for."""
        job = self._job.job
        self._where.at("mapper_init")
        yield job.mapper_init
        for split in splits:
            self._where.open(split)
            yield from self._of_split(split, scratch)
        self._where.at("mapper_final")
        yield job.mapper_final

    def _of_split(self, split: Split, scratch: Path) -> Iterator[Batch]:
        if self._job.mapper == "mapper_raw":
            yield partial(self._raw, split, scratch)
        elif self._spec.format == "whole_file":
            yield self._whole(split)
        elif self._spec.multiline:
            yield from self._rows(split)
        elif self._job.mapper == "mapper":
            yield from self._records(split)
        else:
            yield from self._chunks(split)

    def _blocks(self, split: Split) -> Iterator[TextBlock]:
        if self._spec.format == "fixed":
            blocks = fixed_blocks(self._store, split, self._spec.record_bytes)
        else:
            blocks = line_blocks(self._store, split)
        for block in blocks:
            self.bytes += len(block.data)
            yield block

    def _records(self, split: Split) -> Iterator[Batch]:
        mapper = partial(self._job.job.mapper, None)
        reader = record_reader(self._spec, self._record_type, self._store, split.loc)
        for block in self._blocks(split):
            found = reader.records(block)
            self.records += len(found)
            records = iter(found)
            self._where.records(reader, block, records, len(found))
            yield partial(chain.from_iterable, map(mapper, records))

    def _chunks(self, split: Split) -> Iterator[Batch]:
        mapper = self._job.job.mapper_chunk
        reader = LineReader(self._spec, split.loc)
        for block in self._blocks(split):
            self.records += block.data.count(b"\n") + (not block.data.endswith(b"\n"))
            self._where.chunk(block)
            yield partial(mapper, reader.text(block))

    def _rows(self, split: Split) -> Iterator[Batch]:
        mapper = partial(self._job.job.mapper, None)
        self.bytes += split.size
        for rows in rows_of_stream(self._spec, whole_object(self._store, split), split.loc.url):
            self.records += len(rows)
            yield partial(chain.from_iterable, map(mapper, rows))

    def _whole(self, split: Split) -> Batch:
        data = b"".join(whole_object(self._store, split))
        self.bytes += len(data)
        self.records += 1
        value: Any = data
        if self._spec.encoding != "bytes":
            value = decode_text(TextBlock(0, data), self._spec.encoding, self._spec.errors, split.loc.url)
        mapper = self._job.job.mapper if self._job.mapper == "mapper" else None
        if mapper:
            return partial(mapper, split.loc.url, value)
        return partial(self._job.job.mapper_chunk, value)

    def _raw(self, split: Split, scratch: Path) -> Iterator[Pair]:
        path = scratch / ("object-" + Path(split.key).name[-80:])
        with path.open("wb") as file:
            for chunk in whole_object(self._store, split):
                file.write(chunk)
                self.bytes += len(chunk)
        self.records += 1
        try:
            yield from self._job.job.mapper_raw(str(path)) or ()
        finally:
            path.unlink(missing_ok=True)


class _Where:
    """What is being worked on, for the message if it goes wrong. Costs nothing per record."""

    def __init__(self, job: str) -> None:
        self._job = job
        self._step = ""
        self._url = ""
        self._block: TextBlock | None = None
        self._lines: Iterator[Any] | None = None
        self._reader: RecordReader | None = None
        self._count = 0

    def at(self, step: str) -> None:
        self._step, self._url, self._block, self._lines = step, "", None, None

    def open(self, split: Split) -> None:
        self.at("mapper")
        self._url = split.loc.url

    def records(self, reader: RecordReader, block: TextBlock, records: Iterator[Any], count: int) -> None:
        self._reader, self._block, self._lines, self._count = reader, block, records, count

    def chunk(self, block: TextBlock) -> None:
        self._block, self._lines = block, None

    def __str__(self) -> str:
        place = f"job {self._job}: "
        if not self._url:
            return place + self._step
        if self._block is None:
            return f"{place}{self._url}"
        if self._lines is None or self._reader is None:
            return f"{place}{self._url}, chunk at byte {self._block.offset}"
        # A list's iterator knows how many items it still has: the one taken last is the culprit.
        number = max(self._count - length_hint(self._lines) - 1, 0)
        at = self._block.offset + self._reader.start_of(self._block, number)
        return f"{place}{self._url}, {self._reader.unit} at byte {at}"


class _blame:  # noqa: N801 - reads as a statement
    """Turn whatever the user's code raises into an error that says where."""

    def __init__(self, where: _Where) -> None:
        self._where = where

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if error is None or not isinstance(error, Exception) or isinstance(error, InputError):
            return
        if isinstance(error, DataTypeError):
            raise DataTypeError(f"{self._where}: {error}") from error
        if isinstance(error, SluiceError):
            return
        raise JobCodeError(f"{self._where}: {explain(error)}") from error


def explain(error: BaseException) -> str:
    """One line on an error: its last line, as Python prints it."""
    return "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]


def _add(spiller: Spiller, found: Any) -> None:
    """Give a batch's pairs to the spiller."""
    if isinstance(found, Each):
        spiller.add_each(found)
    elif found is not None:
        spiller.add(iter(found.items() if isinstance(found, dict) else found))
