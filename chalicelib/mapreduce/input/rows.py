"""Rows of csv and tsv: lists of fields, or dicts by the columns that an object's first line names.

A line ends in `\\n` or `\\r\\n`; any other carriage return is text, inside quotes and outside, as in a line of text.
The csv module takes it for a line's end, so it never sees one.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import repeat
from typing import Any, NamedTuple

from ...core.errors import InputError
from ...core.plan import Split
from ...core.ports import Streams
from ...core.spec import InputSpec
from .blocks import MARK, TextBlock, decode_text, head_of, split_lines, without_mark
from .compression import BLOCK, ChunkFile
from .lines import LineReader, kept_lines, start_of, starts

# The module's own limit, 128 KiB a field, would refuse good ones: rows are bounded by max_record_bytes.
csv.field_size_limit((1 << 31) - 1)

#: Bytes of an object, unpacked, in which its header line must end.
_HEADER = 1 << 16
#: What the csv module says of a line that ends inside quotes.
_OPEN = "unexpected end of data"
#: Stands for a carriage return while the csv module reads: Unicode keeps it for use inside a program.
_CARRIAGE = "\ufdd0"


class Header(NamedTuple):
    """The line that names an object's columns: the first one that is no comment."""

    #: The byte of the object at which it begins.
    offset: int
    #: With its end, if it has one.
    line: bytes


def delimiter_of(spec: InputSpec) -> str:
    return spec.delimiter or ("\t" if spec.format == "tsv" else ",")


def read_header(spec: InputSpec, store: Streams, split: Split) -> Header:
    """The header of a split's object. Raises InputError if it does not end where it should."""
    data = head_of(store, split, _HEADER)
    body = without_mark(data)
    skipped = len(data) - len(body)
    for at, line in kept_lines(body, spec.comment.encode()):
        if line.endswith(b"\n") or len(data) < _HEADER:
            return Header(skipped + at, line)
    if len(data) < _HEADER:
        return Header(len(data), b"")
    raise InputError(f"{split.loc.url}: no line end in the first {_HEADER} bytes: is there a header?")


def header_names(spec: InputSpec, header: Header, url: str) -> list[str]:
    """The columns that a header names. Raises InputError that names object and byte."""
    text = decode_text(TextBlock(header.offset, header.line), spec.encoding, spec.errors, url)
    (line,) = split_lines(text) or [""]
    where = f"{url}: the header at byte {header.offset}"
    if "\r" in line:
        raise InputError(
            f"{where}: holds a carriage return that ends no line: expected lines that end in \\n or \\r\\n. Are those"
            " of an old Mac file? Convert them first"
        )
    try:
        return next(csv.reader([line], delimiter=delimiter_of(spec), strict=True), [])
    except csv.Error as error:
        raise InputError(
            f"{where}: a quote is out of place, or goes over the end of its line: {error}"
        ) from error


def _parsed(text: str, delimiter: str) -> list[list[str]]:
    """The rows of a text without blank lines. Raises csv.Error, also where quotes go over the end of a line."""
    lines = [line for line in split_lines(text) if line]
    marked = "\r" in text and text.count("\r") != text.count("\r\n")
    if marked:
        if _CARRIAGE in text:
            raise csv.Error("a carriage return and U+FDD0, which stands for it while rows are read")
        lines = [line.replace("\r", _CARRIAGE) for line in lines]
    quoted = lines if marked else [line for line in lines if '"' in line]
    rows = list(csv.reader(quoted, delimiter=delimiter, strict=True))
    if len(rows) != len(quoted):
        raise csv.Error(f"{len(quoted)} lines make {len(rows)} rows")
    if marked:
        return [_unmarked(row) for row in rows]
    if len(quoted) == len(lines):
        return rows
    # Without quotes a row is a split, at a third of the csv module's cost.
    rest = iter(rows)
    return [next(rest) if '"' in line else line.split(delimiter) for line in lines]


def _unmarked(row: list[str]) -> list[str]:
    return [field.replace(_CARRIAGE, "\r") for field in row]


