"""A whole cloud in one thread: a memory store, functions that run when the simulation says so, virtual time.

What AWS may do to us it can do on purpose: deliver late, twice or out of order, stop an invocation at
any call of the store or the invoker, before or after the call took effect, and retry it later.
"""

from __future__ import annotations

import json
import os
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from chalicelib.core.keys import DONE, parse_run_key
from chalicelib.core.ports import Disk, Host, Loc, ObjectInfo, Runtime
from chalicelib.core.spec import InputSpec, JobSpec, OutputSpec, PlaceSpec
from chalicelib.functions import coordinator, mapper, reducer, scheduler, supervisor
from chalicelib.functions.auditing import auditor
from chalicelib.functions.supervision.notices import Register, Tell
from chalicelib.run.events import event_for
from chalicelib.stores.disk import LocalDisk
from chalicelib.stores.memory import MemoryStore

HANDLERS: dict[str, Any] = {
    "mapper": mapper.handle,
    "reducer": reducer.handle,
    "supervisor": supervisor.handle,
}
IN, WORK, OUT = Loc("in", "data/"), Loc("work", ""), Loc("out", "")
#: For spills. In memory where there is such a folder: each of very many invocations makes one there and removes it.
SCRATCH = Path("/dev/shm" if os.access("/dev/shm", os.W_OK | os.X_OK) else gettempdir())


# An invocation that waits has the next one run inside its own call: of fifty runs at once that is fifty deep.
sys.setrecursionlimit(max(sys.getrecursionlimit(), 10_000))


class Killed(BaseException):
    """The invocation was stopped; no handler of ours may see this."""


def spec(job: str = "job:Job", **figures: Any) -> JobSpec:
    """A job's configuration over the simulation's buckets."""
    input_figures = figures.pop("input", {})
    output_figures = figures.pop("output", {})
    return JobSpec(
        job=job,
        input=InputSpec(url="s3://in/data/", **input_figures),
        work=PlaceSpec(url="s3://work/"),
        output=OutputSpec(url="s3://out/", **output_figures),
        **figures,
    )


