"""Trouble between the local engine's workers and their world: seeded, counted, written down before it strikes.

Workers are killed with SIGKILL before and after calls and at any instant; the store refuses, delays, repeats and
loses answers; invocations come twice; events come twice or never. Nothing of the engine is replaced: all of it
stands at the places where a worker meets the store, the clock and its parent.
"""

from __future__ import annotations

import fcntl
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from msgspec.structs import replace as changed

from chalicelib.core.errors import StoreError
from chalicelib.core.ports import Clock, Loc, ObjectInfo, ObjectWriter, Runtime, Store
from chalicelib.local.workers import Report, World

#: How much faster than ours the workers' clock goes: a lease of 45 seconds is over in less than one.
SPEED = 60.0

Kind = Literal[
    "killed before a call",
    "killed after a call",
    "killed at any instant",
    "request refused",
    "answer lost",
    "request repeated",
    "request delayed",
    "invocation doubled",
    "event doubled",
    "event dropped",
    "event late",
    "body cut off",
    "clock wrong",
]


@dataclass(frozen=True)
class Rates:
    """How probable each fault is: of a call, an invocation or an event."""

    killed_before: float = 0.0
    killed_after: float = 0.0
    killed_at_once: float = 0.0
    refused: float = 0.0
    lost: float = 0.0
    repeated: float = 0.0
    delayed: float = 0.0
    invoked_twice: float = 0.0
    event_twice: float = 0.0
    event_dropped: float = 0.0
    event_late: float = 0.0
    body_cut: float = 0.0
    clock_wrong: float = 0.0


_LIKELY = Rates(
    killed_before=0.03,
    killed_after=0.03,
    killed_at_once=0.1,
    refused=0.04,
    lost=0.06,
    repeated=0.1,
    delayed=0.1,
    invoked_twice=0.3,
    event_twice=0.3,
    event_dropped=0.4,
    event_late=0.4,
    body_cut=0.2,
    clock_wrong=0.7,
)

#: Seconds by which a process's clock may be wrong, either way.
_SKEW = 60.0


def rates(seed: int) -> Rates:
    """A mixture: three to eight kinds of fault at once, each more or less likely."""
    chance = random.Random(f"rates {seed}")
    names = [field.name for field in fields(Rates)]
    chosen = chance.sample(names, chance.randint(3, 8))
    return Rates(**{name: getattr(_LIKELY, name) * chance.uniform(0.3, 1.5) for name in chosen})


#: Lines of the log that are no faults, or last for the whole life of a process.
UNCOUNTED = ("process", "clock wrong")


