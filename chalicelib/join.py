"""Joins: records of several inputs that have the same key, put side by side.

    class Visits(Join):
        left, right = "rankings", "visits"      # tags of `input` in the job file; `left` is held, `right` streamed

        def key(self, tag, record):
            return record["url"]

        def row(self, key, left, right):
            return right["ip"], (left["rank"], right["revenue"])

Inside, it is a secondary sort by the input: of each key all records of the held inputs arrive first, then those
of the streamed one, of which never more than one is in memory. What is held of one key goes to local disk when it
outgrows its share of the memory.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from inspect import isgeneratorfunction
from pathlib import Path
from typing import IO, Any, ClassVar, Literal, get_args

import msgspec

from .core.errors import ConfigError, InputError
from .core.ports import Disk
from .job.job import Job, Pair
from .mapreduce.input.compression import unpacking
from .mapreduce.shuffle.memory_size import LIST_SLOT, mean_size
from .mapreduce.shuffle.run_file import BLOCK_PAIRS, RunWriter, read_blocks
from .stores.disk import system_disk

#: The ways to join: what becomes of a record that finds none of another input.
How = Literal["inner", "left", "right", "outer", "semi", "anti"]
HOWS: tuple[How, ...] = get_args(How)
#: The share of a task's memory that the held records of one key may take.
_SHARE = 4
_READ = 1 << 16
_SAMPLE = 16


class Join(Job):
    """A join of two inputs or more. Write `key`, and `row` unless `(key, (left, right))` will do.

    Rows of a key come in the order of the streamed records; for each, those of the held ones in input order.
    """

    #: The tags of the two inputs. Of each key, all records of `left` are held while those of `right` pass by.
    left: ClassVar[str] = "left"
    right: ClassVar[str] = "right"
    #: More than two, in the order of `row`'s arguments; the last one is streamed.
    inputs: ClassVar[Sequence[str]] = ()
    #: inner: records that match. left, right, outer: also those of that side (both sides) that match none, with
    #: None for the other. semi, anti: each record of `left` that has a match (none), once; nothing is held.
    how: ClassVar[How] = "inner"

    sort_values = True
    _sorted_by_first = True

    def __init__(self, params: dict[str, Any] | None = None) -> None:
        super().__init__(params)
        self._tags = tuple(self.inputs) or (self.left, self.right)
        name = type(self).__name__
        if self.how not in HOWS:
            raise ConfigError(f"{name}.how: expected one of {', '.join(HOWS)}, got {self.how!r}")
        if len(set(self._tags)) < max(len(self._tags), 2):
            raise ConfigError(
                f"{name}: expected two inputs or more, each with a tag of its own, got {self._tags}"
            )
        if self.how == "right" and len(self._tags) > 2:
            raise ConfigError(f"{name}.how: right joins two inputs; turn their order round and say left")
        self._yields = isgeneratorfunction(self.row)
        filters = self.how in ("semi", "anti")
        #: The tags in the order in which their records reach the reducer; the last is streamed.
        self._arrival = (*self._tags[1:], self._tags[0]) if filters else self._tags
        self._numbers = {tag: number for number, tag in enumerate(self._arrival)}

    # -- what a join may define -----------------------------------------------------------------------

    def key(self, tag: str, record: Any, /) -> Any:
        """What a record is joined by; None leaves it out, as SQL does with NULL in an inner join."""
        raise NotImplementedError(f"{type(self).__name__}: write a method key(self, tag, record)")

    def value(self, tag: str, record: Any, /) -> Any:  # noqa: ARG002 - it is there to be replaced
        """What travels of a record: the less, the faster. It is what `row` gets."""
        return record

    # The `**_` is for type checkers, which then accept a `row` with any number of sides.
    def row(self, key: Any, /, *sides: Any, **_: Any) -> Any:
        """One (key, value) pair of the result, or None for no row; a side without a match is None.

        With `yield` instead of `return`, any number of pairs.
        """
        return key, sides

    # -- how it works ---------------------------------------------------------------------------------

    def mapper(self, _: Any, record: Any) -> Iterable[Pair]:
        """(key, (number of the input, record))."""
        tag = self.input.tag
        number = self._numbers.get(tag)
        if number is None:
            raise ConfigError(
                f"{type(self).__name__}: {self.input.url} has the tag {tag!r}, expected one of"
                f" {', '.join(self._tags)}: name it in the job file's input"
            )
        key = self.key(tag, record)
        return () if key is None else ((key, (number, self.value(tag, record))),)

    def reducer(self, key: Any, values: Iterator[Any]) -> Iterator[Pair]:
        """The rows of one key, from (number of the input, record) in order of the numbers."""
        if self.how in ("semi", "anti"):
            return self._filtered(key, values)
        return self._joined(key, values)

    def _filtered(self, key: Any, values: Iterator[Any]) -> Iterator[Pair]:
        last = len(self._arrival) - 1
        nothing = (None,) * last
        others: set[int] = set()
        for number, record in values:
            if number < last:
                others.add(number)
            elif (len(others) == last) if self.how == "semi" else not others:
                yield from self._row(key, record, *nothing)

    def _joined(self, key: Any, values: Iterator[Any]) -> Iterator[Pair]:
        last = len(self._arrival) - 1
        budget = self._services.budget // _SHARE // last
        disk = self._services.disk or system_disk()
        buffers = [RecordBuffer(budget, disk) for _ in range(last)]
        sides: list[Iterable[Any]] | None = None
        try:
            for number, record in values:
                if number < last:
                    buffers[number].add(record)
                    continue
                sides = sides or self._sides(buffers)
                if sides is None:
                    return
                for chosen in _product(sides):
                    yield from self._row(key, *chosen, record)
            if sides is None and self.how in ("left", "outer"):
                for chosen in _product(self._sides(buffers) or ()):
                    yield from self._row(key, *chosen, None)
        finally:
            for buffer in buffers:
                buffer.close()

    def _sides(self, buffers: Sequence[RecordBuffer]) -> list[Iterable[Any]] | None:
        """What each held input gives to a row; nothing if there are no rows."""
        needed = {"inner": len(buffers), "left": 1}.get(self.how, 0)
        if not all(buffer.count for buffer in buffers[:needed]):
            return None
        return [buffer.records if buffer.count else (None,) for buffer in buffers]

    def _row(self, key: Any, *sides: Any) -> Iterable[Pair]:
        found = self.row(key, *sides)
        if self._yields:
            return found  # type: ignore[no-any-return]
        return () if found is None else (found,)


class RecordBuffer:
    """Records of one key, in memory or, beyond `budget` bytes, in a file."""

    def __init__(self, budget: int, disk: Disk) -> None:
        self._budget = budget
        self._disk = disk
        self._recent: list[Any] = []
        self._weight = 0.0
        self._weighed, self._next_look = 0, 1
        self._file: IO[bytes] | None = None
        self._writer: RunWriter | None = None
        self.count = 0

    def add(self, record: Any) -> None:
        self.count += 1
        self._recent.append(record)
        if len(self._recent) >= self._next_look:
            self._look()

    @property
    def records(self) -> Iterable[Any]:
        """All of them, in order, as often as one likes."""
        return _Again(self._all) if self._file else self._recent

    def close(self) -> None:
        if self._file:
            self._file.close()

    def _look(self) -> None:
        """Weigh what is new by a sample, ever more rarely, and spill what is too much."""
        new = self._recent[self._weighed :]
        self._weight += len(new) * (mean_size(new[:: max(1, len(new) // _SAMPLE)]) + LIST_SLOT)
        self._weighed = len(self._recent)
        self._next_look = self._weighed + min(self._weighed, BLOCK_PAIRS)
        if self._weight > self._budget:
            self._spill()

    def _spill(self) -> None:
        if self._writer is None:
            with self._disk.folder("sluice-join-") as folder:
                # Its name goes with the folder; the file itself goes when `close` closes it.
                self._file = self._disk.open(folder / "held", "w+b")
            self._writer = RunWriter(self._file.write, 1)
        self._writer.add(0, [None] * len(self._recent), self._recent)
        self._recent, self._weight = [], 0.0
        self._weighed, self._next_look = 0, 1

    def _all(self) -> Iterator[Any]:
        assert self._file is not None
        self._file.seek(0)
        chunks = iter(lambda: self._file.read(_READ) if self._file else b"", b"")
        for _, records in read_blocks(chunks, "the held records of a key"):
            yield from records
        yield from self._recent


class _Again:
    """Calls a function for each iteration."""

    def __init__(self, start: Callable[[], Iterator[Any]]) -> None:
        self._start = start

    def __iter__(self) -> Iterator[Any]:
        return self._start()


def _product(sides: Sequence[Iterable[Any]]) -> Iterator[tuple[Any, ...]]:
    """As itertools.product, which would hold all there is; the first side changes slowest. Nothing of no sides."""
    if len(sides) == 1:
        for record in sides[0]:
            yield (record,)
    elif sides:
        for record in sides[0]:
            for rest in _product(sides[1:]):
                yield (record, *rest)


def table(
    path: Path,
    *,
    key: Callable[[Any], Any],
    value: Callable[[Any], Any] = lambda row: row,
    format: Literal["csv", "tsv", "jsonl", "text"] = "csv",
    header: bool = False,
    encoding: str = "utf-8",
) -> dict[Any, Any]:
    """A side file as a dict in memory, for a join with a small input: each task looks its records up in it.

        def mapper_init(self):
            self.ranks = table(self.file("rankings.csv"), key=itemgetter(0), value=lambda row: int(row[1]))

    Records are as those of `input`: lists of fields (with `header` dicts), documents, lines; `.gz`, `.bz2`, `.xz`
    and `.zst` are unpacked. Raises InputError for a record that cannot be read, or a key that comes twice.
    """
    found: dict[Any, Any] = {}
    with unpacking(path) as raw, io.TextIOWrapper(raw, encoding=encoding, newline="") as text:
        for number, record in enumerate(_records(path, text, format, header), start=1):
            own = key(record)
            if own in found:
                raise InputError(
                    f"{path.name}: record {number}: key {own!r} comes twice; each must be of one record"
                )
            found[own] = value(record)
    return found


def _records(path: Path, text: io.TextIOWrapper, format: str, header: bool) -> Iterator[Any]:
    try:
        if format in ("csv", "tsv"):
            rows = csv.reader(text, delimiter="\t" if format == "tsv" else ",", strict=True)
            names = next(rows, []) if header else None
            for row in rows:
                if row:
                    yield row if names is None else dict(zip(names, row, strict=True))
        elif format == "jsonl":
            yield from (msgspec.json.decode(line) for line in text if line.strip())
        else:
            yield from (line.rstrip("\r\n") for line in text)
    except (csv.Error, msgspec.DecodeError, ValueError) as error:
        raise InputError(f"{path.name}: not the {format} that was expected: {error}") from error