class Simulation:
    """`kill_at` stops the invocation that makes the n-th call; `before` says on which side of its effect.

    `kill_function` names the n-th invocation of a function, which is stopped at its first call;
    `retries` is how often Lambda delivers a killed invocation again; `slow` has the seconds that pass
    before an invocation of a function begins; `lifetime` is every function's timeout,
    `supervisor_lifetime` the supervisor's if that is another; `disk` takes the place of a sound one in `scratch`;
    `seats` is how many supervisors may wait; `reports`: what is killed for good is reported to the supervisor, which is
    so where `seats` are counted unless it is said.
    """

    def __init__(
        self,
        job: type[Any],
        job_spec: JobSpec,
        scratch: Path,
        *,
        seed: int | None = None,
        duplicates: bool = False,
        kill_at: Iterable[int] = (),
        before: bool = False,
        kill_function: tuple[str, int] | None = None,
        retries: int = 2,
        lifetime: float = 300.0,
        supervisor_lifetime: float | None = None,
        slow: dict[str, float] | None = None,
        disk: Disk | None = None,
        seats: int | None = None,
        reports: bool | None = None,
    ) -> None:
        self.memory = MemoryStore(now=self.now, on_created=self._created)
        self.spec = job_spec
        self.time = 1_700_000_000.0
        self.calls = 0
        self.invocations: Counter[str] = Counter()
        self.killed: list[str] = []
        self._job = job
        #: What is deployed: from a job's name to its class. An invocation keeps what it began with.
        self.load_job: Callable[[str], type[Any]] = lambda _: self._job
        #: Delivers notices of how runs end.
        self.tell: Tell | None = None
        #: Tells the catalog of results.
        self.register: Register | None = None
        self.disk = disk or LocalDisk(scratch)
        #: What each invocation's process is said to be like.
        self.host: Host | None = None
        self._random = random.Random(seed) if seed is not None else None
        self._duplicates = duplicates
        self._kill_at = set(kill_at)
        self._before = before
        self._retries = retries
        self._lifetime = lifetime
        self._supervisor_lifetime = supervisor_lifetime or lifetime
        self._kill_function = kill_function
        self._slow = slow or {}
        self._seats = seats
        self._reports = seats is not None if reports is None else reports
        #: All that was ever delivered: (function, payload).
        self.delivered: list[tuple[str, dict[str, Any]]] = []
        self.hand_overs = 0
        #: What handlers raised; a calm run has none.
        self.errors: list[Exception] = []
        self._hooks: list[tuple[Callable[[], bool], Callable[[], object]]] = []
        self._doomed = False
        self._queue: list[tuple[str, dict[str, Any], int]] = []
        self._later: list[tuple[float, tuple[str, dict[str, Any], int]]] = []
        self._tokens = 0

    # -- the world's side -------------------------------------------------------------------------

    def add(self, key: str, body: bytes) -> str:
        """Put an input object of which nobody is told; its etag."""
        return self.memory.put(IN.child(key), body)

    def drop(self, key: str, body: bytes) -> dict[str, Any]:
        """Put an input object and deliver its event."""
        loc = IN.child(key)
        etag = self.add(key, body)
        event = event_for(loc)
        event["Records"][0] |= {"eventTime": "2026-11-21T03:24:24.000Z", "eventName": "ObjectCreated:Put"}
        event["Records"][0]["s3"]["object"] |= {"eTag": etag, "sequencer": f"{len(self._queue):016x}"}
        self.deliver("coordinator", event)
        return event

    def when(self, condition: Callable[[], bool], action: Callable[[], object]) -> None:
        """Do something once, at the first call of the store or invoker at which a condition holds."""
        self._hooks.append((condition, action))

    def at_call(self, number: int, action: Callable[[], object]) -> None:
        """Do something just before the n-th call."""
        self.when(lambda: self.calls == number, action)

    def kill_now(self) -> None:
        """From a hook: stop the invocation that is making this call."""
        self._doomed = True

    def objects(self) -> dict[str, bytes]:
        """Everything there is, by `bucket/key`."""
        found = {}
        for bucket in ("in", "work", "out"):
            for info in self.memory.list(Loc(bucket, "")):
                found[f"{bucket}/{info.key}"] = self.memory.get(Loc(bucket, info.key))
        return found

    def names(self) -> list[str]:
        return list(self.objects())

    def deliver(self, function: str, payload: dict[str, Any]) -> None:
        self.delivered.append((function, payload))
        call = (function, payload, 0)
        for _ in range(1 + self._duplicates):
            if function in self._slow:
                self._later.append((self.time + self._slow[function], call))
            else:
                self._queue.append(call)

    def run(self, limit: int = 100_000) -> None:
        """Work until nothing is left to do."""
        while self._queue or self._later:
            if not self._queue:
                self.time = max(self.time, min(when for when, _ in self._later))
            self._one()
            limit -= 1
            if limit == 0:
                raise AssertionError("the simulation does not come to an end")

    def output(self) -> dict[str, bytes]:
        """All objects of the output place, without the run's id."""
        return {
            info.key.partition("/")[2]: self.memory.get(Loc("out", info.key))
            for info in self.memory.list(OUT)
            if "/" in info.key  # `_latest.json` is of no run
        }

    def work(self) -> list[str]:
        """All keys of the work place."""
        return [info.key for info in self.memory.list(WORK)]

    def text(self) -> bytes:
        """The parts, in order, as one."""
        return b"".join(body for key, body in sorted(self.output().items()) if key.startswith("part-"))

    # -- the functions' side ----------------------------------------------------------------------

    def now(self) -> float:
        return self.time

    def pause(self, seconds: float) -> None:
        """What waits lets something else run first; time passes when nothing can."""
        self.time += 0.001
        if self._queue:
            self._one()
        else:
            until = self.time + seconds
            due = min((when for when, _ in self._later), default=until)
            self.time = max(self.time, min(due, until))
            if due <= until and self._later:
                self._one()

    def _created(self, loc: Loc) -> None:
        found = parse_run_key(*loc)
        if found and loc.key.endswith(DONE):
            self.deliver("supervisor", event_for(loc))

    def _one(self) -> None:
        for when, call in list(self._later):
            if when <= self.time:
                self._later.remove((when, call))
                self._queue.append(call)
        if not self._queue:
            return
        place = self._random.randrange(len(self._queue)) if self._random else 0
        function, payload, tried = self._queue.pop(place)
        self.invocations[function] += 1
        self._doomed = (function, self.invocations[function]) == self._kill_function
        try:
            self._handle(function, payload)
        except (Killed, Exception) as error:  # noqa: BLE001 - Lambda retries whatever a handler raises
            if isinstance(error, Killed):
                self.killed.append(function)
            else:
                self.errors.append(error)
            if tried < self._retries:
                self._later.append((self.time + 60 * (tried + 1), (function, payload, tried + 1)))
            elif self._reports:
                teller = "coordinator" if function == "supervisor" else "supervisor"
                self.deliver(teller, report_of(function, payload, type(error).__name__))

    def _handle(self, function: str, payload: dict[str, Any]) -> None:
        runtime = Runtime(
            store=self.watched(),
            invoker=self.invoker(),
            clock=self.clock(),
            new_token=self._token,
            remaining=self._remaining(
                self._supervisor_lifetime if function == "supervisor" else self._lifetime
            ),
            load_job=self.load_job,
            disk=self.disk,
            seats=self._seats,
            host=self.host,
        )
        if function == "coordinator":
            coordinator.handle(runtime, payload, "job", self.spec)
        elif function == "auditor":
            auditor.handle(runtime, payload, "job", self.spec)
        elif function == "scheduler":
            scheduler.handle(runtime, payload, "job", self.spec)
        elif function == "supervisor":
            supervisor.handle(runtime, payload, lambda: ("job", self.spec), self.tell, self.register)
        else:
            HANDLERS[function](runtime, payload)

    def watched(self) -> Any:
        """The store of one invocation."""
        return Watched(self)

    def invoker(self) -> Any:
        """The invoker of one invocation."""
        return _Invoker(self)

    def clock(self) -> Any:
        """The clock of one invocation."""
        return self

    def _remaining(self, lifetime: float) -> Callable[[], float]:
        """How long the invocation that begins now may go on."""
        deadline = self.time + lifetime
        return lambda: deadline - self.time

    def _token(self) -> str:
        self._tokens += 1
        return f"{self._tokens:04x}"

    def call(self, effect: Callable[[], Any]) -> Any:
        """One call of the store or the invoker, at which the invocation may be killed."""
        self.calls += 1
        for hook in [hook for hook in self._hooks if hook[0]()]:
            self._hooks.remove(hook)
            hook[1]()
        doomed = self.calls in self._kill_at or self._doomed
        self._doomed = False
        if doomed and self._before:
            raise Killed
        try:
            return effect()
        finally:
            if doomed:
                raise Killed


