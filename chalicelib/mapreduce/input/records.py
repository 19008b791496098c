"""Blocks of whole lines to records: lines, rows, JSON documents. A block at a time, never a record.

A reader gives the records of a block as a list and, when one of them turns out bad, says at which byte
of the block it begins.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import msgspec

from ...core.errors import ConfigError, InputError
from ...core.messages import UNDECODABLE
from ...core.ports import Loc, Store
from ...core.spec import InputSpec
from .blocks import TextBlock, decode_text, split_lines
from .compression import BLOCK, ChunkFile

# The module's own limit, 128 KiB a field, would refuse good ones: rows are bounded by max_record_bytes.
csv.field_size_limit((1 << 31) - 1)

#: Bytes in which an object's header line must end.
_HEADER = 1 << 16


class RecordReader(Protocol):
    """Reads the blocks of one object."""

    @property
    def unit(self) -> str:
        """What a record is called in a message."""

    def records(self, block: TextBlock) -> list[Any]:
        """The block's records, in order. Raises InputError that names object and byte."""

    def start_of(self, block: TextBlock, number: int) -> int:
        """Byte in the block at which its record `number` (from 0) begins."""


def record_reader(spec: InputSpec, record_type: type[Any] | None, store: Store, loc: Loc) -> RecordReader:
    """The reader for an object under this configuration; `record_type` types JSON documents."""
    if spec.format == "jsonl":
        return _JsonLines(spec, record_type, loc)
    if spec.format in ("csv", "tsv"):
        return _Rows(spec, store, loc)
    if spec.format == "fixed":
        return _Fixed(spec)
    return LineReader(spec, loc)


def _kept_lines(data: bytes, comment: bytes) -> Iterator[tuple[int, bytes]]:
    """(offset, line) of the lines that are not comments; the slow way, for comments and for errors."""
    at = 0
    for line in newline_split(data):
        if not (comment and line.startswith(comment)):
            yield at, line
        at += len(line)


def newline_split(data: bytes) -> Iterator[bytes]:
    """Lines that end in `\\n` only, with their ends."""
    start = 0
    while start < len(data):
        stop = data.find(b"\n", start) + 1 or len(data)
        yield data[start:stop]
        start = stop


def _without_comments(data: bytes, comment: bytes) -> bytes:
    if not comment or comment not in data:
        return data
    return b"".join(line for _, line in _kept_lines(data, comment))


class LineReader:
    """A record is a line, as text or as bytes."""

    unit = "line"

    def __init__(self, spec: InputSpec, loc: Loc) -> None:
        self._spec = spec
        self._url = loc.url
        self._comment = spec.comment.encode()

    def text(self, block: TextBlock) -> Any:
        """The block as text (or bytes), comments left out."""
        if self._comment:
            block = block._replace(data=_without_comments(block.data, self._comment))
        if self._spec.encoding == "bytes":
            return block.data
        return decode_text(block, self._spec.encoding, self._spec.errors, self._url)

    def records(self, block: TextBlock) -> list[Any]:
        return split_lines(self.text(block))

    def start_of(self, block: TextBlock, number: int) -> int:
        return _start_of(block, number, self._comment)


class _JsonLines:
    """A record is a JSON document on a line, decoded at once for the whole block; blank lines are none."""

    unit = "line"

    def __init__(self, spec: InputSpec, record_type: type[Any] | None, loc: Loc) -> None:
        self._url = loc.url
        self._comment = spec.comment.encode()
        try:
            self._decoder = msgspec.json.Decoder(record_type or Any)
        except TypeError as error:
            raise ConfigError(
                f"input.type: msgspec cannot decode JSON as {record_type!r}: {error}"
            ) from error

    def records(self, block: TextBlock) -> list[Any]:
        try:
            return self._decoder.decode_lines(_without_comments(block.data, self._comment))
        except UNDECODABLE as error:
            raise self._culprit(block, error) from error

    def start_of(self, block: TextBlock, number: int) -> int:
        return _start_of(block, number, self._comment, bytes.strip)

    def _culprit(self, block: TextBlock, error: Exception) -> InputError:
        """The error of the first line that does not decode."""
        bad = 0
        for at, line in _kept_lines(block.data, self._comment):
            try:
                self._decoder.decode_lines(line)
            except UNDECODABLE as narrow:
                error, bad = narrow, at
                break
        where = f"{self._url}: line at byte {block.offset + bad}"
        return InputError(f"{where}: not the JSON that was expected: {error}")


class _Fixed:
    """A record is so many bytes."""

    unit = "record"

    def __init__(self, spec: InputSpec) -> None:
        self._size = spec.record_bytes

    def records(self, block: TextBlock) -> list[Any]:
        data, size = block.data, self._size
        return [data[start : start + size] for start in range(0, len(data), size)]

    def start_of(self, block: TextBlock, number: int) -> int:  # noqa: ARG002 - all are of one size
        return number * self._size


