"""The keys of what a job with `trigger: every` keeps from period to period, built and parsed here and nowhere else.

<work>/periods/<job>/pointer.json                     the newest period, and what was taken by then (conditional)
<work>/periods/<job>/taken/0000000012.<token>         what was taken by period 12: keys and versions
<work>/periods/<job>/given/0000000012.<token>.objects the objects that the run of period 12 reads
<work>/periods/<job>/given/0000000012.period          starts that run; there is none for a draft that was not committed
<work>/clocks/<job>/scheduler.failed, auditor.failed  that Lambda has given up a tick of it, and why
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...core.keys import FAILED
from ...core.ports import Loc

_ROOT, _CLOCKS = "periods/", "clocks/"
_PERIOD = r"periods/[A-Za-z0-9_-]+/given/\d{10,}\.period"
_NUMBER = r"(?P<number>\d{10,})\.[^/]+"


@dataclass(frozen=True)
class PeriodKeys:
    """`work` is the work prefix, ending in `/` or empty."""

    work: Loc
    job: str

    @property
    def root(self) -> Loc:
        return self.work.child(f"{_ROOT}{self.job}/")

    @property
    def pointer(self) -> Loc:
        return self.root.child("pointer.json")

    @property
    def all_taken(self) -> Loc:
        """The prefix of `taken`."""
        return self.root.child("taken/")

    def taken(self, number: int, token: str) -> Loc:
        return self.all_taken.child(f"{number:010d}.{token}")

    @property
    def all_given(self) -> Loc:
        """The prefix of `objects` and of `period`."""
        return self.root.child("given/")

    def objects(self, number: int, token: str) -> Loc:
        return self.all_given.child(f"{number:010d}.{token}.objects")

    def period(self, number: int) -> Loc:
        return self.all_given.child(f"{number:010d}.period")


def clock_failed(work: Loc, job: str, function: str) -> Loc:
    """Where it is noted that Lambda has given up a tick of the scheduler or the auditor."""
    return work.child(f"{_CLOCKS}{job}/{function}{FAILED}")


def is_period(work: Loc, loc: Loc) -> bool:
    """Whether an object starts the run of a period, of a job whose work place is `work`."""
    inside = loc.bucket == work.bucket and loc.key.startswith(work.key)
    return inside and bool(re.fullmatch(_PERIOD, loc.key.removeprefix(work.key)))


def parse_taken(key: str) -> int | None:
    """The period that an object under `PeriodKeys.all_taken` was written for."""
    found = re.fullmatch(_NUMBER, key.rpartition("/")[2])
    return int(found["number"]) if found else None
