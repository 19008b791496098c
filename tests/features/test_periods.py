"""`trigger: every`: each object in exactly one run, whatever becomes of ticks, invocations and listings."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chalicelib import Job, Sum
from chalicelib.core.keys import SUCCESS, TOTALS, RunKeys
from chalicelib.core.messages import decode
from chalicelib.core.plan import Plan
from chalicelib.core.plan_file import read_head, read_tasks
from chalicelib.core.ports import Loc, ObjectInfo
from chalicelib.core.spec import JobSpec
from chalicelib.core.totals import Shown
from chalicelib.run.events import put_again
from scripts.submitting.again import same_objects
from tests.worlds.simulation import IN, OUT, Killed, Simulation, Watched, spec

TICK = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}


class Lines(Job):
    """A line is an object's name and version: how often was it read?"""

    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        yield line, 1

    reducer = Sum()


def every(**figures: Any) -> JobSpec:
    return spec(trigger="every 15m", split_size=1 << 20, partitions=1, **figures)


class Clocked(Simulation):
    """A simulation that the clock also starts; `late` has the objects that no listing shows yet."""

    def __init__(self, place: Path, job_spec: JobSpec | None = None, **how: Any) -> None:
        super().__init__(Lines, job_spec or every(), place, **how)
        self.late: set[str] = set()

    def tick(self) -> None:
        self.deliver("scheduler", TICK)

    def put(self, name: str, version: int = 0) -> str:
        """Put an object that says its own name; what was put."""
        line = f"{name} {version}"
        self.add(name, f"{line}\n".encode())
        return line

    def watched(self) -> Any:
        return _Late(self)

    def runs(self) -> dict[str, Counter[str]]:
        """What each run that has succeeded has read, by its results, in plain Python."""
        found: dict[str, Counter[str]] = {}
        for info in self.memory.list(OUT):
            run, _, name = info.key.partition("/")
            if name == SUCCESS:
                found.setdefault(run, Counter())
            elif name.startswith("part-"):
                rows = self.memory.get(Loc("out", info.key)).decode().splitlines()
                found.setdefault(run, Counter()).update({k: int(v) for k, v in (r.split("\t") for r in rows)})
        return found

    def read(self) -> Counter[str]:
        """How often each line was read, over all runs."""
        return sum(self.runs().values(), Counter())


class _Late(Watched):
    """Listings of the input do not show what is late."""

    def list(self, prefix: Loc, after: str = "") -> Iterator[ObjectInfo]:
        late = self._simulation.late  # type: ignore[attr-defined]
        rows = super().list(prefix, after)
        return (info for info in rows if prefix.bucket != "in" or info.key not in late)


def test_a_run_is_over_what_is_new_since_the_last(tmp_path: Path) -> None:
    world = Clocked(tmp_path)
    world.put("a"), world.put("b")
    world.tick()
    world.run()
    world.time += 900
    world.put("c"), world.put("_hidden"), world.put("x.manifest/"), world.put("b", 1)
    world.tick()
    world.run()
    assert not world.errors
    assert sorted(map(sorted, world.runs().values())) == [["a 0", "b 0"], ["b 1", "c 0"]]


def test_where_nothing_is_new_nothing_runs_and_nothing_is_written(tmp_path: Path) -> None:
    world = Clocked(tmp_path)
    world.tick()
    world.run()
    assert world.names() == []
    world.put("a")
    world.tick()
    world.run()
    world.tick()  # notes that the run has begun
    world.run()
    before = world.objects()
    world.time += 900
    world.tick()
    world.run()
    assert world.objects() == before
    assert len(world.runs()) == 1