class RowReader:
    """A record is a row of fields: a list, or with `header: true` a dict by column."""

    unit = "line"

    def __init__(self, spec: InputSpec, store: Streams, split: Split) -> None:
        self._spec = spec
        self._url = split.loc.url
        self._comment = spec.comment.encode()
        self._lines = LineReader(spec, split.loc)
        self._delimiter = delimiter_of(spec)
        self._header = read_header(spec, store, split) if spec.header else None
        self._names = header_names(spec, self._header, self._url) if self._header else []

    def records(self, block: TextBlock) -> list[Any]:
        return list(self.shaped(iter(self.raw(block))))

    def raw(self, block: TextBlock) -> list[list[str]]:
        block = self._without_header(block)
        rows = self._parse(block, self._lines.text(block))
        names = self._names
        if self._header is None or not set(map(len, rows)) - {len(names)}:
            return rows
        number, row = next((number, row) for number, row in enumerate(rows) if len(row) != len(names))
        at = block.offset + self.start_of(block, number)
        raise InputError(
            f"{self._url}: line at byte {at}: expected {len(names)} fields as in the header, got {len(row)}"
        )

    def shaped(self, raw: Iterator[Any]) -> Iterator[Any]:
        # As the zips of C make them, dicts cost two thirds of those that a loop makes.
        return map(dict, map(zip, repeat(self._names), raw)) if self._header else raw

    def start_of(self, block: TextBlock, number: int) -> int:
        rows = self._without_header(block)
        return rows.offset - block.offset + start_of(rows, number, self._comment, _without_end)

    def starts(self, block: TextBlock) -> Iterator[int]:
        rows = self._without_header(block)
        before = rows.offset - block.offset
        return (before + at for at in starts(rows, self._comment, _without_end))

    def goes_on(self, line: bytes, inside: bool) -> bool:
        """Whether quotes are open at the end of a line that begins inside them, or not."""
        text = "".join(split_lines(line.decode(self._spec.encoding, "replace")))
        text = f'"{text}' if inside else text
        try:
            list(csv.reader([text.replace("\r", _CARRIAGE)], delimiter=self._delimiter, strict=True))
        except csv.Error as error:
            return str(error) == _OPEN
        return False

    def _without_header(self, block: TextBlock) -> TextBlock:
        """The block without what stands before the rows, if it holds that."""
        if self._header is None:
            return block
        cut = self._header.offset + len(self._header.line) - block.offset
        return TextBlock(block.offset + cut, block.data[cut:]) if cut > 0 else block

    def _parse(self, block: TextBlock, text: str) -> list[list[str]]:
        if '"' not in text:
            delimiter = self._delimiter
            return [line.split(delimiter) for line in split_lines(text) if line]
        try:
            return _parsed(text, self._delimiter)
        except csv.Error as error:
            raise self._open_quote(block, str(error)) from error

    def _open_quote(self, block: TextBlock, what: str) -> InputError:
        """The error of the first line that is no row by itself."""
        at = block.offset
        for start, line in kept_lines(block.data, self._comment):
            text = self._lines.text(TextBlock(block.offset + start, line))
            try:
                _parsed(text, self._delimiter)
            except csv.Error:
                at += start
                break
        return InputError(
            f"{self._url}: line at byte {at}: a quoted field goes over the end of its line, or a quote is out of"
            f" place ({what}): set input.multiline: true, which reads each object as one split"
        )


def _without_end(line: bytes) -> bytes:
    return line.rstrip(b"\r\n")


def rows_of_stream(spec: InputSpec, chunks: Iterator[bytes], url: str) -> Iterator[list[Any]]:
    """Rows of a whole object whose fields may hold newlines, in lists of some thousand."""
    try:
        yield from _stream_rows(spec, chunks)
    except (csv.Error, ValueError) as error:
        raise InputError(f"{url}: not the {spec.format} that was expected: {error}") from error


def _stream_rows(spec: InputSpec, chunks: Iterator[bytes]) -> Iterator[list[Any]]:
    raw = io.BufferedReader(ChunkFile(_without_mark(chunks)), BLOCK)
    lines = _Lines(
        io.TextIOWrapper(raw, encoding=spec.encoding, errors=spec.errors, newline="\n"), spec.max_record_bytes
    )
    rows: Iterator[Any] = lines.rows(delimiter_of(spec))
    if spec.header:
        names: list[str] = next(rows, [])
        if any("\r" in name for name in names):
            raise ValueError(
                "its header holds a carriage return that ends no line: expected lines that end in \\n or \\r\\n"
            )
        rows = (dict(zip(names, row, strict=True)) for row in rows)
    batch: list[Any] = []
    for row in rows:
        batch.append(row)
        if len(batch) == 2048:
            yield batch
            batch = []
    if batch:
        yield batch


def _without_mark(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The chunks without a byte order mark at their beginning."""
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) > len(MARK):
            break
    yield without_mark(head)
    yield from chunks


class _Lines:
    """The lines of a text, of which one row may take so many characters."""

    def __init__(self, text: io.TextIOWrapper, limit: int) -> None:
        self._text = text
        self._limit = self._left = limit
        self._marked = False

    def rows(self, delimiter: str) -> Iterator[list[str]]:
        for row in csv.reader(self, delimiter=delimiter, strict=True):
            self._left = self._limit
            if self._marked:
                row = _unmarked(row)
                self._marked = False
            yield row

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
        return self._with_marks(line) if "\r" in line else line

    def _with_marks(self, line: str) -> str:
        """The line with another sign for carriage returns that do not belong to its end."""
        end = line.endswith("\r\n") * 2 or line.endswith("\r")
        body = line[: len(line) - end]
        if "\r" not in body:
            return line
        if _CARRIAGE in body:
            raise ValueError(
                "a line holds a carriage return, and U+FDD0, which stands for it while rows are read"
            )
        self._marked = True
        return body.replace("\r", _CARRIAGE) + line[len(body) :]
