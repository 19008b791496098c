"""What the stores share. It imports no vendor's library.

Two rules hold for all of them: an empty range (`stop <= start`) is `b""` without a look at the object, and
`stream` raises its errors when the first block is asked for.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from ..core.errors import StoreError


def check_range(start: int, stop: int | None) -> bool:
    """Whether `[start, stop)` can hold a byte. Raises ValueError if it is not a range."""
    if start < 0 or (stop is not None and stop < 0):
        raise ValueError(f"expected a byte range from 0 up, got [{start}, {stop})")
    return stop is None or stop > start


def check_block(block: int) -> None:
    if block < 1:
        raise ValueError(f"block: expected at least 1 byte, got {block}")


class WriterBase:
    """The context manager of every `ObjectWriter`: leaving without a commit aborts."""

    #: True after `commit` or `abort`; nothing can be written then.
    closed = False

    def abort(self) -> None:
        raise NotImplementedError

    def check_open(self) -> None:
        if self.closed:
            raise ValueError("this writer was committed or aborted already")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.abort()
        except StoreError as failed:
            if error is None:
                raise
            # The first error is the one to report; what could not be removed is a note on it.
            error.add_note(f"while it was cleaned up: {failed}")
