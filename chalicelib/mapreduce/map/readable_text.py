"""What of a split's text can be read, where bad records are set aside: blocks with the bad lines taken out.

A line of csv that ends inside quotes is no row, and neither are the lines behind it up to the one that closes them:
they are set aside together. No later line can be told from a row by itself, so where it is not known how far such a
record goes the run fails: behind the split's end, behind more lines than may be bad, behind a line that is too long.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...core.errors import InputError, UserError
from ..guard.isolate import RecordPlace
from ..guard.quarantine import KEPT
from ..input.blocks import TextBlock
from ..input.compression import compression
from ..input.lines import record_split
from ..input.records import RecordReader
from .open_split import OpenSplit
from .text_blocks import SplitText


class _OpenRecord:
    """A record whose first line ends inside quotes, and the lines behind it."""

    def __init__(self, error: InputError, place: RecordPlace, line: bytes) -> None:
        self.error = error
        self.lines = 0
        self._place = place
        self._body = bytearray()
        self.add(line)

    @property
    def offset(self) -> int | None:
        return self._place.offset

    @property
    def place(self) -> RecordPlace:
        return self._place._replace(record=bytes(self._body))

    def add(self, line: bytes) -> None:
        self.lines += 1
        self._body += line[: max(KEPT - len(self._body), 0)]


class ReadableText:
    """Reads a split's text block by block.

    A bad record is set aside only when what follows it is asked for: an attempt that stops before it leaves it to
    the next.
    """

    def __init__(self, opened: OpenSplit, reader: RecordReader) -> None:
        self.text = SplitText(opened, self._passed_over)
        self._opened = opened
        self._reader = reader
        self._record: _OpenRecord | None = None

    def blocks(self) -> Iterator[tuple[TextBlock, list[Any] | None]]:
        """Blocks of good lines, and what their records are made of where that is known already.

        Raises UserError where nobody can know which lines are rows.
        """
        for block in self.text.blocks():
            yield from self._readable(block)
        if self._record is None:
            return
        split = self._opened.split
        if split.stop < split.size and compression(split.key) is None:
            raise self._unknown(f"beyond the end of its split, byte {split.stop} of {split.size}")
        self._close(self._record)

    def _readable(self, block: TextBlock) -> Iterator[tuple[TextBlock, list[Any] | None]]:
        if self._record is None:
            try:
                raw = self._reader.raw(block)
            except InputError:
                pass
            else:
                yield block, raw
                return
        for good in self._between_bad_records(block):
            yield good, None

    def _between_bad_records(self, block: TextBlock) -> Iterator[TextBlock]:
        good: list[bytes] = []
        start = at = block.offset
        for line in record_split(self._opened.spec, block.data):
            if self._record:
                self._go_on(self._record, line)
            elif error := self._error_of(TextBlock(at, line)):
                if good:
                    yield TextBlock(start, b"".join(good))
                good = []
                self._begin(error, at, line)
            else:
                good.append(line)
                at += len(line)
                continue
            start = at = at + len(line)
        if good:
            yield TextBlock(start, b"".join(good))

    def _error_of(self, line: TextBlock) -> InputError | None:
        try:
            self._reader.raw(line)
        except InputError as error:
            return error
        return None

    def _begin(self, error: InputError, at: int, line: bytes) -> None:
        """A bad line, which may be only the beginning of a bad record."""
        record = _OpenRecord(error, self.text.place(at, line), line)
        if self._reader.goes_on(line, inside=False):
            self._record = record
        else:
            self._close(record)

    def _go_on(self, record: _OpenRecord, line: bytes) -> None:
        record.add(line)
        if not self._reader.goes_on(line, inside=True):
            self._close(record)
        elif record.lines > self._opened.isolation.limit:
            raise self._unknown(f"over more than {self._opened.isolation.limit} lines (bad_records.max)")

    def _close(self, record: _OpenRecord) -> None:
        self._record = None
        self._opened.set_aside(record.error, record.place)

    def _passed_over(self, at: int, line: bytes) -> None:
        """A line that is too long to be read, of which only the beginning is known."""
        if self._record or self._reader.goes_on(line, inside=False):
            raise self._unknown(f"into or out of the line at byte {at}, which is too long to be read")

    def _unknown(self, how_far: str) -> UserError:
        where = self._opened.split.loc.url
        if self._record:
            where += f", line at byte {self._record.offset}"
        return UserError(
            f"{where}: a quote that is opened and not closed in the same line goes {how_far}, so nobody can tell which"
            " of the lines behind it are rows: close the quote, or set input.multiline: true, which reads each object"
            " as one split"
        )