class Troubled(Clocked):
    """Ticks come twice or never, events of the coordinator are lost, calls are refused, and whoever makes one dies."""

    def __init__(self, place: Path, seed: int) -> None:
        super().__init__(place, every(max_attempts=20), seed=seed, retries=6)
        self.chance = random.Random(f"periods {seed}")
        self.calm = False
        self.injected: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()

    def happens(self, kind: str, rate: float) -> bool:
        struck = not self.calm and self.chance.random() < rate
        self.injected[kind] += struck
        return struck

    def call(self, effect: Any) -> Any:
        if self.happens("killed before a call", 0.03):
            raise Killed
        result = super().call(effect)
        if self.happens("killed after a call", 0.03):
            raise Killed
        return result

    def deliver(self, function: str, payload: dict[str, Any]) -> None:
        if function in ("scheduler", "coordinator"):
            #: One of each for certain, others by chance.
            self.sent[function] += 1
            if self.happens(f"lost for the {function}", 1.0 if self.sent[function] == 3 else 0.2):
                return
            for _ in range(
                self.happens(f"twice for the {function}", 1.0 if self.sent[function] == 2 else 0.4)
            ):
                super().deliver(function, payload)
        super().deliver(function, payload)


@pytest.mark.parametrize("seed", range(3))
def test_300_objects_over_ten_periods_are_each_in_exactly_one_run(tmp_path: Path, seed: int) -> None:
    world = Troubled(tmp_path, seed)
    chance, put, number = random.Random(seed), [], 0
    for _ in range(10):
        came = {f"{chance.randrange(4)}/{chance.randrange(10**6):06d}-{number + n}" for n in range(30)}
        number += len(came)
        read = world.read()
        #: Some are written over what was read already, some are deleted, and some no listing of this period shows: new
        #: ones, which then come late with an older time, and such as were read before.
        old = [line.split()[0] for line in sorted(read) if line.endswith(" 0")]
        for name in chance.sample(old, min(3, len(old))):
            if f"{name} 1" not in put:
                put.append(world.put(name, 1))
        gone = [line.split()[0] for line in sorted(read) if line.endswith(" 1")][:1]
        world.memory.delete("in", [IN.child(name).key for name in gone])
        put += [world.put(name) for name in sorted(came)]
        missing = [line.split()[0] for line in chance.sample(sorted(read), min(5, len(read)))]
        world.late = {IN.child(name).key for name in (*chance.sample(sorted(came), 8), *missing)}
        world.tick()
        world.run()
        world.time += 900
    world.late, world.calm = set(), True
    for _ in range(3):
        world.tick()
        world.run()
        world.time += 900
    assert number == 300
    assert world.read() == Counter(put)
    assert len(world.runs()) > 3
    assert all(world.injected.values()), world.injected


class Ticking(Clocked):
    """Notes which calls a scheduler made."""

    def __init__(self, place: Path, **how: Any) -> None:
        super().__init__(place, **how)
        self.of_ticks: list[int] = []
        self._ticking = False

    def _handle(self, function: str, payload: dict[str, Any]) -> None:
        self._ticking = function == "scheduler"
        super()._handle(function, payload)

    def call(self, effect: Any) -> Any:
        if self._ticking:
            self.of_ticks.append(self.calls + 1)
        return super().call(effect)


def test_a_tick_that_dies_at_any_call_or_comes_twice_makes_no_difference(tmp_path: Path) -> None:
    def story(kill_at: int = 0, before: bool = False) -> Ticking:
        """New objects, none, one that is overwritten; each tick comes twice, and two more follow."""
        world = Ticking(tmp_path, kill_at=[kill_at], before=before, retries=0)
        for names in ("ab", "", "c", "", ""):
            for name in names:
                world.put(name)
            world.tick(), world.tick()
            world.run()
            world.time += 900
        return world

    calm = story()
    assert calm.read() == Counter({"a 0": 1, "b 0": 1, "c 0": 1})
    assert len(calm.of_ticks) > 30
    for number in calm.of_ticks:
        for before in (True, False):
            world = story(number, before)
            assert world.killed == ["scheduler"]
            assert world.read() == calm.read(), (number, before)


@pytest.mark.parametrize("first", range(1, 12))
def test_of_ticks_at_the_same_moment_one_takes_what_is_new(tmp_path: Path, first: int) -> None:
    """A second tick runs to its end before some call of the first."""
    world = Clocked(tmp_path)
    world.put("a")
    world.tick()
    world.at_call(first, lambda: world._handle("scheduler", TICK))
    world.run()
    world.tick()
    world.run()
    assert world.read() == Counter({"a 0": 1})
    for name in "bcd":  # what the slower one wrote in vain goes with what nobody needs any more
        world.put(name)
        world.tick()
        world.run()
    assert len([name for name in world.names() if "taken/" in name]) == 2


