"""Lines of a block: those that are comments left out, as text, and where in the block one begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate, islice
from typing import Any

from ...core.ports import Loc
from ...core.spec import InputSpec
from .blocks import TextBlock, decode_text, split_lines


def newline_split(data: bytes) -> Iterator[bytes]:
    """Lines that end in `\\n` only, with their ends."""
    start = 0
    while start < len(data):
        stop = data.find(b"\n", start) + 1 or len(data)
        yield data[start:stop]
        start = stop


def newlines(data: bytes) -> int:
    """How many there are. Deleting them is up to six times faster than `count`, which looks at byte after byte."""
    return len(data) - len(data.replace(b"\n", b""))


def record_split(spec: InputSpec, data: bytes) -> Iterator[bytes]:
    """The records of whole blocks of text, with what ends them."""
    if not spec.record_delimiter:
        yield from newline_split(data)
        return
    end = spec.record_end
    *whole, rest = data.split(end)
    for record in whole:
        yield record + end
    if rest:
        yield rest


def kept_lines(data: bytes, comment: bytes) -> Iterator[tuple[int, bytes]]:
    """(offset, line) of the lines that are not comments; the slow way, for comments and for errors."""
    at = 0
    for line in newline_split(data):
        if not (comment and line.startswith(comment)):
            yield at, line
        at += len(line)


def without_comments(data: bytes, comment: bytes) -> bytes:
    if not comment or comment not in data:
        return data
    return b"".join(line for _, line in kept_lines(data, comment))


def start_of(
    block: TextBlock, number: int, comment: bytes, blank: Callable[[bytes], bytes] | None = None
) -> int:
    """Where kept line `number` begins; a line of which `blank` leaves nothing is not counted."""
    return next(islice(starts(block, comment, blank), number, None), 0)


def starts(block: TextBlock, comment: bytes, blank: Callable[[bytes], bytes] | None = None) -> Iterator[int]:
    """Where each kept line begins."""
    return (at for at, line in kept_lines(block.data, comment) if not blank or blank(line))


class OneLine:
    """Base of readers whose records end with their line, or have no lines."""

    def records(self, block: TextBlock) -> list[Any]:
        raise NotImplementedError

    def raw(self, block: TextBlock) -> list[Any]:
        """The records themselves: see RecordReader."""
        return self.records(block)

    def shaped(self, raw: Iterator[Any]) -> Iterator[Any]:
        return raw

    def goes_on(self, line: bytes, inside: bool) -> bool:  # noqa: ARG002 - see RecordReader
        """Never: no record goes on behind a line."""
        return False


class LineReader(OneLine):
    """A record is a line, or what `input.record_delimiter` ends, as text or as bytes."""

    def __init__(self, spec: InputSpec, loc: Loc) -> None:
        self._spec = spec
        self._url = loc.url
        self._comment = spec.comment.encode()
        self.unit = "record" if spec.record_delimiter else "line"

    def text(self, block: TextBlock) -> Any:
        """The block as text (or bytes), comments left out."""
        if self._comment:
            block = block._replace(data=without_comments(block.data, self._comment))
        if self._spec.encoding == "bytes":
            return block.data
        return decode_text(block, self._spec.encoding, self._spec.errors, self._url)

    def records(self, block: TextBlock) -> list[Any]:
        text, end = self.text(block), self._spec.record_delimiter
        if not end:
            return split_lines(text)
        records: list[Any] = text.split(self._spec.record_end if isinstance(text, bytes) else end)
        if not records[-1]:
            records.pop()
        return records

    def start_of(self, block: TextBlock, number: int) -> int:
        if self._spec.record_delimiter:
            return next(islice(self.starts(block), number, None), 0)
        return start_of(block, number, self._comment)

    def starts(self, block: TextBlock) -> Iterator[int]:
        if self._spec.record_delimiter:
            return accumulate(map(len, record_split(self._spec, block.data)), initial=0)
        return starts(block, self._comment)
