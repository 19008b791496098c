"""Say where it went wrong: turn what the user's code raises into an error that names object and byte."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from operator import length_hint
from typing import Any, NamedTuple

from ...core.errors import DataTypeError, DiskError, InputError, JobCodeError, SluiceError, UserError, explain
from ...core.plan import Split
from ..input.blocks import TextBlock
from ..input.records import RecordReader

#: Bytes of a record that an error shows.
_SHOWN = 200


class _Chunk(NamedTuple):
    """A block that the user's code has in hand as a whole."""

    block: TextBlock

    @property
    def offset(self) -> int:
        return self.block.offset

    def __str__(self) -> str:
        return f"chunk at byte {self.offset}"


class _Records:
    """The records of a block, one of which the user's code has in hand."""

    def __init__(self, reader: RecordReader, block: TextBlock, records: Iterator[Any], count: int) -> None:
        self._reader = reader
        self._block = block
        self._records = records
        self._count = count
        #: A record of the block, and the byte in the block at which it begins: to go on from there.
        self._known: tuple[int, int] | None = None

    @property
    def offset(self) -> int:
        """The byte of the object at which the record begins."""
        # A list's iterator knows how many items it still has: the one taken last is the one.
        number = max(self._count - length_hint(self._records) - 1, 0)
        if self._known is None or self._known[0] != number:
            known, at = self._known if self._known and self._known[0] < number else (0, 0)
            rest = TextBlock(self._block.offset + at, self._block.data[at:]) if at else self._block
            self._known = number, at + self._reader.start_of(rest, number - known)
        return self._block.offset + self._known[1]

    def shown(self) -> str:
        """The record, as the sentence of an error may end with it."""
        start = self.offset - self._block.offset
        rest = TextBlock(self.offset, self._block.data[start : start + _SHOWN])
        lines = self._reader.unit == "line"
        record = rest.data.partition(b"\n")[0] if lines else rest.data[: self._reader.start_of(rest, 1)]
        more = "..." if len(record) == _SHOWN else ""
        text = record.decode(errors="replace").rstrip("\r")
        return f" ({self._reader.unit}: {text!r}{more})"

    def __str__(self) -> str:
        return f"{self._reader.unit} at byte {self.offset}"


class Where:
    """What is being worked on: for the message if it goes wrong, and for `self.input` in mappers.

    Costs nothing per record, unless it is asked.
    """

    def __init__(self, job: str) -> None:
        self._job = job
        self.at("")

    def at(self, step: str, split: Split | None = None) -> None:
        """A step in which nothing is read, though it may belong to a split."""
        self._step = step
        self._split: Split | None = split
        self._inside: _Chunk | _Records | None = None

    def open(self, split: Split) -> None:
        self.at("mapper", split)

    def records(self, reader: RecordReader, block: TextBlock, records: Iterator[Any], count: int) -> None:
        """The `count` records of a block; `records` is what they are taken from."""
        self._inside = _Records(reader, block, records, count)

    def chunk(self, block: TextBlock) -> None:
        self._inside = _Chunk(block)

    def shown(self) -> str:
        """The record in hand, if it is one, for the end of an error's sentence."""
        return self._inside.shown() if isinstance(self._inside, _Records) else ""

    # -- what `self.input` shows ----------------------------------------------------------------------

    @property
    def _opened(self) -> Split:
        if self._split is None:
            raise UserError(f"self.input: nothing is being read in {self._step}; it is for mappers only")
        return self._split

    @property
    def url(self) -> str:
        return self._opened.loc.url

    @property
    def key(self) -> str:
        return self._opened.key

    @property
    def tag(self) -> str:
        return self._opened.tag

    @property
    def etag(self) -> str:
        return self._opened.etag

    @property
    def size(self) -> int:
        return self._opened.size

    @property
    def start(self) -> int:
        return self._opened.start

    @property
    def stop(self) -> int:
        return self._opened.stop

    @property
    def offset(self) -> int | None:
        """The byte at which the record begins. Cheap if it is asked for record after record."""
        if self._inside is None:
            return None if self._opened.start else 0
        return self._inside.offset

    def __str__(self) -> str:
        if self._split is None:
            return f"job {self._job}: {self._step}"
        place = f"job {self._job}: {self.url}"
        if self._inside:
            return f"{place}, {self._inside}"
        return place if self._step == "mapper" else f"{place}, {self._step}"


class LineNumbers:
    """Numbers the lines of one object as its blocks come; of an object that is not read from its start, none."""

    def __init__(self, *, known: bool) -> None:
        self._known = known
        self._block = TextBlock(0, b"")
        self._before = 0
        #: A byte of the block, and the lines that end before it: to go on from there.
        self._counted = 0, 0

    def block(self, block: TextBlock) -> None:
        """What is read next."""
        if self._known:
            self._before += self._block.data.count(b"\n")
            self._block = block
            self._counted = 0, 0

    def number(self, at: int) -> int | None:
        """The number, from 1, of the line at a byte of the object that is in the block in hand."""
        if not self._known:
            return None
        there = at - self._block.offset
        known, ends = self._counted if 0 <= self._counted[0] <= there else (0, 0)
        self._counted = there, ends + self._block.data.count(b"\n", known, there)
        return self._before + self._counted[1] + 1


class blame:  # noqa: N801 - reads as a statement
    """Turn whatever the user's code raises into an error that says where."""

    def __init__(self, where: Where) -> None:
        self._where = where

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if not isinstance(error, (Exception, SystemExit)) or isinstance(error, InputError):
            return
        if isinstance(error, DataTypeError):
            raise DataTypeError(f"{self._where}: {error}") from error
        if isinstance(error, SluiceError):
            return
        raise JobCodeError(f"{self._where}: {explain(error)}{self._where.shown()}") from error


@contextmanager
def located(where: object) -> Iterator[None]:
    """Let an error of the local disk say what was being worked on."""
    try:
        yield
    except DiskError as error:
        raise DiskError(f"{where}: {error}") from error
