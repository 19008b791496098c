"""The simulated cloud with trouble in it: seeded, counted, in virtual time.

What AWS may do is done to it: invocations stop before and after any call, requests are refused, their answers lost
and bodies cut off, events come twice, late, in any order or never, and each function's clock is wrong.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chalicelib import Job, Sum
from chalicelib.core.errors import StoreError
from chalicelib.core.keys import DONE, parse_run_key
from chalicelib.core.ports import Loc
from chalicelib.core.spec import BadRecordsSpec, JobSpec, ShuffleSpec
from chalicelib.functions.supervision.stalled_runs import QUIET
from chalicelib.run.events import event_for
from tests.worlds.simulation import Killed, Simulation, Watched, spec

#: How probable each fault is: of a call of the store or the invoker, an invocation, or an event.
LIKELY = {
    "killed before a call": 0.03,
    "killed after a call": 0.03,
    "request refused": 0.04,
    "answer lost": 0.06,
    "body cut off": 0.1,
    "invocation doubled": 0.2,
    "event doubled": 0.3,
    "event late": 0.4,
    "event dropped": 0.4,
    "clock wrong": 1.0,
}
#: A minute either way.
_SKEW = 60.0
_LATEST = 180.0


def mixture(seed: int) -> dict[str, float]:
    """Three to nine kinds of fault at once, each more or less likely."""
    chance = random.Random(f"clouds {seed}")
    chosen = chance.sample(sorted(LIKELY), chance.randint(3, 9))
    return {kind: LIKELY[kind] * chance.uniform(0.3, 1.5) for kind in chosen}


class Words(Job):
    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        for word in line.split():
            yield word, 1

    reducer = Sum()


class Ordered(Job):
    """The values of a key reach the reducer in input order."""

    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        yield line[:2], line

    def reducer(self, initial: str, lines: Iterator[str]) -> Iterator[Any]:
        yield initial, "|".join(lines)


class Poisoned(Words):
    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        if line.startswith("w7"):
            raise ValueError("poison")
        yield from super().mapper(_, line)


class PoisonedGroups(Job):
    """A group of bad luck is set aside, too."""

    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        for word in line.split():
            yield word, 1

    def reducer(self, word: str, numbers: Iterator[int]) -> Iterator[Any]:
        if word == "w7":
            raise ValueError("poison")
        yield word, sum(numbers)


class Slow(Ordered):
    """Its user's code takes several times the life of an invocation, in map and in reduce."""

    cloud: Cloud

    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        self.cloud.time += 1.1
        yield from super().mapper(_, line)

    def reducer(self, initial: str, lines: Iterator[str]) -> Iterator[Any]:
        self.cloud.time += 3.0
        yield from super().reducer(initial, lines)


class FirstTriesFail(Words):
    """The first executions come to nothing."""

    cloud: Cloud

    def mapper_init(self) -> None:
        self.cloud.tries += 1
        if self.cloud.tries <= 4:
            raise OSError("not yet")


class ByNumber(Job):
    """The second step of two: number -> the words that come so often."""

    def mapper(self, word: str, number: int) -> Iterator[Any]:
        yield number, word

    def reducer(self, number: int, words: Iterator[str]) -> Iterator[Any]:
        yield number, "|".join(sorted(words))


class TwoSteps(Job):
    steps = (Words, ByNumber)


class Rows(Job):
    """No shuffle: every map task writes a part."""

    cloud: Cloud
    shuffle = False

    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        self.cloud.time += 1.1
        yield line, len(line)


class Fails(Words):
    """With an error that might pass, so that its tasks are tried again."""

    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        if line.startswith("w7"):
            raise OSError("boom")
        yield from super().mapper(_, line)


@dataclass(frozen=True)
class Case:
    job: type[Job]
    spec: JobSpec
    lines: int = 60
    #: Further arguments of the simulation.
    how: dict[str, Any] = field(default_factory=dict)
    #: What `_FAILED` says, of a job that cannot succeed.
    fails: str = ""
    #: The object that starts the run; a manifest holds `names`, and the text is in `folder/a.txt`.
    starts: str = "a.txt"
    names: str = ""
    #: The run stands still after its plan was written, and another object is dropped.
    stands: bool = False

    def text(self) -> bytes:
        chance = random.Random(self.lines)
        rows = [" ".join(f"w{chance.randrange(30)}" for _ in range(4)) for _ in range(self.lines)]
        return "\n".join(rows).encode()

    def expected(self) -> dict[str, str]:
        """The cells of the output by key, in plain Python."""
        rows = self.text().decode().splitlines()
        if issubclass(self.job, Rows):
            return {row: str(len(row)) for row in rows}
        if issubclass(self.job, TwoSteps):
            counts = Counter(" ".join(rows).split())
            numbers = set(counts.values())
            return {
                str(number): "|".join(sorted(word for word in counts if counts[word] == number))
                for number in numbers
            }
        if issubclass(self.job, Ordered):
            return {key: "|".join(row for row in rows if row[:2] == key) for key in {row[:2] for row in rows}}
        if issubclass(self.job, Poisoned):
            rows = [row for row in rows if not row.startswith("w7")]
        counts = Counter(" ".join(rows).split())
        if issubclass(self.job, PoisonedGroups):
            del counts["w7"]
        return {word: str(number) for word, number in counts.items()}

    def begin(self, cloud: Cloud) -> None:
        """Let what starts the run happen."""
        if self.stands:
            _let_stand(self, cloud)
            cloud.drop("b.txt", b"next\n")
            return
        if self.names:
            cloud.add("folder/a.txt", self.text())
        cloud.drop(self.starts, self.names.encode() or self.text())