class Log:
    """What was done to a run, a line each; all its processes append to it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.touch()

    def note(self, kind: str, limit: int | None = None) -> int | None:
        """Write a line; how many of its kind there were before. None, and no line, from `limit` faults on."""
        with self._path.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            lines = file.read().splitlines()
            if limit is not None and sum(line not in UNCOUNTED for line in lines) >= limit:
                return None
            file.write(kind + "\n")
            return lines.count(kind)

    def counts(self) -> Counter[str]:
        return Counter(self._path.read_text().splitlines())


class Trouble(World):
    """Up to `limit` faults in one run. `lifetime` is how many of their own seconds map and reduce may run."""

    KINDS = get_args(Kind)

    def __init__(
        self, seed: int, log: Log, likely: Rates, *, limit: int = 24, lifetime: float | None = None
    ) -> None:
        self._seed = seed
        self._log = log
        self._rates = likely
        self._limit = limit
        self._lifetime = lifetime
        self._zero = time.time()
        self._began: float | None = None
        self._supervises = False
        self._wrong = 0.0
        self._late: list[Report] = []
        self._chance = random.Random(seed)

    # -- what a worker is given ---------------------------------------------------------------------

    def runtime(self, runtime: Runtime) -> Runtime:
        process = self._log.note("process")
        self._chance = random.Random(f"{self._seed} {process}")
        if self._chance.random() < self._rates.clock_wrong:
            self._log.note("clock wrong")
            self._wrong = self._chance.uniform(-_SKEW, _SKEW)
        return changed(
            runtime,
            store=TroubledStore(self, runtime.store),
            clock=_FastClock(self, runtime.clock),
            remaining=runtime.remaining if self._lifetime is None else self._remaining,
        )

    def reports(self, report: Report) -> Iterator[Report]:
        late, self._late = self._late, []
        if report.kind == "idle":
            self._began = None
            yield from late
            yield report
            return
        self._strike(self._rates.killed_before, "killed before a call", _kill)
        if report.kind == "created" and self.happens(self._rates.event_dropped, "event dropped"):
            yield from late
            return
        if report.kind == "created" and self.happens(self._rates.event_late, "event late"):
            self._late = [report]  # it comes after the next thing that this worker says
            yield from late
            return
        yield report
        yield from late
        self._strike(self._rates.killed_after, "killed after a call", _kill)
        if report.kind == "invoke" and self.happens(self._rates.invoked_twice, "invocation doubled"):
            yield report
        if report.kind == "created" and self.happens(self._rates.event_twice, "event doubled"):
            yield report

    # -- time ---------------------------------------------------------------------------------------

    def now(self) -> float:
        return self._zero + (time.time() - self._zero) * SPEED + self._wrong

    def _remaining(self) -> float:
        if self._began is None:
            self._began = self.now()
        if self._supervises:
            return 10.0**9
        assert self._lifetime is not None
        return self._lifetime - (self.now() - self._began)

    # -- what happens to calls ----------------------------------------------------------------------

    def happens(self, rate: float, kind: Kind) -> bool:
        return self._chance.random() < rate and self._log.note(kind, self._limit) is not None

    def _strike(self, rate: float, kind: Kind, action: Callable[[], Any]) -> None:
        if self.happens(rate, kind):
            action()

    def call(self, effect: Callable[[], Any], what: str, *, repeatable: bool = True) -> Any:
        """One call of the store."""
        rates = self._rates
        self._begin(what)
        self._strike(rates.killed_before, "killed before a call", _kill)
        self._strike(rates.delayed, "request delayed", self._delay)
        if self.happens(rates.refused, "request refused"):
            raise StoreError(f"{what}: SlowDown (503), said the test")
        result = effect()
        if repeatable and self.happens(rates.repeated, "request repeated"):
            result = effect()
        self._strike(rates.killed_after, "killed after a call", _kill)
        if self.happens(rates.lost, "answer lost"):
            raise StoreError(f"{what}: the connection was closed before the answer came, said the test")
        return result

    def maybe_cut(self, what: str) -> None:
        """A body may end after any block, and at the end it may turn out to be too short."""
        if self.happens(self._rates.body_cut, "body cut off"):
            raise StoreError(f"{what}: the body ended early, said the test")

    def _begin(self, what: str) -> None:
        """At the first call of an invocation its end may be set: by a thread, at any instant."""
        self._supervises = self._supervises or "/reduce/lease" in what  # its workers do nothing else
        if self._began is not None:
            return
        self._began = self.now()
        if self.happens(self._rates.killed_at_once, "killed at any instant"):
            timer = threading.Timer(self._chance.uniform(0.0, 0.02), _kill)
            timer.daemon = True
            timer.start()

    def _delay(self) -> None:
        time.sleep(self._chance.uniform(0.0, 2.0) / SPEED)


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class _FastClock:
    def __init__(self, trouble: Trouble, clock: Clock) -> None:
        self._trouble = trouble
        self._clock = clock

    def now(self) -> float:
        return self._trouble.now()

    def pause(self, seconds: float) -> None:
        self._clock.pause(seconds / SPEED)


class TroubledStore:
    """A store, each request of which may go wrong."""

    def __init__(self, trouble: Trouble, store: Store) -> None:
        self._trouble = trouble
        self._store = store

    @property
    def parallel_reads(self) -> int:
        return self._store.parallel_reads

    @property
    def requests(self) -> Counter[str]:
        return self._store.requests

    def head(self, loc: Loc) -> ObjectInfo:
        return self._call("head", loc)

    def get(self, loc: Loc, start: int = 0, stop: int | None = None, etag: str | None = None) -> bytes:
        return self._call("get", loc, start, stop, etag)

    def stream(
        self, loc: Loc, start: int = 0, stop: int | None = None, etag: str | None = None, block: int = 1 << 17
    ) -> Iterator[bytes]:
        for data in self._store.stream(loc, start, stop, etag, block):
            yield self._trouble.call(lambda data=data: data, f"{loc.url}: get")
            self._trouble.maybe_cut(loc.url)

    def put(self, loc: Loc, body: bytes, mark: str = "") -> str:
        return self._call("put", loc, body, mark)

    def put_if_absent(self, loc: Loc, body: bytes, mark: str = "") -> bool:
        return self._call("put_if_absent", loc, body, mark)

    def put_if_match(self, loc: Loc, body: bytes, etag: str) -> str | None:
        return self._call("put_if_match", loc, body, etag)

    def list(self, prefix: Loc, after: str = "") -> Iterator[ObjectInfo]:
        rows = self._trouble.call(lambda: list(self._store.list(prefix, after)), f"{prefix.url}: list")
        return iter(rows)

    def delete(self, bucket: str, keys: Iterable[str]) -> None:
        names = list(keys)
        self._trouble.call(lambda: self._store.delete(bucket, names), f"{bucket}: delete")

    def writer(self, loc: Loc, if_absent: bool = False, mark: str = "") -> TroubledWriter:
        return TroubledWriter(self._trouble, loc, self._store.writer(loc, if_absent, mark))

    def _call(self, name: str, loc: Loc, *args: Any) -> Any:
        method = getattr(self._store, name)
        return self._trouble.call(lambda: method(loc, *args), f"{loc.url}: {name}")


class TroubledWriter:
    def __init__(self, trouble: Trouble, loc: Loc, writer: ObjectWriter) -> None:
        self._trouble = trouble
        self._loc = loc
        self._writer = writer

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    def commit(self) -> bool:
        return bool(self._trouble.call(self._writer.commit, f"{self._loc.url}: commit", repeatable=False))

    def abort(self) -> None:
        self._writer.abort()

    def __enter__(self) -> TroubledWriter:
        return self

    def __exit__(self, *error: Any) -> None:
        self._writer.__exit__(*error)
