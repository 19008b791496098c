"""Bad records of a map task: keep what is good of what the user's mapper makes, set aside what is not.

All of a record's pairs count or none of them: they are made before the first is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import repeat
from typing import Any, NamedTuple, TypeVar

from ...core.errors import (
    CorruptData,
    DataTypeError,
    DiskError,
    InputChanged,
    NoResult,
    ProcessKilled,
    StoreError,
    UserError,
    of_user,
)
from ...core.plan import Split
from ...core.ports import Trail
from ...job.binding import BoundJob
from ...job.job import Each
from .deadline import Pace, StepTooLong
from .location import Where
from .quarantine import Quarantine

Pair = tuple[Any, Any]
T = TypeVar("T")
#: Keys of these kinds go into any table.
_HASHABLE = frozenset({str, int, bytes, float, bool, type(None)})
#: What no record is bad for: the world's faults, and a step's result that there is not, which fail the attempt.
_NO_RECORDS_FAULT = (InputChanged, StoreError, DiskError, CorruptData, NoResult)


class RecordPlace(NamedTuple):
    """Where a record stands in its object: byte (of its block, if it has none of its own), and line, if known."""

    offset: int | None
    #: The record's bytes, or how Python writes it.
    record: bytes | str
    line: int | None = None


class Isolation:
    """Calls the user's mapper so that a bad record of one split does no harm to others."""

    def __init__(
        self,
        job: BoundJob,
        split: Split,
        where: Where,
        pace: Pace,
        quarantine: Quarantine,
        trail: Trail | None = None,
        *,
        keyed: bool = False,
    ) -> None:
        """`keyed`: the pairs are going to be put in tables by their keys, which not every value can be."""
        self._counters = job.services.counters
        self._url = split.loc.url
        self._where = where
        self._pace = pace
        self._quarantine = quarantine
        self._trail = trail
        self._keyed = keyed

    @property
    def active(self) -> bool:
        """Whether bad records are set aside."""
        return self._quarantine.active

    @property
    def limit(self) -> int:
        """How many records of a run may be bad."""
        return self._quarantine.limit

    @property
    def careful(self) -> bool:
        """Whether records are taken one by one: to set bad ones aside, or to find one that is too slow, or kills."""
        return self._pace.careful or self._quarantine.active or self._trail is not None

    def set_aside(self, error: Exception, place: RecordPlace) -> None:
        """List a record, and take back what it counted."""
        self._counters.forget()
        self._quarantine.add(error, self._url, place.offset, place.record, place.line)

    def each(
        self,
        records: Iterable[T],
        mapper: Callable[[T], Iterable[Pair] | None],
        place: Callable[[int, T], RecordPlace],
    ) -> Iterator[list[Pair]]:
        """The pairs of each record, complete or, for a bad record, none; `place` finds record `number`."""
        if self._trail or self._pace.careful or not self._quarantine.active:
            for number, record in enumerate(records):
                yield self.pairs(partial(mapper, record), partial(place, number, record))
            return
        keyed, keep = self._keyed, self._counters.keep
        for number, record in enumerate(records):
            try:
                found = list(mapper(record) or ())
                if keyed:
                    _check_keys(found)
                keep()
            except _NO_RECORDS_FAULT:
                raise
            except (Exception, SystemExit) as error:  # noqa: BLE001 - the policy is to go on
                self.set_aside(of_user(error), place(number, record))
                found = []
            yield found

    def pairs(
        self, make: Callable[[], Iterable[Pair] | None], place: Callable[[], RecordPlace]
    ) -> list[Pair]:
        """The pairs that a record makes; none if it is bad, which is then found at `place()`."""
        try:
            found: list[Pair] = self._traced(lambda: list(make() or ()))
            if self._keyed:
                _check_keys(found)
            self._counters.keep()
            return found
        except _NO_RECORDS_FAULT:
            raise
        except (Exception, StepTooLong, SystemExit) as caught:
            error = self._blamed(caught)
            if not self._quarantine.active:
                raise error from caught
            self.set_aside(error, place())
            return []

    def _blamed(self, caught: BaseException) -> Exception:
        """What a record is bad for. One that kills has been tried elsewhere, so that nothing yet says where it is."""
        if isinstance(caught, ProcessKilled) and not self._quarantine.active:
            return ProcessKilled(f"{self._where}: {caught}")
        return self._not_too_slow(caught)

    def _not_too_slow(self, caught: BaseException) -> Exception:
        """What a record is bad for; an alarm counts only if the record had a fair share of the time."""
        if isinstance(caught, (Exception, SystemExit)):
            return of_user(caught)
        if not self._pace.careful:
            raise caught
        return UserError(
            f"{self._where}: the mapper alone took longer than half the function's time for this record:"
            " raise timeout.mapper, or set the record aside with bad_records.policy: quarantine"
        )

    def chunk(
        self,
        work: Callable[[], Any],
        lines: Callable[[], Iterator[tuple[Callable[[], Any], RecordPlace]]],
    ) -> Any:
        """A chunk's pairs; if it is bad, those of its lines that are good alone."""
        try:
            whole = self._traced(partial(_completed, work), needed=True)  # its lines follow only if it is bad
            self._counters.keep()
            return whole
        except _NO_RECORDS_FAULT:
            raise
        except (Exception, SystemExit):  # noqa: BLE001 - whatever it is, the lines will show it again
            self._counters.forget()
        pairs: list[Pair] = []
        for line, place in lines():
            try:
                found = self._traced(partial(_completed, line))
                pairs += zip(found.keys, repeat(found.value)) if isinstance(found, Each) else found
                self._counters.keep()
            except _NO_RECORDS_FAULT:
                raise
            except (Exception, SystemExit) as error:  # noqa: BLE001 - the policy is to go on
                self.set_aside(of_user(error), place)
        return pairs

    def whole(self, work: Callable[[], Any]) -> Any:
        """A whole object's pairs; none if it is bad."""
        try:
            return self._traced(partial(_completed, work))
        except _NO_RECORDS_FAULT:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the policy is to go on
            self.set_aside(of_user(error), RecordPlace(None, b""))
            return ()

    def _traced(self, work: Callable[[], Any], *, needed: bool = False) -> Any:
        """What `work` makes; whoever outlives this process, if anybody does, knows that it was in hand."""
        return self._trail.step(work, list, needed=needed) if self._trail else work()


def _check_keys(pairs: list[Pair]) -> None:
    """Raise DataTypeError for a key that no table takes: behind this, nobody knows any more which record made it."""
    for pair in pairs:
        if type(pair) is tuple and pair and type(pair[0]) not in _HASHABLE:
            try:
                {pair[0]}  # a set takes it, or says why not
            except TypeError as error:
                raise DataTypeError(
                    f"key {pair[0]!r:.200}: expected None, bool, int, float, str, bytes or tuples of them: {error}"
                ) from error


def _completed(work: Callable[[], Any]) -> Any:
    return _complete(work())


def _complete(found: Any) -> Any:
    """All that a mapper gives, so that it is known to be good before any of it counts."""
    if isinstance(found, Each):
        return Each(list(found.keys), found.value)
    if isinstance(found, dict):
        return list(found.items())
    return list(found or ())