def _let_stand(case: Case, cloud: Cloud) -> None:
    """Its coordinator wrote the plan and died, for good."""
    gone = Simulation(case.job, case.spec, Path(), retries=0)
    gone.when(lambda: any(name.endswith("/plan.json") for name in gone.names()), gone.kill_now)
    gone.drop(case.starts, case.text())
    gone.run()
    cloud.add(case.starts, case.text())
    for name, body in gone.objects().items():
        if name.endswith("/plan.json") and not name.endswith(("/exchange/plan.json", "/reduce/plan.json")):
            cloud.memory.put(Loc("work", name.removeprefix("work/")), body)
    cloud.time += QUIET + 1


def _case(
    job: type[Job],
    figures: dict[str, Any] | None = None,
    *,
    fails: str = "",
    starts: str = "a.txt",
    names: str = "",
    stands: bool = False,
    **how: Any,
) -> Case:
    plain: dict[str, Any] = {"split_size": 200, "partitions": 4, "reduce_size": 1, "max_attempts": 20}
    if FORCED:
        plain |= TWO_LEVELS
    return Case(
        job,
        spec(**{**plain, **(figures or {})}),
        how=how,
        fails=fails,
        starts=starts,
        names=names,
        stands=stands,
    )


ASIDE = BadRecordsSpec(policy="quarantine", max=1000, max_fraction=1.0)
#: Every case has two levels of shuffle.
FORCED = os.environ.get("SHUFFLE_LEVELS") == "2"
TWO_LEVELS = {"shuffle": ShuffleSpec(levels="2")}
#: One map task, and one reduce task. Where nobody stays, what Lambda gives up on ends runs by design (see
#: tests/features/test_seats.py): so many deliveries that no number of faults uses them up.
SMALL = {"split_size": 1 << 20, "partitions": 1, "reduce_size": 1 << 20}

CASES = {
    "words": _case(Words),
    "ordered": _case(Ordered),
    "poisoned": _case(Poisoned, {"bad_records": ASIDE}),
    "poisoned groups, all twice": _case(PoisonedGroups, {"bad_records": ASIDE}, duplicates=True, seed=3),
    "spilling": _case(Words, {"memory_budget": 2000}),
    "out of time": _case(Slow, {"split_size": 400}, lifetime=10.0, supervisor_lifetime=300.0),
    "out of time, all twice": _case(
        Slow, {"split_size": 400}, lifetime=10.0, supervisor_lifetime=300.0, duplicates=True, seed=3
    ),
    "out of time, all twice, nobody stays": _case(
        Slow, {"split_size": 400}, lifetime=10.0, seats=0, retries=24, duplicates=True, seed=3
    ),
    "two steps": _case(TwoSteps),
    "rows alone": _case(Rows),
    "rows out of time": _case(Rows, {"split_size": 400}, lifetime=10.0, supervisor_lifetime=300.0),
    "handed over": _case(Words, supervisor_lifetime=26.0, slow={"mapper": 12.0}),
    "first tries fail": _case(FirstTriesFail),
    "all twice": _case(Words, duplicates=True, seed=3),
    "by a manifest": _case(
        Words,
        {"trigger": "marker", "params": {"long": "x" * 100_000}},
        starts="b.manifest",
        names="data/folder/",
    ),
    "stands still": _case(Words, stands=True),
    "two levels": _case(Ordered, {**TWO_LEVELS, "split_size": 300}),
    "two levels, nobody stays": _case(Words, {**TWO_LEVELS, "split_size": 300}, seats=0, retries=24),
    "two levels, streamed, all twice": _case(
        TwoSteps, {**TWO_LEVELS, "split_size": 400, "memory_budget": 100}, duplicates=True, seed=5
    ),
    "small": _case(Ordered, SMALL, seats=0, retries=24),
    "small, all twice": _case(Words, SMALL, seats=0, retries=24, duplicates=True, seed=3),
    "small, poisoned": _case(PoisonedGroups, {**SMALL, "bad_records": ASIDE}, seats=25, retries=24),
    "small, rows alone": _case(Rows, SMALL, seats=0, retries=24),
    "small, out of time": _case(Slow, SMALL, seats=0, retries=24, lifetime=10.0, supervisor_lifetime=300.0),
    "small, first tries fail": _case(FirstTriesFail, SMALL, seats=0, retries=24),
    "small, several reducers": _case(
        Words, {**SMALL, "reduce_size": 1, "partitions": 4}, seats=0, retries=24
    ),
    "small, fails": _case(Fails, {**SMALL, "max_attempts": 3}, seats=0, retries=24, fails="OSError: boom"),
    "fails": _case(Fails, {"max_attempts": 3}, fails="OSError: boom"),
    "refused": _case(
        Words, {"trigger": "marker"}, starts="b.manifest", names="data/nowhere", fails="data/nowhere"
    ),
}


