"""What an estimate is asked about: the input, how fast the job's code is, and how many functions may run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .figures import PACES, Figures, Pace

#: The account's limit where nothing else is said: Lambda's default.
CONCURRENCY = 1000


@dataclass(frozen=True, kw_only=True)
class InputWork:
    """One of a job's inputs: bytes in so many objects, taken for equal, and what is done to them as in `Work`."""

    tag: str = ""
    bytes: int
    objects: int = 1
    whole: bool = False
    pace: Pace


@dataclass(frozen=True, kw_only=True)
class Work:
    """Bytes of the input in so many objects, taken for equal; of several inputs (`joined`) those of all together."""

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
    #: Where there are several inputs.
    inputs: tuple[InputWork, ...] = ()

    @property
    def pace(self) -> Pace:
        return self.own_pace or PACES[self.kind][self.way]

    @property
    def each(self) -> tuple[InputWork, ...]:
        """The inputs, be there several or one."""
        one = InputWork(bytes=self.bytes, objects=self.objects, whole=self.whole, pace=self.pace)
        return self.inputs or (one,)

    def seats(self, figures: Figures) -> int:
        """Supervisors that may wait; without any, each of them looks, does what can be done, and leaves."""
        return self.concurrency // figures.seat


def joined(
    inputs: Sequence[InputWork],
    *,
    way: str = "record",
    kind: str = "join",
    map_only: bool = False,
    concurrency: int = CONCURRENCY,
) -> Work:
    """The work of a job with several inputs, in the order in which it has them. `kind` is what it is called."""
    total = sum(one.bytes for one in inputs)
    mean = PACES[kind][way]
    if total:
        mean = Pace(
            map=total / sum(one.bytes / one.pace.map for one in inputs),
            reduce=total / sum(one.bytes / one.pace.reduce for one in inputs),
            shuffled=sum(one.bytes * one.pace.shuffled for one in inputs) / total,
        )
    return Work(
        bytes=total,
        objects=sum(one.objects for one in inputs),
        whole=all(one.whole for one in inputs),
        kind=kind,
        way=way,
        own_pace=mean,
        map_only=map_only,
        concurrency=concurrency,
        inputs=tuple(inputs),
    )