def report_of(function: str, payload: dict[str, Any], error: str = "Runtime.ExitError") -> dict[str, Any]:
    """What Lambda sends to an on-failure destination about an event that it gave up on."""
    return {
        "version": "1.0",
        "requestContext": {
            "functionArn": f"arn:aws:lambda:us-east-1:000000000000:function:sluice-job-{function}:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": payload,
        "responsePayload": {"errorType": error, "errorMessage": ""},
    }


class _Invoker:
    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    def invoke(self, function: str, payload: dict[str, Any]) -> None:
        self._simulation.hand_overs += function == "supervisor"
        sent = json.loads(json.dumps(payload))  # as Lambda has it: by value
        self._simulation.call(lambda: self._simulation.deliver(function, sent))


class Watched:
    """The memory store, each request of which may be an invocation's last."""

    parallel_reads = 0

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._memory = simulation.memory

    @property
    def requests(self) -> Counter[str]:
        return self._memory.requests

    def stream(self, *args: Any, **kwargs: Any) -> Iterator[bytes]:
        self._simulation.call(lambda: None)
        return self._memory.stream(*args, **kwargs)

    def list(self, prefix: Loc, after: str = "") -> Iterator[ObjectInfo]:
        return iter(self._simulation.call(lambda: list(self._memory.list(prefix, after))))

    def writer(self, loc: Loc, if_absent: bool = False, mark: str = "") -> Any:
        return _WatchedWriter(self._simulation, self._memory.writer(loc, if_absent, mark))

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._memory, name)
        return lambda *args, **kwargs: self._simulation.call(lambda: method(*args, **kwargs))


class _WatchedWriter:
    def __init__(self, simulation: Simulation, writer: Any) -> None:
        self._simulation = simulation
        self._writer = writer

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    def commit(self) -> bool:
        return bool(self._simulation.call(self._writer.commit))

    def abort(self) -> None:
        self._writer.abort()

    def __enter__(self) -> _WatchedWriter:
        return self

    def __exit__(self, *error: Any) -> None:
        self._writer.__exit__(*error)
