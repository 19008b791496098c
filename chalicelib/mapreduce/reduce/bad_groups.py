"""Bad groups of a reduce task: what `having` keeps of results, and what becomes of a group on which code raises."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from ...core.errors import (
    DataTypeError,
    JobCodeError,
    ProcessKilled,
    SluiceError,
    UserError,
    explain,
    of_user,
)
from ...core.ports import Trail
from ...job.binding import BoundJob, GroupFunction
from ..guard.deadline import Pace, StepTooLong
from ..guard.quarantine import Quarantine
from ..shuffle.run_file import Block

Pair = tuple[Any, Any]
T = TypeVar("T")

#: What is wrong with a group that outlasts the alarm.
TOO_SLOW = "this group alone took longer than half the function's time: raise timeout.reducer"


class BadGroups:
    """Sets a bad group aside, or raises what the task fails with: an error that names the key."""

    def __init__(self, job: BoundJob, pace: Pace, quarantine: Quarantine, trail: Trail | None = None) -> None:
        """`trail`: this process may die of a group, and whoever outlives it is told of which."""
        self._job = job
        #: See `Trail`; None where nobody outlives this process.
        self.trail = trail
        self._counters = job.services.counters
        self._pace = pace
        self._quarantine = quarantine

    @property
    def active(self) -> bool:
        """Whether bad groups are set aside."""
        return self._quarantine.active

    def blame(self, error: Exception | SystemExit, key: Any) -> JobCodeError:
        return JobCodeError(f"job {self._job.name}: reducer, at key {key!r}: {explain(error)}")

    def failed(self, error: Exception | SystemExit, key: Any) -> None:
        """Set a group aside, if that is the policy, and take back what it counted."""
        if not self._quarantine.active:
            raise self.blame(error, key) from error
        self._counters.forget()
        self._quarantine.add(of_user(error), repr(key), None, b"")

    def whole(self, reducer: GroupFunction, key: Any, values: Iterator[Any]) -> Iterator[Pair]:
        """All of a group's pairs, so that they are known to be good before any of them counts, or none.

        A group that outlasts the alarm is bad if it had a fair share of the time. The alarm may have ended
        whatever was reading values, but then it is time to stop behind this group.
        """
        try:
            pairs = list(self.traced(lambda: self._job.passing(reducer(key, values) or ())))
            self._counters.keep()
            return iter(pairs)
        except ProcessKilled as error:
            self.failed(error, key)
        except SluiceError:
            raise
        except StepTooLong:
            if not self._pace.careful:
                raise
            self.failed(UserError(TOO_SLOW), key)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the policy is to go on
            self.failed(error, key)
        return iter(())

    def traced(self, make: Callable[[], Iterable[T]]) -> Iterable[T]:
        """What `make` gives of a group. Raises ProcessKilled for one that is known to end its process."""
        return self.trail.along(make) if self.trail else make()

    def kept(self, block: Block) -> Block:
        """The pairs that `having` lets pass, of results that no function of the user's made."""
        having = self._job.having
        if having is None:
            return block
        kept: list[Pair] = []
        for key, value in zip(*block, strict=True):
            try:
                if having(key, value):
                    kept.append((key, value))
                self._counters.keep()
            except SluiceError:
                raise
            except (Exception, SystemExit) as error:  # noqa: BLE001 - raises, unless the policy is to go on
                self.failed(error, key)
        return columns(kept, self._job.name)


def columns(batch: list[Any], job: str) -> Block:
    """Pairs as a block. Raises DataTypeError for what is no pair."""
    if not batch:
        return [], []
    try:
        keys, values = zip(*batch, strict=True)
    except (TypeError, ValueError) as error:
        raise no_pair(batch[0], job) from error
    return list(keys), list(values)


def no_pair(found: Any, job: str) -> DataTypeError:
    """The error for what a reducer gave instead of a pair."""
    return DataTypeError(
        f"job {job}: reducer: expected (key, value) pairs, got {found!r}: write `yield key, value`"
    )
