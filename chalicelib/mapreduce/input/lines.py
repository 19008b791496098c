"""Lines of a block: those that are comments left out, as text, and where in the block one begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
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

    def goes_on(self, line: bytes, inside: bool) -> bool:  # noqa: ARG002 - see RecordReader
        """Never: no record goes on behind a line."""
        return False


class LineReader(OneLine):
    """A record is a line, as text or as bytes."""

    unit = "line"

    def __init__(self, spec: InputSpec, loc: Loc) -> None:
        self._spec = spec
        self._url = loc.url
        self._comment = spec.comment.encode()

    def text(self, block: TextBlock) -> Any:
        """The block as text (or bytes), comments left out."""
        if self._comment:
            block = block._replace(data=without_comments(block.data, self._comment))
        if self._spec.encoding == "bytes":
            return block.data
        return decode_text(block, self._spec.encoding, self._spec.errors, self._url)

    def records(self, block: TextBlock) -> list[Any]:
        return split_lines(self.text(block))

    def start_of(self, block: TextBlock, number: int) -> int:
        return start_of(block, number, self._comment)

    def starts(self, block: TextBlock) -> Iterator[int]:
        return starts(block, self._comment)
