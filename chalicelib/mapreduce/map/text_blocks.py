"""The text of a split in blocks of whole records, and the places of its bad lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ...core.errors import InputError
from ..guard.isolate import RecordPlace
from ..guard.location import LineNumbers
from ..input.blocks import TextBlock, fixed_blocks, line_blocks
from .open_split import Offset, OpenSplit


class SplitText:
    """Reads the blocks of one split; a line that is too long is set aside on the way, if bad records are."""

    def __init__(self, opened: OpenSplit, passed_over: Callable[[int, bytes], None] | None = None) -> None:
        """`passed_over` is told the byte and the first bytes of each line that is too long."""
        self._opened = opened
        self._passed_over = passed_over
        self._fixed = opened.spec.format == "fixed"
        isolated = opened.isolation.active
        lines = not (self._fixed or opened.spec.record_delimiter)
        self._numbers = LineNumbers(known=isolated and not opened.split.start and lines)

    def blocks(self) -> Iterator[TextBlock]:
        for block in self._read():
            self._opened.tally.bytes += len(block.data)
            self._numbers.block(block)
            yield block

    def _read(self) -> Iterator[TextBlock]:
        store, split, spec = self._opened.store, self._opened.split, self._opened.spec
        if self._fixed:
            return fixed_blocks(store, split, spec.record_bytes)
        on_long = self._too_long if self._opened.isolation.active else None
        # Lines that are wanted as bytes are left as they are.
        keep_mark = spec.encoding == "bytes" and spec.format != "jsonl"
        ratio = self._opened.unpack_ratio
        if spec.record_delimiter:
            from ..input.delimited import delimited_blocks  # few jobs have a delimiter of their own

            return delimited_blocks(
                store, split, spec.record_end, spec.max_record_bytes, on_long, keep_mark, ratio
            )
        return line_blocks(store, split, spec.max_record_bytes, on_long, keep_mark, ratio)

    def _too_long(self, error: InputError, at: int, record: bytes) -> None:
        """Set aside a line that stands between two blocks."""
        self._numbers.block(TextBlock(at, b"\n"))
        self._opened.set_aside(error, self.place(at, record))
        if self._passed_over:
            self._passed_over(at, record)

    def place(self, at: int, record: bytes) -> RecordPlace:
        """The place of a record of the block in hand that begins at byte `at` of the object."""
        return RecordPlace(at, record, self._numbers.number(at))


def end_of(block: TextBlock) -> Offset:
    """Where the object goes on behind a block."""
    return block.offset + len(block.data), 0
