"""One map attempt's work: records to sorted partitions in one run file. No protocol in here."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain
from operator import length_hint
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .aggregators import Aggregator
from .collect import map_collector
from .errors import DataTypeError, InputError, JobCodeError, SluiceError
from .job import BoundJob
from .model import Split
from .ports import Store
from .reading import TextBlock, decode_text, line_blocks, split_lines, whole_object
from .runfile import RunWriter
from .spec import InputSpec
from .spill import Spiller, fold_states

Pair = tuple[Any, Any]


class MapTask:
    """Feeds the splits of one task through the user's mapper into a spiller.

    After `run`, `records` and `bytes` say what was read, `writer` what was written.
    """

    def __init__(
        self, job: BoundJob, spec: InputSpec, store: Store, partitions: int, budget: int, scratch: Path
    ) -> None:
        self._job = job
        self._spec = spec
        self._store = store
        self._partitions = partitions
        self._budget = budget
        self._scratch = scratch
        self._where = _Where(job.name)
        self.records = 0
        self.bytes = 0
        self.spilled = 0

    def run(self, splits: Iterable[Split], writer: RunWriter) -> None:
        """Map all splits and write their pairs. Raises InputError, DataTypeError or JobCodeError."""
        with TemporaryDirectory(prefix="sluice-map-", dir=self._scratch) as scratch:
            spiller = Spiller(map_collector(self._job), self._partitions, self._budget, Path(scratch))
            for pairs in self._batches(splits, Path(scratch)):
                self._add(spiller, pairs)
            self._where.at("sort and combine")
            with _blame(self._where):
                self._write(spiller, writer)
            self.spilled = spiller.bytes

    def _add(self, spiller: Spiller, pairs: Iterable[Pair]) -> None:
        with _blame(self._where):
            spiller.add(iter(pairs))

    def _write(self, spiller: Spiller, writer: RunWriter) -> None:
        combiner = self._job.combiner
        fold = combiner.merge if self._job.shuffles_states and isinstance(combiner, Aggregator) else None
        for partition, blocks in spiller.blocks():
            folded = fold_states(blocks, fold) if fold and spiller.spilled else blocks
            for keys, values in folded:
                writer.add(partition, keys, values)

    def _batches(self, splits: Iterable[Split], scratch: Path) -> Iterator[Iterable[Pair]]:
        """Iterables of pairs, lazily: each is consumed before the next one is asked for."""
        job = self._job.job
        self._where.at("mapper_init")
        yield _called(job.mapper_init)
        for split in splits:
            self._where.open(split)
            yield from self._of_split(split, scratch)
        self._where.at("mapper_final")
        yield _called(job.mapper_final)

    def _of_split(self, split: Split, scratch: Path) -> Iterator[Iterable[Pair]]:
        if self._job.mapper == "mapper_raw":
            yield self._raw(split, scratch)
        elif self._spec.format == "whole_file":
            yield self._whole(split)
        else:
            yield from self._text(split)

    def _text(self, split: Split) -> Iterator[Iterable[Pair]]:
        by_line = self._job.mapper == "mapper"
        chunk_mapper = self._job.job.mapper_chunk
        line_mapper = partial(self._job.job.mapper, None)
        plain = self._spec.encoding == "bytes"
        for block in line_blocks(self._store, split):
            self.bytes += len(block.data)
            text = (
                block.data
                if plain
                else decode_text(block, self._spec.encoding, self._spec.errors, split.loc.url)
            )
            if by_line:
                lines = split_lines(text)
                self.records += len(lines)
                records = iter(lines)
                self._where.lines(block, records, len(lines))
                yield chain.from_iterable(map(line_mapper, records))
            else:
                self.records += block.data.count(b"\n") + (not block.data.endswith(b"\n"))
                self._where.chunk(block)
                yield _lazily(partial(chunk_mapper, text))

    def _whole(self, split: Split) -> Iterable[Pair]:
        data = b"".join(whole_object(self._store, split))
        self.bytes += len(data)
        self.records += 1
        value: Any = data
        if self._spec.encoding != "bytes":
            value = decode_text(TextBlock(0, data), self._spec.encoding, self._spec.errors, split.loc.url)
        mapper = self._job.job.mapper if self._job.mapper == "mapper" else None
        if mapper:
            return _lazily(partial(mapper, split.loc.url, value))
        return _lazily(partial(self._job.job.mapper_chunk, value))

    def _raw(self, split: Split, scratch: Path) -> Iterator[Pair]:
        path = scratch / ("object-" + Path(split.key).name[-80:])
        with path.open("wb") as file:
            for chunk in whole_object(self._store, split):
                file.write(chunk)
                self.bytes += len(chunk)
        self.records += 1
        try:
            yield from _called(partial(self._job.job.mapper_raw, str(path)))
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
        self._count = 0

    def at(self, step: str) -> None:
        self._step, self._url, self._block, self._lines = step, "", None, None

    def open(self, split: Split) -> None:
        self.at("mapper")
        self._url = split.loc.url

    def lines(self, block: TextBlock, lines: Iterator[Any], count: int) -> None:
        self._block, self._lines, self._count = block, lines, count

    def chunk(self, block: TextBlock) -> None:
        self._block, self._lines = block, None

    def __str__(self) -> str:
        place = f"job {self._job}: "
        if not self._url:
            return place + self._step
        if self._block is None:
            return f"{place}{self._url}"
        if self._lines is None:
            return f"{place}{self._url}, chunk at byte {self._block.offset}"
        # A list's iterator knows how many items it still has: the one taken last is the culprit.
        number = self._count - length_hint(self._lines) - 1
        return f"{place}{self._url}, line at byte {self._block.offset + self._start_of(max(number, 0))}"

    def _start_of(self, number: int) -> int:
        """Byte offset in the block of its line `number` (from 0)."""
        data = self._block.data if self._block else b""
        start = 0
        for _ in range(number):
            start = data.index(b"\n", start) + 1
        return start


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


def _called(method: Any) -> Iterator[Pair]:
    """The pairs of a method that yields, returns a list, or returns nothing."""
    yield from method() or ()


def _lazily(method: Any) -> Iterator[Pair]:
    """The same, and of a mapping its items."""
    result = method()
    yield from result.items() if isinstance(result, dict) else result or ()
