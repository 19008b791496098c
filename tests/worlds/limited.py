"""A cloud with limits, in virtual time: the product's own handlers under the terms of `twin/terms.py`.

    with Limited(Timed, timed_spec(maps=10, seconds=20), Terms(slots=10), seed=1) as world:
        runs = [world.drop(f"{number}.txt", timed_input(10)) for number in range(20)]
        world.run(until=12 * 3600)
        print([(run.end, run.ended) for run in world.runs.values()], world.figures.needless)

Coordinator, mapper, supervisor and reducer are the real ones, over a tiny input; what the user's code would take is
virtual time (`Timed`). The same seed gives the same run, event by event. `simulation.py` does more harm, at any call.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, Self, TypeVar

from chalicelib import Job, Sum
from chalicelib.core.errors import StoreError
from chalicelib.core.keys import DONE, FAILURE, PLAN, SUCCESS, parse_run_key
from chalicelib.core.ports import Loc, Runtime
from chalicelib.core.spec import JobSpec
from chalicelib.functions import coordinator
from chalicelib.functions.supervision.seats import seats_for
from chalicelib.run.estimate.figures import FIGURES
from chalicelib.run.events import created, event_for, run_id
from chalicelib.stores.disk import LocalDisk
from tests.worlds.simulation import HANDLERS, IN, OUT, SCRATCH, Killed, spec
from tests.worlds.twin.account import Account, Duties, Invocation
from tests.worlds.twin.figures import Figures, RunRecord
from tests.worlds.twin.store import FunctionStore, SortedStore
from tests.worlds.twin.terms import HOUR, Terms
from tests.worlds.twin.virtual_time import Stopped, VirtualTime

START = 1_795_000_000.0  # 2026-11-18
T = TypeVar("T")
#: For a request that is about to be made: whether its invocation dies before or after its effect, or lives.
Kill = Callable[[Invocation, str, Loc], Literal["before", "after"] | None]


def to_supervisor(loc: Loc) -> str | None:
    """Which function S3 tells of an object of the work place; the rule of the deployment."""
    return "supervisor" if parse_run_key(*loc) and loc.key.endswith(DONE) else None


class Limited:
    """One job in one account. Use as a context manager: leaving it ends what still sleeps.

    `job` gets an attribute `cloud`, this object, whose `spend` lets the time of its code pass. `handlers` are those of
    mapper, reducer and supervisor; `route` says whom S3 tells of an object of the work place; `kill` may stop an
    invocation at any request.
    """

    def __init__(
        self,
        job: type[Any],
        job_spec: JobSpec,
        terms: Terms | None = None,
        *,
        seed: int = 0,
        handlers: Mapping[str, Callable[..., object]] = HANDLERS,
        route: Callable[[Loc], str | None] = to_supervisor,
        kill: Kill | None = None,
    ) -> None:
        self._seats = seats_for((terms or Terms()).slots)
        self.spec, self.terms = job_spec, terms or Terms()
        self.chance = random.Random(seed)
        self.time = VirtualTime(START)
        self.memory = SortedStore(now=lambda: self.time.now, on_created=self._created)
        duties = Duties(work=self._work, lifetime=self._lifetime, ended=self._ended, given_up=self._given_up)
        self.account = Account(self.terms, self.time, self.chance, duties)
        self.figures = Figures()
        #: By run id, in the order in which their objects were dropped.
        self.runs: dict[str, RunRecord] = {}
        self._job = type("Here", (job,), {"cloud": self})
        self._handlers, self._route, self._kill = handlers, route, kill
        self._disk = LocalDisk(SCRATCH)
        self._serving: dict[Any, Invocation] = {}  # by strand
        self._numbers = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.time.close()

    # -- what a test does -----------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """Seconds since the start of the world."""
        return self.time.now - START

    def drop(self, name: str, body: bytes, at: float = 0.0) -> str:
        """Drop an object of the input `at` seconds after the start; the id of the run that its event starts."""
        loc, when = IN.child(name), START + at
        etag = self.memory.put(loc, body)
        event = self._event(loc, when, etag)
        (item,) = created(event)
        record = RunRecord(run_id("job", item), at)
        self.runs[record.run] = record
        self.time.at(when, lambda: self._deliver("coordinator", event))
        return record.run

    def put(self, name: str, body: bytes) -> None:
        """Put an object of the input of which nobody is told."""
        self.memory.put(IN.child(name), body)

    def run(self, until: float = 6 * HOUR, *, to_the_last_event: bool = False) -> float:
        """Run until all runs have ended, or nothing is left to do, or `until`; seconds since the start.

        `to_the_last_event`: also what comes after the ends of all runs.
        """
        self._to_the_last_event = to_the_last_event
        self.time.run(START + until)
        for event in self._serving.values():  # what still runs counts as far as it has come
            self.figures.count(event, self.time.now)
        return self.now

    def rows(self, run: str) -> list[str]:
        """What a run gave: the lines of its parts, in order."""
        infos = self.memory.list(OUT.child(f"{run}/part-"))
        bodies = [self.memory.get(Loc(OUT.bucket, info.key)) for info in infos]
        return b"".join(bodies).decode().splitlines()

    def reason(self, run: str) -> str:
        """Why a run failed."""
        return self.memory.get(OUT.child(f"{run}/{FAILURE}")).decode()

    def dollars(self) -> float:
        return self.figures.dollars(self.spec, self.account.begun)

    # -- what the user's code does ----------------------------------------------------------------------------

    def spend(self, seconds: float) -> None:
        """The code that runs takes so long."""
        self._sleep(self._here(), seconds)

    # -- S3 ---------------------------------------------------------------------------------------------------

    def _created(self, loc: Loc) -> None:
        self.figures.wrote(loc)
        if loc.bucket == OUT.bucket:
            self._note_end(loc)
            return
        function = self._route(loc)
        if function:
            self._deliver(function, self._event(loc, self.time.now, self.memory.head(loc).etag))
        found = parse_run_key(*loc) if loc.key.endswith(PLAN) else None
        if found and not found[0].step and found[0].run in self.runs and found[1] == PLAN:
            self.runs[found[0].run].planned = self.now

    def _note_end(self, loc: Loc) -> None:
        run, _, name = loc.key.partition("/")
        if name not in (SUCCESS, FAILURE):
            return
        self.runs[run].ends.append((name, self.now))
        if not self._to_the_last_event and all(record.ends for record in self.runs.values()):
            self.time.enough = True

    def _event(self, loc: Loc, when: float, etag: str) -> dict[str, Any]:
        self._numbers += 1
        event = event_for(loc)
        event["Records"][0]["eventTime"] = f"{datetime.fromtimestamp(when, UTC):%Y-%m-%dT%H:%M:%S.000Z}"
        event["Records"][0]["s3"]["object"] |= {"eTag": etag, "sequencer": f"{self._numbers:016x}"}
        return event

    def _deliver(self, function: str, event: dict[str, Any]) -> None:
        """Tell a function of an object: later, perhaps never, perhaps twice."""
        chance, terms = self.chance, self.terms
        if chance.random() < terms.event_losses:
            self.figures.events_lost += 1
            return
        again = chance.random() < terms.event_repeats
        self.figures.events_repeated += again
        for _ in range(1 + again):
            self.time.after(terms.event_seconds(chance), lambda: self._invoke(function, event))

    # -- Lambda -----------------------------------------------------------------------------------------------

    def _invoke(self, function: str, payload: dict[str, Any]) -> None:
        self.figures.started(function, payload)
        self.account.invoke(function, json.loads(json.dumps(payload)))  # as Lambda has it: by value

    def _lifetime(self, function: str) -> float:
        return float(getattr(self.spec.timeout, function, 900.0))

    def _work(self, event: Invocation) -> BaseException | None:
        strand = self.time.current
        self._serving[strand] = event
        try:
            runtime = self._runtime(event)
            if event.function == "coordinator":
                coordinator.handle(runtime, event.payload, "job", self.spec)
            elif event.function == "supervisor":
                self._handlers["supervisor"](runtime, event.payload, lambda: ("job", self.spec))
            else:
                self._handlers[event.function](runtime, event.payload)
        except BaseException as error:  # noqa: BLE001 - Lambda retries whatever a handler raises
            if not isinstance(error, Stopped | Killed):
                self.figures.errors.append((self.now, event.function, repr(error)))
            return error
        finally:
            del self._serving[strand]
        return None

    def _ended(self, event: Invocation, error: BaseException | None) -> None:
        self.figures.count(event, self.time.now)
        if error is not None:
            self.figures.died(event)

    def _given_up(self, event: Invocation, condition: str) -> None:
        self.figures.given_up(event, condition)

    def _runtime(self, event: Invocation) -> Runtime:
        function = _Function(self, event)
        store = FunctionStore(self.memory, self.terms, function.request, function.work, function.reads)
        return Runtime(
            store=store,
            invoker=function,
            clock=function,
            new_token=self._token,
            remaining=lambda: event.deadline - self.time.now,
            load_job=lambda _: self._job,
            disk=self._disk,
            seats=self._seats,
        )

    def _token(self) -> str:
        self._numbers += 1
        return f"{self._numbers:08x}"

    def _here(self) -> Invocation:
        assert self.time.current is not None
        return self._serving[self.time.current]

    def _sleep(self, event: Invocation, seconds: float) -> None:
        """Let time pass in a function; one whose time is up dies then, and what it does while it dies has no effect."""
        until = self.time.now + seconds
        self.time.sleep(min(until, event.deadline))
        if until > event.deadline:
            assert event.strand is not None
            event.strand.doomed = True
            raise Stopped

    _to_the_last_event = False


class _Function:
    """What one invocation sees of the world, but for the store: its clock, its invoker, and how long things take."""

    def __init__(self, world: Limited, event: Invocation) -> None:
        self._world, self._event = world, event
        self._memory = int(getattr(world.spec.memory, event.function, 256))

    def now(self) -> float:
        return self._world.time.now

    def pause(self, seconds: float) -> None:
        event = self._event
        event.pausing = self._world.time.now
        try:
            self._world._sleep(event, seconds)
        finally:
            event.waited += self._world.time.now - event.pausing
            event.pausing = None

    def work(self, seconds: float) -> None:
        """Processor seconds, at the function's share of one."""
        if seconds:
            self._world._sleep(self._event, seconds / self._world.terms.share(self._memory))

    def invoke(self, function: str, payload: dict[str, Any]) -> None:
        place, several = Loc("", function), payload.get("hop", 0) > 0  # a node starts its sub-trees together
        self.request(
            "invoke",
            place,
            lambda: self._world._invoke(function, payload),
            at_once=FIGURES.parallel_calls if several else 1,
        )

    def reads(self, loc: Loc) -> int:
        """How many reads of an object's kind the product has under way together: markers, and slices of run files."""
        if loc.key.endswith(".run"):
            return FIGURES.reads(self._memory, self._world.spec.reducers or 1)
        return FIGURES.reads(self._memory) if loc.key.endswith(DONE) else 1

    def request(self, kind: str, loc: Loc, effect: Callable[[], T], *, at_once: int = 1) -> T:
        """One request. An invocation whose time is up meanwhile may have had its effect, or not."""
        world, event = self._world, self._event
        if kind != "invoke" and world.terms.is_away(world.now):
            world._sleep(event, world.terms.patience)
            raise StoreError(f"{loc.url}: S3 is away, said the test")
        seconds = world.terms.request_seconds(world.chance, kind, self._memory, at_once)
        event.requests[kind] += kind != "invoke"
        fate = world._kill(event, kind, loc) if world._kill else None
        in_time = world.time.now + seconds <= event.deadline
        too_late = fate is None and not in_time and world.chance.random() < 0.5
        if (fate == "after" or too_late) and not self._doomed:
            effect()
        if fate:
            self._die()
        world._sleep(event, seconds)
        return effect()

    @property
    def _doomed(self) -> bool:
        return self._event.strand is None or self._event.strand.doomed

    def _die(self) -> None:
        assert self._event.strand is not None
        self._event.strand.doomed = True
        raise Killed