class Cloud(Simulation):
    """A case's job in a simulated cloud of its own; `place` is a folder for spills."""

    def __init__(self, case: Case, place: Path, seed: int | None = None, **how: Any) -> None:
        #: Executions so far, of a job that counts them.
        self.tries = 0
        job = type("Here", (case.job,), {"cloud": self})
        figures = {**case.how, **how}
        if seed is not None:
            figures["seed"] = seed
        super().__init__(job, case.spec, place, **figures)


class Troubled(Cloud):
    """Up to `limit` faults by `likely`. At most two hit the coordinator: Lambda tries it three times, and then
    nobody knows of the run yet."""

    def __init__(
        self, case: Case, place: Path, seed: int, likely: dict[str, float], *, limit: int = 24, **how: Any
    ) -> None:
        self.injected: Counter[str] = Counter()
        self._likely = likely
        self._limit = limit
        self._chance = random.Random(f"trouble {seed}")
        self._functions: list[str] = []
        self._spared = 2
        super().__init__(case, place, seed, **how)

    def calm(self) -> None:
        """No trouble any more."""
        self._limit = 0

    def happens(self, kind: str) -> bool:
        rate = self._likely.get(kind, 0.0)
        if (
            self._chance.random() >= rate
            or self.injected.total() - self.injected["clock wrong"] >= self._limit
        ):
            return False
        if self._functions and self._functions[-1] == "coordinator" and kind != "clock wrong":
            if not self._spared:
                return False
            self._spared -= 1
        self.injected[kind] += 1
        return True

    def call(self, effect: Callable[[], Any]) -> Any:
        if self.happens("killed before a call"):
            raise Killed
        if self.happens("request refused"):
            raise StoreError("SlowDown (503), said the test")
        result = super().call(effect)
        if self.happens("killed after a call"):
            raise Killed
        if self.happens("answer lost"):
            raise StoreError("the connection was closed before the answer came, said the test")
        return result

    def watched(self) -> Any:
        return _Watched(self)

    def clock(self) -> Any:
        wrong = self._chance.uniform(-_SKEW, _SKEW) if self.happens("clock wrong") else 0.0
        return _WrongClock(self, wrong)

    def deliver(self, function: str, payload: dict[str, Any]) -> None:
        super().deliver(function, payload)
        if function != "coordinator" and self.happens("invocation doubled"):
            super().deliver(function, payload)

    def _created(self, loc: Loc) -> None:
        if not parse_run_key(*loc) or not loc.key.endswith(DONE) or self.happens("event dropped"):
            return
        for _ in range(1 + self.happens("event doubled")):
            call = ("supervisor", event_for(loc), 0)
            if self.happens("event late"):
                self._later.append((self.time + self._chance.uniform(0.0, _LATEST), call))
            else:
                self._queue.append(call)

    def _handle(self, function: str, payload: dict[str, Any]) -> None:
        self._functions.append(function)
        try:
            super()._handle(function, payload)
        finally:
            self._functions.pop()


class _Watched(Watched):
    def stream(self, *args: Any, **kwargs: Any) -> Iterator[bytes]:
        chunks = list(super().stream(*args, **kwargs))
        if chunks and self._simulation.happens("body cut off"):
            yield from chunks[: len(chunks) // 2]
            raise StoreError("the body ended early, said the test")
        yield from chunks


class _WrongClock:
    def __init__(self, simulation: Simulation, wrong: float) -> None:
        self._simulation = simulation
        self._wrong = wrong

    def now(self) -> float:
        return self._simulation.time + self._wrong

    def pause(self, seconds: float) -> None:
        self._simulation.pause(seconds)
