"""What the twin assumes of AWS: one figure a line, each with its source and date.

[L] AWS Lambda Developer Guide, read 2026-11: pages "Lambda quotas", "Understanding Lambda function scaling", "How
Lambda handles errors and retries with asynchronous invocation". [S] Amazon S3 User Guide, read 2026-11: "Amazon S3
Event Notifications". [P] docs/performance.md of this project, 2026-11-21. [M] measured with this code against a store
that answers at once, by processor time, 2026-11. [A] assumed: AWS publishes no figure.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

HOUR = 3600.0


class Neighbour(NamedTuple):
    """Another workload of the account: from `at` on it takes each slot that falls free, up to `slots`.

    Seconds are counted from the start of the world.
    """

    at: float
    slots: int
    seconds: float


class Outage(NamedTuple):
    """From `at` on S3 answers no request for so many seconds, counted from the start of the world."""

    at: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Terms:
    """AWS's terms. Times are in seconds, shares from 0 to 1."""

    # -- slots ------------------------------------------------------------------------------------------------

    #: Functions that the account runs at once: 10 in a new account, 1 000 by default [L].
    slots: int = 1000
    #: Of these, slots that only one function may use, and all that it may use: reserved concurrency [L].
    reserved: Mapping[str, int] = field(default_factory=dict)
    neighbours: tuple[Neighbour, ...] = ()
    #: New environments a function may start at once, and how many more every second: "1 000 every 10 seconds" [L].
    ramp_burst: int = 1000
    ramp_rate: float = 100.0
    #: How long an environment is kept for the next invocation [A: minutes are reported].
    kept_warm: float = 300.0
    #: A new environment, of which the function's imports are 0.25 to 0.28 s of a processor; Lambda gives a whole one
    #: while it starts [P]; the rest is fetching the zip and starting a process [A].
    cold_start: float = 0.6

    # -- the queue of asynchronous events -----------------------------------------------------------------------

    #: `backoff` is Lambda's: throttled events are tried again after 1 s, then twice as long, up to 5 minutes [L].
    #: `eager`, kinder than AWS, gives a slot that falls free to one of those that wait, at random.
    queue: Literal["backoff", "eager"] = "backoff"
    first_backoff: float = 1.0
    longest_backoff: float = 300.0
    #: A pause is this share of itself at least: jitter, so that events come in any order [A].
    least_jitter: float = 0.5
    #: From Invoke to the first try, least and most [A: tens of milliseconds are reported].
    dispatch: tuple[float, float] = (0.02, 0.1)
    #: `MaximumEventAgeInSeconds`, 6 hours by default, which is also the most [L].
    max_age: float = 6 * HOUR
    #: `MaximumRetryAttempts` after an error: 2 by default, after 1 and 2 minutes [L].
    retries: int = 2
    retry_pauses: tuple[float, ...] = (60.0, 120.0)
    #: On-failure destinations: by function, the function that is invoked with what was given up. As deployed.
    destinations: Mapping[str, str] = field(
        default_factory=lambda: {
            **dict.fromkeys(("coordinator", "mapper", "reducer"), "supervisor"),
            "supervisor": "coordinator",
        }
    )

    # -- S3 ---------------------------------------------------------------------------------------------------

    #: One request: "taken as 20 to 40 ms" [P]. A LIST page takes twice as long [A].
    request: float = 0.030
    list_page: float = 0.060
    #: Spread of a request's time: the standard deviation of its logarithm [A]. And how many are slow, and how slow.
    request_spread: float = 0.25
    slow_share: float = 0.001
    slow_times: float = 10.0
    #: Rows of a LIST page [S].
    page_rows: int = 1000
    #: From PUT to the invocation: "half a second to one" [P], as median and spread of the logarithm.
    event_delay: float = 0.6
    event_spread: float = 0.3
    #: "Typically delivered in seconds but can sometimes take a minute or longer" [S]: how many, least and most.
    event_tail: float = 0.001
    event_tail_delay: tuple[float, float] = (10.0, 90.0)
    #: "At least once" [S]. Losses do not happen by S3's word; the share is there for tests.
    event_losses: float = 0.0
    event_repeats: float = 0.0
    outages: tuple[Outage, ...] = ()
    #: After which the client gives a request up that is not answered: three tries, as boto3 makes them [A].
    patience: float = 3.0

    # -- processors -------------------------------------------------------------------------------------------

    #: Memory in MB that comes with one processor; smaller functions have their share of one [L].
    one_processor: int = 1769
    #: Processor seconds of our own code for a request, and for a row of a listing: 85 ms a page of 1 000 [M].
    request_work: float = 0.0015
    row_work: float = 0.000085

    def share(self, memory: int) -> float:
        """Of a processor, for one thread of a function of `memory` MB."""
        return min(1.0, memory / self.one_processor)

    def request_seconds(self, chance: random.Random, kind: str, memory: int, at_once: int = 1) -> float:
        """How long one request takes a function of `memory` MB, rows of a listing not counted.

        Where so many are under way `at_once`, work on one goes on while others wait.
        """
        wait = self.list_page if kind == "list" else self.request
        wait *= chance.lognormvariate(0.0, self.request_spread)
        if chance.random() < self.slow_share:
            wait *= self.slow_times
        work = self.request_work / self.share(memory)
        return wait + work if at_once == 1 else max(wait / at_once, work)

    def is_away(self, passed: float) -> bool:
        """Whether S3 is away so many seconds after the start of the world."""
        return any(out.at <= passed < out.at + out.seconds for out in self.outages)

    def event_seconds(self, chance: random.Random) -> float:
        """From an object to its event."""
        if chance.random() < self.event_tail:
            return chance.uniform(*self.event_tail_delay)
        return self.event_delay * chance.lognormvariate(0.0, self.event_spread)

    def backoff_seconds(self, chance: random.Random, throttled: int) -> float:
        """How long an event that found no slot `throttled` times before waits for its next try."""
        pause = min(self.longest_backoff, self.first_backoff * 2.0 ** min(throttled, 20))
        return pause * chance.uniform(self.least_jitter, 1.0)
