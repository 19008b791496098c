"""Runs added up by day and job. Pure, but for what it is handed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from chalicelib.run.status.fields import Dollars

from .read import RunCost
from .told import Told, both

#: Bytes of a GB, as prices and speeds are quoted.
GB = 1_000_000_000
#: The newest runs of a job that advice goes by.
RECENT = 20


@dataclass
class Sum:
    """Some runs together."""

    runs: int = 0
    failed: int = 0
    #: Counted with what they cost so far.
    under_way: int = 0
    #: Too little is left of them to say what they cost.
    unknown: int = 0
    dollars: Dollars = field(default_factory=Dollars)
    #: The most that attempts which left no word can have cost beside that.
    lost: float = 0.0
    #: Of runs that succeeded: what the dollars were paid for.
    input_bytes: int = 0

    def add(self, run: RunCost) -> None:
        self.runs += 1
        self.failed += run.outcome == "failed"
        self.under_way += run.outcome == "under way"
        self.lost += run.lost
        if run.outcome == "succeeded":
            self.input_bytes += run.input_bytes
        if run.dollars is None:
            self.unknown += 1
        else:
            self.dollars = both(self.dollars, run.dollars)

    @property
    def gb(self) -> float:
        return self.input_bytes / GB

    @property
    def dollars_per_gb(self) -> float | None:
        """None where nothing was read to an end, or not all is known of what that cost."""
        return self.dollars.total / self.gb if self.input_bytes and not self.unknown else None


@dataclass
class History:
    """The sums of a history: no more is held of a run than the newest ones told."""

    #: By day (UTC, ISO; "" if nobody knows it) and job, and by job.
    days: dict[tuple[str, str], Sum] = field(default_factory=dict)
    jobs: dict[str, Sum] = field(default_factory=dict)
    total: Sum = field(default_factory=Sum)
    recent: dict[str, deque[Told]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def take(self, runs: Iterable[RunCost | str]) -> None:
        """Add runs, oldest first, and what could not be read."""
        for run in runs:
            if isinstance(run, str):
                self.problems.append(run)
                continue
            for found in (
                self.days.setdefault((_day(run.at), run.job), Sum()),
                self.jobs.setdefault(run.job, Sum()),
                self.total,
            ):
                found.add(run)
            if run.told:
                self.recent.setdefault(run.job, deque(maxlen=RECENT)).append(run.told)


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat() if at else ""
