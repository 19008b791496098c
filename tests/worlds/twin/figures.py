"""What happened in the twin: the end of each run, attempts, slot-seconds, requests and dollars."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from chalicelib.core.keys import parse_failed, parse_run_key
from chalicelib.core.ports import Loc
from chalicelib.core.spec import JobSpec
from chalicelib.run.calls import phase_of
from chalicelib.run.status.prices import Usage, cost

from .account import Invocation

#: (run, step, phase, task)
Task = tuple[str, int, str, int]
TASKS = ("mapper", "reducer")


@dataclass
class RunRecord:
    """One run: when its object was dropped, and how it ended. Times are seconds from the start of the world."""

    run: str
    dropped: float
    planned: float | None = None
    #: `_SUCCESS` or `_FAILED`, as often as they were written; (name, when).
    ends: list[tuple[str, float]] = field(default_factory=list)

    @property
    def end(self) -> str:
        """`success`, `failed`, or `open`."""
        return {"_SUCCESS": "success", "_FAILED": "failed"}[self.ends[0][0]] if self.ends else "open"

    @property
    def ended(self) -> float | None:
        return self.ends[0][1] if self.ends else None


@dataclass
class Figures:
    """Sums over everything that ran. Seconds are slot-seconds, starts of environments included."""

    #: By function: seconds in a slot, and those of them inside `clock.pause`.
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    waiting: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    #: By function: how many tries ended in an error or were killed, and events that were given up.
    deaths: Counter[str] = field(default_factory=Counter)
    exhausted: Counter[str] = field(default_factory=Counter)
    expired: Counter[str] = field(default_factory=Counter)
    #: By kind of request: "get", "put", "list", "delete", "head".
    requests: Counter[str] = field(default_factory=Counter)
    #: Attempts at tasks that were asked for, those that were not the first, and those that nothing called for.
    attempts: int = 0
    again: int = 0
    needless: int = 0
    events_lost: int = 0
    events_repeated: int = 0
    #: What handlers raised: (when, function, error).
    errors: list[tuple[float, str, str]] = field(default_factory=list)
    _dead: set[Task] = field(default_factory=set)

    @property
    def waiting_share(self) -> float:
        """Of all slot-seconds, those spent on waiting."""
        return sum(self.waiting.values()) / (sum(self.seconds.values()) or 1.0)

    def started(self, function: str, payload: dict[str, Any]) -> None:
        """A mapper or reducer was asked for. A later attempt is needless unless one before it came to nothing."""
        if function not in TASKS or payload.get("resume") or payload.get("sluiceWaits"):
            return
        tasks = _tasks(function, payload)
        self.attempts += len(tasks[:1])
        if payload.get("attempt"):
            self.again += 1
            self.needless += tasks[0] not in self._dead

    def wrote(self, loc: Loc) -> None:
        """An object was written; `.failed` objects tell of an attempt that came to nothing."""
        failed, found = parse_failed(loc.key), parse_run_key(*loc)
        if failed and found:
            keys, name = found
            self._dead.add((keys.run, keys.step, name.partition("/")[0], failed[0]))

    def count(self, event: Invocation, now: float) -> None:
        """Add up what one try took since it was last counted."""
        if event.pausing is not None:
            event.waited += now - event.pausing
            event.pausing = now
        self.seconds[event.function] += now - event.began
        self.waiting[event.function] += event.waited
        self.requests += event.requests
        event.began, event.waited, event.requests = now, 0.0, Counter()

    def died(self, event: Invocation) -> None:
        """One try was killed, or its handler raised."""
        self.deaths[event.function] += 1
        self._dead.update(_tasks(event.function, event.payload))

    def given_up(self, event: Invocation, condition: str) -> None:
        """Lambda gave an event up."""
        (self.expired if condition == "EventAgeExceeded" else self.exhausted)[event.function] += 1
        self._dead.update(_tasks(event.function, event.payload))

    def dollars(self, spec: JobSpec, begun: Counter[str]) -> float:
        """By the product's own table of prices. A start is billed like the rest; a throttled try is not."""
        megabyte_seconds = sum(
            getattr(spec.memory, name, 256) * taken for name, taken in self.seconds.items()
        )
        used = Usage(
            gb_seconds=megabyte_seconds / 1024,
            architecture=spec.architecture,
            lambda_requests=sum(begun.values()),
            puts=self.requests["put"],
            gets=self.requests["get"] + self.requests["head"],
            lists=self.requests["list"],
        )
        return cost(used)


def _tasks(function: str, payload: dict[str, Any]) -> list[Task]:
    """The tasks that a call of a mapper or reducer stands for: its own, then those of its sub-trees."""
    if function not in TASKS or "lo" not in payload:
        return []
    run, step, phase = payload["run"], payload.get("step", 0), phase_of(function, payload)
    return [(run, step, phase, task) for task in range(payload["lo"], payload["hi"])]
