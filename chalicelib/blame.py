"""Say where it went wrong: turn what the user's code raises into an error that names object and byte."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from operator import length_hint
from typing import Any

from .errors import DataTypeError, InputError, JobCodeError, SluiceError
from .model import Split
from .reading import TextBlock
from .records import RecordReader


class Where:
    """What is being worked on, for the message if it goes wrong. Costs nothing per record."""

    def __init__(self, job: str) -> None:
        self._job = job
        self._step = ""
        self._url = ""
        self._block: TextBlock | None = None
        self._lines: Iterator[Any] | None = None
        self._reader: RecordReader | None = None
        self._count = 0

    def at(self, step: str) -> None:
        self._step, self._url, self._block, self._lines = step, "", None, None

    def open(self, split: Split) -> None:
        self.at("mapper")
        self._url = split.loc.url

    def records(self, reader: RecordReader, block: TextBlock, records: Iterator[Any], count: int) -> None:
        self._reader, self._block, self._lines, self._count = reader, block, records, count

    def chunk(self, block: TextBlock) -> None:
        self._block, self._lines = block, None

    def __str__(self) -> str:
        place = f"job {self._job}: "
        if not self._url:
            return place + self._step
        if self._block is None:
            return f"{place}{self._url}"
        if self._lines is None or self._reader is None:
            return f"{place}{self._url}, chunk at byte {self._block.offset}"
        # A list's iterator knows how many items it still has: the one taken last is the culprit.
        number = max(self._count - length_hint(self._lines) - 1, 0)
        at = self._block.offset + self._reader.start_of(self._block, number)
        return f"{place}{self._url}, {self._reader.unit} at byte {at}"


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


def explain(error: BaseException) -> str:
    """One line on an error: its last line, as Python prints it."""
    return "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
