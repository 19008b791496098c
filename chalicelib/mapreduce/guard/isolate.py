"""Bad records of a map task: keep what is good of what the user's mapper makes, set aside what is not.

All of a record's pairs count or none of them: they are made before the first is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import repeat
from typing import Any

from ...core.errors import InputChanged, UserError
from ...core.plan import Split
from ...job.binding import BoundJob
from ...job.job import Each
from ..input.blocks import TextBlock
from ..input.records import LineReader, newline_split
from .deadline import Pace, StepTooLong
from .location import LineNumbers, Where
from .quarantine import Quarantine

Pair = tuple[Any, Any]


class Weeder:
    """Calls the user's mapper on one record at a time; `careful` says whether that is worth its price."""

    def __init__(self, job: BoundJob, where: Where, pace: Pace, quarantine: Quarantine) -> None:
        self._job = job
        self._counters = job.services.counters
        self._where = where
        self._pace = pace
        self._quarantine = quarantine
        #: Lines of the object that is being read.
        self.numbers = LineNumbers(known=False)

    @property
    def active(self) -> bool:
        """Whether bad records are set aside."""
        return self._quarantine.active

    @property
    def careful(self) -> bool:
        """Whether records are taken one by one: to set bad ones aside, or to find the one that takes too long."""
        return self._pace.careful or self._quarantine.active

    def set_aside(self, error: Exception, split: Split, at: int | None, record: bytes | str) -> None:
        """List a record, `at` being its byte in the object, and take back what it counted."""
        self._counters.forget()
        line = self.numbers.number(at) if at is not None else None
        self._quarantine.add(error, split.loc.url, at, record, line)

    def pairs(
        self,
        split: Split,
        make: Callable[[], Iterable[Pair] | None],
        place: Callable[[], tuple[int | None, bytes | str]],
    ) -> list[Pair]:
        """The pairs that a record makes; none if it is bad, which is then found at `place()`: byte and record."""
        try:
            found = list(make() or ())
            self._counters.keep()
            return found
        except (Exception, StepTooLong) as caught:
            error = self._not_too_slow(caught)
            if not self._quarantine.active:
                raise error from caught
            self.set_aside(error, split, *place())
            return []

    def _not_too_slow(self, caught: BaseException) -> Exception:
        """What a record is bad for; an alarm counts only if the record had a fair share of the time."""
        if isinstance(caught, Exception):
            return caught
        if not self._pace.careful:
            raise caught
        return UserError(
            f"{self._where}: the mapper alone took longer than half the function's time for this record:"
            " raise timeout.mapper, or set the record aside with bad_records.policy: quarantine"
        )

    def chunk(self, reader: LineReader, block: TextBlock, split: Split) -> Any:
        """A chunk's pairs; if it is bad, those of its lines that are good alone."""
        mapper = self._job.job.mapper_chunk
        try:
            whole = _whole_result(mapper(reader.text(block)))
            self._counters.keep()
            return whole
        except Exception:  # noqa: BLE001 - whatever it is, the lines will show it again
            self._counters.forget()
        pairs: list[Pair] = []
        at = block.offset
        for line in newline_split(block.data):
            try:
                found = _whole_result(mapper(reader.text(TextBlock(at, line))))
                pairs += zip(found.keys, repeat(found.value)) if isinstance(found, Each) else found
                self._counters.keep()
            except Exception as error:  # noqa: BLE001 - the policy is to go on
                self.set_aside(error, split, at, line)
            at += len(line)
        return pairs

    def whole(self, split: Split, work: Callable[[], Any]) -> Any:
        """A whole object's pairs; none if it is bad."""
        try:
            return _whole_result(work())
        except InputChanged:
            raise
        except Exception as error:  # noqa: BLE001 - the policy is to go on
            self.set_aside(error, split, None, b"")
            return ()


def typed_place(at: int | None, record: object) -> tuple[int | None, str]:
    """The place of a record that has no bytes of its own: of the block it is in, and how Python writes it."""
    return at, repr(record)


def _whole_result(found: Any) -> Any:
    """All of what a mapper gives, so that it is known to be good before any of it counts."""
    if isinstance(found, Each):
        return Each(list(found.keys), found.value)
    if isinstance(found, dict):
        return list(found.items())
    return list(found or ())