class _Rows:
    """A record is a row of fields: a list, or with `header: true` a dict by column."""

    unit = "line"

    def __init__(self, spec: InputSpec, store: Store, loc: Loc) -> None:
        self._spec = spec
        self._url = loc.url
        self._lines = LineReader(spec, loc)
        self._delimiter = spec.delimiter or ("\t" if spec.format == "tsv" else ",")
        self._header = self._read_header(store, loc) if spec.header else None

    def records(self, block: TextBlock) -> list[Any]:
        text = self._lines.text(block)
        rows = self._parse(block, text)
        if self._header is None:
            return rows
        if block.offset == 0 and rows:
            del rows[0]
        names = self._header
        for number, row in enumerate(rows):
            if len(row) != len(names):
                at = block.offset + self.start_of(block, number)
                raise InputError(
                    f"{self._url}: line at byte {at}: expected {len(names)} fields as in the header, got {len(row)}"
                )
        return [dict(zip(names, row, strict=True)) for row in rows]

    def start_of(self, block: TextBlock, number: int) -> int:
        header = self._header is not None and block.offset == 0
        return _start_of(block, number + header, self._spec.comment.encode(), _without_end)

    def _parse(self, block: TextBlock, text: str) -> list[list[str]]:
        if '"' not in text:
            # Without quotes a row is a split, at a third of the csv module's cost.
            delimiter = self._delimiter
            return [line.split(delimiter) for line in split_lines(text) if line]
        lines = [line for line in split_lines(text) if line]
        try:
            rows = list(csv.reader(lines, delimiter=self._delimiter, strict=True))
        except csv.Error as error:
            raise self._open_quote(block, str(error)) from error
        if len(rows) != len(lines):
            raise self._open_quote(block, f"{len(lines)} lines make {len(rows)} rows")
        return rows

    def _open_quote(self, block: TextBlock, what: str) -> InputError:
        """The error of the first line that is no row by itself."""
        at = block.offset
        for start, line in _kept_lines(block.data, self._spec.comment.encode()):
            text = self._lines.text(TextBlock(block.offset + start, line))
            try:
                list(csv.reader(split_lines(text), delimiter=self._delimiter, strict=True))
            except csv.Error:
                at += start
                break
        return InputError(
            f"{self._url}: line at byte {at}: a quoted field goes over the end of its line, or a quote is out of"
            f" place ({what}): set input.multiline: true, which reads each object as one split"
        )

    def _read_header(self, store: Store, loc: Loc) -> list[str]:
        data = store.get(loc, 0, _HEADER)
        line, newline, _ = data.partition(b"\n")
        if not newline and len(data) == _HEADER:
            raise InputError(f"{self._url}: no line end in the first {_HEADER} bytes: is there a header?")
        text = decode_text(TextBlock(0, line), self._spec.encoding, self._spec.errors, self._url)
        return next(csv.reader([text.rstrip("\r")], delimiter=self._delimiter), [])


def rows_of_stream(spec: InputSpec, chunks: Iterator[bytes], url: str) -> Iterator[list[Any]]:
    """Rows of a whole object whose fields may hold newlines, in lists of some thousand."""
    try:
        yield from _stream_rows(spec, chunks)
    except (csv.Error, ValueError) as error:
        raise InputError(f"{url}: not the {spec.format} that was expected: {error}") from error


def _stream_rows(spec: InputSpec, chunks: Iterator[bytes]) -> Iterator[list[Any]]:
    raw = io.BufferedReader(ChunkFile(chunks), BLOCK)
    lines = _Lines(
        io.TextIOWrapper(raw, encoding=spec.encoding, errors=spec.errors, newline=""), spec.max_record_bytes
    )
    delimiter = spec.delimiter or ("\t" if spec.format == "tsv" else ",")
    rows: Iterator[Any] = csv.reader(lines, delimiter=delimiter, strict=True)
    if spec.header:
        names: list[str] = next(rows, [])
        rows = (dict(zip(names, row, strict=True)) for row in rows)
    batch: list[Any] = []
    for row in rows:
        lines.next_row()
        batch.append(row)
        if len(batch) == 2048:
            yield batch
            batch = []
    if batch:
        yield batch


class _Lines:
    """The lines of a text, of which one row may take so many characters."""

    def __init__(self, text: io.TextIOWrapper, limit: int) -> None:
        self._text = text
        self._limit = self._left = limit

    def next_row(self) -> None:
        self._left = self._limit

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._text.readline(self._left + 1)
        self._left -= len(line)
        if self._left < 0:
            raise ValueError(
                f"a row is longer than input.max_record_bytes ({self._limit}): is a quote left open?"
            )
        if not line:
            raise StopIteration
        return line


def _start_of(
    block: TextBlock, number: int, comment: bytes, blank: Callable[[bytes], bytes] | None = None
) -> int:
    """Where kept line `number` begins; a line of which `blank` leaves nothing is not counted."""
    for at, line in _kept_lines(block.data, comment):
        if blank and not blank(line):
            continue
        if number == 0:
            return at
        number -= 1
    return 0


def _without_end(line: bytes) -> bytes:
    return line.rstrip(b"\r\n")
