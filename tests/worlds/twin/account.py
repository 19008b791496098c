"""Lambda as one account has it: slots, reserved concurrency, the ramp, and the queue of asynchronous events."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from .terms import Terms
from .virtual_time import Strand, VirtualTime

#: What a destination is told of the function that gave up.
_ARN = "arn:aws:lambda:us-east-1:123456789012:function:sluice-job-{}:$LATEST"


@dataclass(eq=False)
class Invocation:
    """An event on its way through Lambda's queue, and the function that handles it, once there is a slot."""

    function: str
    payload: dict[str, Any]
    #: When Lambda took the event.
    created: float
    number: int
    throttled: int = 0
    failures: int = 0
    #: What the last try died of.
    error: str = ""
    began: float = 0.0
    deadline: float = float("inf")
    strand: Strand | None = None
    #: Seconds that this try has spent in `clock.pause`, and since when it is in one.
    waited: float = 0.0
    pausing: float | None = None
    #: Requests of this try so far.
    requests: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, kw_only=True)
class Duties:
    """What the world does for the account."""

    #: Handle an event to its end, in a strand of its own; the error, if it died.
    work: Callable[[Invocation], BaseException | None]
    #: Seconds that a function may run.
    lifetime: Callable[[str], float]
    #: A try has ended, with an error or without.
    ended: Callable[[Invocation, BaseException | None], None]
    #: An event was given up: `RetriesExhausted` or `EventAgeExceeded`.
    given_up: Callable[[Invocation, str], None]


class Account:
    """Starts functions where there are slots, and tries what it could not start, or what died, again."""

    def __init__(self, terms: Terms, time: VirtualTime, chance: random.Random, duties: Duties) -> None:
        self.terms, self._time, self._chance, self._duties = terms, time, chance, duties
        self.running: Counter[str] = Counter()
        #: Functions begun, and tries that found no slot.
        self.begun: Counter[str] = Counter()
        self.throttled: Counter[str] = Counter()
        self.cold: Counter[str] = Counter()
        #: The most functions that ran at once, neighbours not counted.
        self.peak = 0
        self._start = time.now
        self._numbers = 0
        self._waiting: list[Invocation] = []
        #: By function: when environments that are idle now ended their last invocation.
        self._idle: dict[str, list[float]] = {}
        #: By function: how many new environments it may start, as of when.
        self._ramp: dict[str, tuple[float, float]] = {}
        for neighbour in terms.neighbours:  # what waits eagerly must hear that they are gone
            time.at(self._start + neighbour.at + neighbour.seconds, self._wake_all)

    def invoke(self, function: str, payload: dict[str, Any]) -> Invocation:
        """Take an asynchronous event."""
        self._numbers += 1
        event = Invocation(function, payload, self._time.now, self._numbers)
        self._time.after(self._chance.uniform(*self.terms.dispatch), lambda: self._try(event))
        return event

    # -- slots ----------------------------------------------------------------------------------------------

    def neighbours(self) -> int:
        """Slots that other workloads want now."""
        passed = self._time.now - self._start
        return sum(
            other.slots for other in self.terms.neighbours if other.at <= passed < other.at + other.seconds
        )

    def is_free(self, function: str) -> bool:
        """Whether there is a slot for a function. A neighbour takes what falls free, and stops nobody."""
        reserved = self.terms.reserved
        if function in reserved:
            return self.running[function] < reserved[function]
        used = sum(running for name, running in self.running.items() if name not in reserved)
        return used + self.neighbours() + sum(reserved.values()) < self.terms.slots

    def _environment(self, function: str) -> float | None:
        """Seconds until an environment is ready; None if the ramp allows no new one now."""
        now, idle = self._time.now, self._idle.setdefault(function, [])
        while idle and idle[0] < now - self.terms.kept_warm:
            idle.pop(0)
        if idle:
            idle.pop()
            return 0.0
        burst, rate = self.terms.ramp_burst, self.terms.ramp_rate
        left, since = self._ramp.get(function, (float(burst), now))
        left = min(float(burst), left + (now - since) * rate)
        if left < 1.0:
            return None
        self._ramp[function] = (left - 1.0, now)
        self.cold[function] += 1
        return self.terms.cold_start

    # -- the life of an event -------------------------------------------------------------------------------

    def _try(self, event: Invocation) -> Strand | None:
        if self._time.now - event.created > self.terms.max_age:
            self._give_up(event, "EventAgeExceeded")
            return None
        start = self._environment(event.function) if self.is_free(event.function) else None
        if start is None:
            self._put_back(event)
            return None
        self.running[event.function] += 1
        self.begun[event.function] += 1
        self.peak = max(self.peak, sum(self.running.values()))
        event.began, event.waited, event.requests = self._time.now, 0.0, Counter()
        event.deadline = self._time.now + start + self._duties.lifetime(event.function)
        event.strand = self._time.strand(lambda: self._serve(event, start))
        return event.strand

    def _put_back(self, event: Invocation) -> None:
        self.throttled[event.function] += 1
        if self.terms.queue == "eager":
            self._waiting.append(event)
            return
        pause = self.terms.backoff_seconds(self._chance, event.throttled)
        event.throttled += 1
        self._time.after(pause, lambda: self._try(event))

    def _serve(self, event: Invocation, start: float) -> None:
        """A strand's work: one try of an event."""
        try:
            if start:
                self._time.sleep(self._time.now + start)
            error = self._duties.work(event)
        except BaseException as stopped:  # noqa: BLE001 - Lambda retries whatever a function dies of
            error = stopped
        event.strand, event.error = None, type(error).__name__ if error else ""
        self.running[event.function] -= 1
        self._duties.ended(event, error)
        if error is None:  # what died takes its environment with it
            self._idle.setdefault(event.function, []).append(self._time.now)
        else:
            self._again(event)
        self._wake_one()

    def _again(self, event: Invocation) -> None:
        event.failures += 1
        if event.failures > self.terms.retries:
            self._give_up(event, "RetriesExhausted")
            return
        pauses = self.terms.retry_pauses
        self._time.after(pauses[min(event.failures, len(pauses)) - 1], lambda: self._try(event))

    def _give_up(self, event: Invocation, condition: str) -> None:
        self._duties.given_up(event, condition)
        heir = self.terms.destinations.get(event.function)
        if heir:
            self.invoke(heir, self._last_words(event, condition))

    def _last_words(self, event: Invocation, condition: str) -> dict[str, Any]:
        """The event of an on-failure destination, as AWS documents it."""
        return {
            "version": "1.0",
            "timestamp": f"{datetime.fromtimestamp(self._time.now, UTC):%Y-%m-%dT%H:%M:%S.000Z}",
            "requestContext": {
                "requestId": f"{event.number:08x}-0000-4000-8000-000000000000",
                "functionArn": _ARN.format(event.function),
                "condition": condition,
                "approximateInvokeCount": event.failures,
            },
            "requestPayload": event.payload,
            "responsePayload": {"errorType": event.error, "errorMessage": ""},
        }

    # -- the eager queue --------------------------------------------------------------------------------------

    def _wake_one(self) -> None:
        """Give a slot that has fallen free to one of those that wait, at random."""
        fit = [event for event in self._waiting if self.is_free(event.function)]
        if fit:
            event = self._chance.choice(fit)
            self._waiting.remove(event)
            self._time.at(self._time.now, lambda: self._try(event))

    def _wake_all(self) -> None:
        waiting, self._waiting = self._waiting, []
        for event in waiting:
            self._time.at(self._time.now, lambda event=event: self._try(event))  # type: ignore[misc]
