"""What an estimate is asked about: the input, how fast the job's code is, and how many functions may run."""

from __future__ import annotations

from dataclasses import dataclass

from .figures import PACES, Figures, Pace

#: The account's limit where nothing else is said: Lambda's default.
CONCURRENCY = 1000


@dataclass(frozen=True, kw_only=True)
class Work:
    """Bytes of the input in so many objects, taken for equal."""

    bytes: int
    objects: int = 1
    #: Its objects must not be cut: compressed, `whole_file`, quoted rows over several lines.
    whole: bool = False
    #: Which row of the figures the job's code is like, and how it is written: "record", "chunk", "sql".
    kind: str = "many groups"
    way: str = "record"
    #: Takes the place of that row.
    own_pace: Pace | None = None
    #: Each map task writes its part, and nothing is shuffled.
    map_only: bool = False
    #: Functions that may run at once.
    concurrency: int = CONCURRENCY

    @property
    def pace(self) -> Pace:
        return self.own_pace or PACES[self.kind][self.way]

    def seats(self, figures: Figures) -> int:
        """Supervisors that may wait; without any, each of them looks, does what can be done, and leaves."""
        return self.concurrency // figures.seat
