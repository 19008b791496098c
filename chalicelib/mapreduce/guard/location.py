"""Say where it went wrong: turn what the user's code raises into an error that names object and byte."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from operator import length_hint
from typing import Any

from ...core.errors import DataTypeError, DiskError, InputError, JobCodeError, SluiceError, UserError, explain
from ...core.plan import Split
from ..input.blocks import TextBlock
from ..input.records import RecordReader


class Where:
    """What is being worked on: for the message if it goes wrong, and for `self.input` in mappers.

    Costs nothing per record, unless it is asked.
    """

    def __init__(self, job: str) -> None:
        self._job = job
        self._step = ""
        self._split: Split | None = None
        self._block: TextBlock | None = None
        self._lines: Iterator[Any] | None = None
        self._reader: RecordReader | None = None
        self._count = 0
        #: A record of the block, and the byte in the block at which it begins: to go on from there.
        self._known: tuple[int, int] | None = None

    def at(self, step: str) -> None:
        self._step, self._split, self._block, self._lines = step, None, None, None

    def open(self, split: Split) -> None:
        self.at("mapper")
        self._split = split

    def records(self, reader: RecordReader, block: TextBlock, records: Iterator[Any], count: int) -> None:
        self._reader, self._block, self._lines, self._count = reader, block, records, count
        self._known = None

    def chunk(self, block: TextBlock) -> None:
        self._block, self._lines = block, None

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
    def offset(self) -> int | None:
        """The byte at which the record begins. Cheap if it is asked for record after record."""
        opened = self._opened
        if self._block is None:
            return None if opened.start else 0
        if self._lines is None or self._reader is None:
            return self._block.offset
        return self._block.offset + self._start_of(self._reader, self._block)

    def _start_of(self, reader: RecordReader, block: TextBlock) -> int:
        """Where in the block the record begins that the user's code has in hand."""
        # A list's iterator knows how many items it still has: the one taken last is the one.
        number = max(self._count - length_hint(self._lines) - 1, 0)
        if self._known is None or self._known[0] != number:
            known, at = self._known if self._known and self._known[0] < number else (0, 0)
            rest = TextBlock(block.offset + at, block.data[at:]) if at else block
            self._known = number, at + reader.start_of(rest, number - known)
        return self._known[1]

    def __str__(self) -> str:
        place = f"job {self._job}: "
        if self._split is None:
            return place + self._step
        if self._block is None:
            return f"{place}{self.url}"
        if self._lines is None or self._reader is None:
            return f"{place}{self.url}, chunk at byte {self._block.offset}"
        at = self._block.offset + self._start_of(self._reader, self._block)
        return f"{place}{self.url}, {self._reader.unit} at byte {at}"


class LineNumbers:
    """Numbers the lines of one object as its blocks come; of an object that is not read from its start, none."""

    def __init__(self, *, known: bool) -> None:
        self._known = known
        self._block = TextBlock(0, b"")
        self._before = 0

    def block(self, block: TextBlock) -> None:
        """What is read next."""
        if self._known:
            self._before += self._block.data.count(b"\n")
            self._block = block

    def number(self, at: int) -> int | None:
        """The number, from 1, of the line at a byte of the object that is in the block in hand."""
        if not self._known:
            return None
        return self._before + self._block.data.count(b"\n", 0, at - self._block.offset) + 1


class blame:  # noqa: N801 - reads as a statement
    """Turn whatever the user's code raises into an error that says where."""

    def __init__(self, where: Where) -> None:
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


@contextmanager
def located(where: object) -> Iterator[None]:
    """Let an error of the local disk say what was being worked on."""
    try:
        yield
    except DiskError as error:
        raise DiskError(f"{where}: {error}") from error
