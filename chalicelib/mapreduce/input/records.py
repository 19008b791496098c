"""Blocks of whole lines to records: lines, rows, JSON documents. A block at a time, never a record.

A reader gives the records of a block as a list and, when one of them turns out bad, says at which byte
of the block it begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import msgspec

from ...core.errors import ConfigError, InputError
from ...core.messages import UNDECODABLE
from ...core.plan import Split
from ...core.ports import Loc, Streams
from ...core.spec import InputSpec
from .blocks import TextBlock
from .lines import LineReader, OneLine, kept_lines, start_of, starts, without_comments
from .rows import RowReader

#: What JSON has between documents.
_BLANK = b" \t\r\n"


class RecordReader(Protocol):
    """Reads the blocks of one object."""

    @property
    def unit(self) -> str:
        """What a record is called in a message."""

    def records(self, block: TextBlock) -> list[Any]:
        """The block's records, in order. Raises InputError that names object and byte."""

    def raw(self, block: TextBlock) -> list[Any]:
        """As many items as there are records, of which `shaped` makes these. Raises what `records` raises."""

    def shaped(self, raw: Iterator[Any]) -> Iterator[Any]:
        """The records, each made when it is asked for: then it is in the cache, and goes before the next one comes."""

    def start_of(self, block: TextBlock, number: int) -> int:
        """Byte in the block at which its record `number` (from 0) begins."""

    def starts(self, block: TextBlock) -> Iterator[int]:
        """The same of all records of a block, one after the other, in one pass."""

    def goes_on(self, line: bytes, inside: bool) -> bool:
        """Whether a record goes on behind this line; `inside`: it began in a line before."""


def record_reader(
    spec: InputSpec, record_type: type[Any] | None, store: Streams, split: Split
) -> RecordReader:
    """The reader for a split's object under this configuration; `record_type` types JSON documents.

    Raises InputError for an object whose header cannot be read.
    """
    loc = split.loc
    if spec.format == "jsonl":
        return _JsonLines(spec, record_type, loc)
    if spec.format in ("csv", "tsv"):
        return RowReader(spec, store, split)
    if spec.format == "fixed":
        return _Fixed(spec)
    return LineReader(spec, loc)


class _JsonLines(OneLine):
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
        data = without_comments(block.data, self._comment)
        try:
            found = self._decoder.decode_lines(data)
            if not _one_a_line(data, len(found)):
                found = [self._decoder.decode(line) for line in data.split(b"\n") if line.strip(_BLANK)]
            return found
        except UNDECODABLE as error:
            raise self._culprit(block, error) from error

    def start_of(self, block: TextBlock, number: int) -> int:
        return start_of(block, number, self._comment, bytes.strip)

    def starts(self, block: TextBlock) -> Iterator[int]:
        return starts(block, self._comment, bytes.strip)

    def _culprit(self, block: TextBlock, error: Exception) -> InputError:
        """The error of the first line that does not decode."""
        bad = 0
        for at, line in kept_lines(block.data, self._comment):
            try:
                if line.strip(_BLANK):
                    self._decoder.decode(line)
            except UNDECODABLE as narrow:
                error, bad = narrow, at
                break
        where = f"{self._url}: line at byte {block.offset + bad}"
        return InputError(f"{where}: not the JSON that was expected: {error}")


def _one_a_line(data: bytes, documents: int) -> bool:
    """Whether so many documents are surely one a line; where not, each line has to be decoded by itself.

    The decoder takes two on a line, and one over several lines, which only a split between them would refuse. A line
    end between braces is never inside a document, for there a comma would have to stand; so it is enough to count.
    """
    ends = data.count(b"\n") - data.endswith(b"\n")
    return documents == ends + 1 and ends == data.count(b"}\n{") + data.count(b"}\r\n{")


class _Fixed(OneLine):
    """A record is so many bytes."""

    unit = "record"

    def __init__(self, spec: InputSpec) -> None:
        self._size = spec.record_bytes

    def records(self, block: TextBlock) -> list[Any]:
        data, size = block.data, self._size
        return [data[start : start + size] for start in range(0, len(data), size)]

    def start_of(self, block: TextBlock, number: int) -> int:  # noqa: ARG002 - all are of one size
        return number * self._size

    def starts(self, block: TextBlock) -> Iterator[int]:
        return iter(range(0, len(block.data), self._size))