def test_an_object_that_a_period_could_not_read_is_named_by_its_run(tmp_path: Path) -> None:
    world = Clocked(tmp_path)
    world.put("a"), world.put("b")
    world.tick()
    world.when(lambda: any("plan.json" in name for name in world.names()), lambda: world.put("a", 1))
    world.run()
    assert world.runs() == {}
    (period,) = [name for name in world.names() if name.endswith(".period")]
    failed = next(name for name in world.names() if name.endswith("_FAILED"))
    plan = read_head(world.memory, RunKeys(Loc("work", ""), "job", failed.split("/")[1]))
    assert plan.source == f"s3://{period}"
    named = [
        split.loc.key
        for task in read_tasks(world.memory, plan_keys(plan), plan, 0, plan.tasks)
        for split in task
    ]
    assert named == ["data/a", "data/b"]
    job: Any = SimpleNamespace(spec=world.spec)
    selection, _ = same_objects(world.memory, job, plan_keys(plan))
    assert (selection.starting, selection.objects) == (((Loc("work", period[5:]), ""),), 2)
    # Again, over what is still as it was; the next period has the later version.
    period_loc = Loc("work", period.removeprefix("work/"))
    world.deliver("coordinator", put_again(period_loc, "", world.time, "again"))
    world.run()
    assert world.read() == Counter({"b 0": 1})
    world.tick()
    world.run()
    assert world.read() == Counter({"b 0": 1, "a 1": 1})


def test_a_period_that_is_given_again_and_of_which_nothing_is_left_is_a_run_over_nothing(
    tmp_path: Path,
) -> None:
    world = Clocked(tmp_path)
    world.put("a")
    world.tick()
    world.when(lambda: any("plan.json" in name for name in world.names()), lambda: world.put("a", 1))
    world.run()
    (period,) = [name.removeprefix("work/") for name in world.names() if name.endswith(".period")]
    world.deliver("coordinator", put_again(Loc("work", period), "", world.time, "again"))
    world.run()
    assert list(world.runs().values()) == [Counter()]


def plan_keys(plan: Plan) -> RunKeys:
    return RunKeys(plan.work, plan.job, plan.run)


class Short(Clocked):
    """A tick has time for some rows of the listing."""

    rows = 3

    def watched(self) -> Any:
        return _Slow(self)


class _Slow(Watched):
    def list(self, prefix: Loc, after: str = "") -> Iterator[ObjectInfo]:
        for info in super().list(prefix, after):
            if prefix.bucket == "in":
                self._simulation.time += 300 / Short.rows
            yield info


def test_a_tick_without_time_for_all_goes_on_where_it_ended(tmp_path: Path) -> None:
    world = Short(tmp_path)
    put = [world.put(f"{number:02d}") for number in range(10)]
    for _ in range(12):
        world.tick()
        world.run()
    assert world.read() == Counter(put)
    assert max(map(len, world.runs().values())) <= Short.rows
    put.append(world.put("00a"))
    for _ in range(12):
        world.tick()
        world.run()
    assert world.read() == Counter(put)


def test_with_accumulate_each_period_brings_the_totals_up_to_date(tmp_path: Path) -> None:
    world = Clocked(tmp_path, every(accumulate=True), duplicates=True)
    for number in range(4):
        world.put(f"a{number}")
        world.add("_same" if number == 2 else f"b{number}", b"same\n")
        world.tick()
        world.run()
        world.time += 900
    assert not world.errors
    shown = decode(Shown, world.memory.get(Loc("out", TOTALS)), TOTALS)
    text = b"".join(world.memory.get(Loc("out", part.key)) for part in shown.parts).decode()
    assert text.splitlines() == ["a0 0\t1", "a1 0\t1", "a2 0\t1", "a3 0\t1", "same\t3"]