# -- a job whose tasks take so long -------------------------------------------------------------------------------

#: Words for each of several reduce tasks, so that none goes without.
_WORDS = 12


class Timed(Job):
    """Counts words; a map task of one line takes `params.map` virtual seconds, a reduce task `params.reduce`.

    `params.spread`: by how much of itself that varies, evenly.
    """

    cloud: Limited

    def mapper(self, _, line):  # type: ignore[no-untyped-def]
        self._take(self.params["map"])
        for word in line.split():
            yield word, 1

    reducer = Sum()

    def reducer_init(self) -> None:
        self._take(self.params["reduce"])

    def _take(self, seconds: float) -> None:
        spread = self.params.get("spread", 0.0)
        self.cloud.spend(seconds * (self.cloud.chance.uniform(1 - spread, 1 + spread) if spread else 1.0))


def timed_input(maps: int, reduces: int = 1) -> bytes:
    """An object of as many lines as there are to be map tasks, with enough words for the reduce tasks."""
    return _line(reduces) * maps


def timed_rows(maps: int, reduces: int = 1) -> list[str]:
    """What `Timed` makes of it, sorted."""
    return sorted(f"{word}\t{maps}" for word in _line(reduces).decode().split())


def timed_spec(*, reduces: int = 1, seconds: float = 1.0, spread: float = 0.0, **figures: Any) -> JobSpec:
    """The configuration under which each line is a map task."""
    return spec(
        split_size=len(_line(reduces)),
        partitions=reduces,
        reduce_size=1,
        reducers=reduces,
        params={"map": seconds, "reduce": seconds, "spread": spread},
        **figures,
    )


def _line(reduces: int) -> bytes:
    words = 8 if reduces == 1 else _WORDS * reduces
    return " ".join(f"w{number:04d}" for number in range(words)).encode() + b"\n"
