"""A shuffle of two levels: the same bytes as with one, so many requests, and no kill that changes anything."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from math import ceil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib import Avg, Job, Range, Sum
from chalicelib.core.keys import RunKeys
from chalicelib.core.messages import decode
from chalicelib.core.outcome import Manifest
from chalicelib.core.plan_file import read_head
from chalicelib.core.ports import Loc, ObjectWriter
from chalicelib.core.spec import JobSpec, MemorySpec, ShuffleSpec, SqlSpec
from chalicelib.core.tasks import ExchangePlan, ReducePlan
from chalicelib.functions.stop import stop
from chalicelib.functions.supervision.may_exchange import may_exchange
from chalicelib.job.load_class import job_loader
from chalicelib.run.status.attempts import read_history
from chalicelib.run.status.collect import collect, list_runs
from chalicelib.stores.memory import MemoryStore
from scripts.console.progress import picture
from scripts.reporting.columns import columns
from scripts.reporting.spent import by_part
from tests.worlds.simulation import SCRATCH, WORK, Killed, Simulation, spec

ONE, TWO = ShuffleSpec(levels="1"), ShuffleSpec(levels="2")


class Words(Job):
    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        for word in line.split():
            yield word, 1

    reducer = Sum()


class Averages(Job):
    """States that are no numbers; the keys are tuples."""

    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        yield (len(line) % 7, line[:1]), len(line)

    reducer = Avg()


class Lines(Job):
    """Values reach the reducer in input order, and the reducer sees all of them."""

    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        yield len(line) % 5, line

    def reducer(self, length: int, lines: Iterator[str]) -> Iterator[Any]:
        yield length, list(lines)


class Sorted(Job):
    """All keys of a part come before those of the next, and values of one key in an order of their own."""

    partitioner = Range()
    sort_values = True

    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        yield line[:2], line

    def reducer(self, initial: str, lines: Iterator[str]) -> Iterator[Any]:
        yield initial, list(lines)


class Blocks(Job):
    def mapper_chunk(self, lines: list[str]) -> Iterator[Any]:
        yield from Counter(line[:1] for line in lines).items()

    def combiner(self, key: str, numbers: Iterator[int]) -> Iterator[Any]:
        yield key, sum(numbers)

    def reducer(self, key: str, numbers: Iterator[int]) -> Iterator[Any]:
        yield key, sum(numbers)


class ByNumber(Job):
    def mapper(self, word: str, number: int) -> Iterator[Any]:
        yield number, word

    def reducer(self, number: int, words: Iterator[str]) -> Iterator[Any]:
        yield number, sorted(words)


class Twice(Job):
    steps = (Words, ByNumber)


SQL = SqlSpec(map="SELECT line[1:2] AS a, count(*) AS n FROM input GROUP BY 1", key="a",
              reduce="SELECT a, sum(n)::BIGINT AS n FROM shuffled GROUP BY a")  # fmt: skip


def ran(job: type[Job], text: bytes, levels: ShuffleSpec = TWO, **figures: Any) -> Simulation:
    how = {name: figures.pop(name) for name in ("seats", "name") if name in figures}
    name = how.pop("name", "job:Job")
    world = Simulation(job, spec(name, shuffle=levels, **figures), SCRATCH, **how)
    world.drop("a.txt", text)
    world.run()
    assert not world.errors
    return world


def manifest(world: Simulation) -> Manifest:
    return decode(Manifest, world.output()["_manifest.json"], "_manifest.json")


def results(world: Simulation) -> dict[str, bytes]:
    return {name: body for name, body in world.output().items() if "part-" in name}


def run_keys(world: Simulation) -> RunKeys:
    (keys,) = list_runs(world.memory, WORK, "job")
    return keys


# ---------------------------------------------------------------------------------------------------
# The same bytes

LINES = st.lists(st.text("abcd \u00e9", min_size=1, max_size=12), min_size=1, max_size=60)


@settings(max_examples=40, deadline=None)
@given(
    job=st.sampled_from([Words, Averages, Lines, Sorted, Blocks, Twice]),
    lines=LINES,
    split_size=st.sampled_from([20, 100, 1 << 20]),
    partitions=st.integers(1, 9),
    reduce_size=st.sampled_from([1, 200, 1 << 20]),
    budget=st.sampled_from([None, 300, 3000]),
    seats=st.sampled_from([None, 0]),
)
def test_the_same_bytes_with_one_level_and_with_two(
    job: type[Job],
    lines: list[str],
    split_size: int,
    partitions: int,
    reduce_size: int,
    budget: int | None,
    seats: int | None,
) -> None:
    text = "\n".join(lines).encode()
    figures = {"split_size": split_size, "partitions": partitions, "reduce_size": reduce_size}
    figures |= {"memory_budget": budget, "seats": seats, "output": {"format": "jsonl"}}
    one, two = ran(job, text, ONE, **figures), ran(job, text, **figures)
    assert results(one) == results(two)
    assert manifest(one).exchange_tasks == 0
    assert manifest(two).exchange_tasks > 0
    told, usually = manifest(two), manifest(one)
    assert (told.parts, told.records, told.reduce_tasks) == (
        usually.parts,
        usually.records,
        usually.reduce_tasks,
    )
    assert (
        told.reduced.bytes_in
        == usually.reduced.bytes_in
        == told.exchanged.bytes_in
        == told.exchanged.bytes_out
    )


@pytest.mark.parametrize("budget", [None, 800])
def test_the_same_bytes_in_sql(budget: int | None) -> None:
    """Each run file's partition is a table of its own; they come in the same order."""
    text = b"".join(b"%05x\n" % (number**3 % 65536) for number in range(400))
    figures = {"name": "", "sql": SQL, "input": {"columns": "line VARCHAR"}, "split_size": 600}
    figures |= {"partitions": 4, "reduce_size": 1, "memory_budget": budget}
    one, two = ran(Words, text, ONE, **figures), ran(Words, text, **figures)
    assert results(one) == results(two)
    assert manifest(two).exchange_tasks > 1
    assert manifest(two).records == 16


def test_totals_are_the_same() -> None:
    found = []
    for levels in (ONE, TWO):
        job_spec = spec(shuffle=levels, accumulate=True, split_size=40, partitions=4, reduce_size=1)
        world = Simulation(Words, job_spec, SCRATCH)
        for number, text in enumerate((b"a b c\nb c d\n" * 9, b"c d e\nf g h\n" * 9)):
            world.drop(f"{number}.txt", text)
            world.run()
        assert not world.errors
        keys = sorted({key.rpartition("/")[0] for key in world.objects() if key.endswith("/_SUCCESS")})
        parts = [
            body
            for key, body in sorted(world.objects().items())
            if key.startswith(tuple(keys)) and "/part-" in key
        ]
        found.append(parts)
    assert found[0] == found[1]


# ---------------------------------------------------------------------------------------------------
# What it takes


class _Counting(MemoryStore):
    """Counts what is done to run files, by the phase whose they are."""

    def __init__(self, world: Simulation) -> None:
        super().__init__(now=world.now, on_created=world._created)
        self.run_files: Counter[tuple[str, str]] = Counter()

    def _count(self, kind: str, loc: Loc) -> None:
        if loc.key.endswith(".run"):
            self.run_files[loc.key.split("/")[-2], kind] += 1

    def get(self, loc: Loc, start: int = 0, stop: int | None = None, etag: str | None = None) -> bytes:
        self._count("get", loc)
        return super().get(loc, start, stop, etag)

    def writer(self, loc: Loc, if_absent: bool = False, mark: str = "") -> ObjectWriter:
        self._count("put", loc)
        return super().writer(loc, if_absent, mark)


@pytest.mark.parametrize(("lines", "partitions"), [(24, 16), (40, 9), (30, 36)])
def test_requests_follow_the_formula(lines: int, partitions: int) -> None:
    """M map tasks, R reduce tasks, J = sqrt(R) and G = min(R, M) / J groups: M x J reads and then R x G."""
    text = b"".join(b" ".join(b"%05x" % (n * n + line) for n in range(200)) + b"\n" for line in range(lines))
    figures = {"split_size": len(text) // lines, "partitions": partitions, "reduce_size": 1}
    world = Simulation(Words, spec(shuffle=TWO, **figures), SCRATCH)
    world.memory = store = _Counting(world)
    world.drop("a.txt", text)
    world.run()
    told = manifest(world)
    maps, reduces = told.map_tasks, told.reduce_tasks
    columns = ceil(reduces**0.5)
    rows = ceil(min(maps, reduces) / columns)
    assert (maps, reduces, told.exchange_tasks) == (lines, partitions, rows * columns)
    # Words are spread evenly enough here that every run file has something for every reduce task.
    assert store.run_files == {
        ("map", "put"): maps,
        ("map", "get"): maps * columns,
        ("exchange", "put"): rows * columns,
        ("exchange", "get"): reduces * rows,
    }
    assert told.exchanged.puts == rows * columns
    assert told.exchanged.gets == maps * columns + rows * columns  # and the index


def test_a_run_that_cannot_come_to_have_one_asks_for_nothing_more() -> None:
    text = b"to be or not to be\n" * 40
    found = [ran(Words, text, levels, split_size=100).memory.requests for levels in (ONE, ShuffleSpec())]
    assert found[0] == found[1]


@pytest.mark.slow
def test_a_large_run_has_two_levels_by_itself() -> None:
    """And one that turns out to shuffle little has one, which its exchange plan says."""
    lines = [b"%s\n" % b" ".join(b"%04x" % (n * n + line) for n in range(30)) for line in range(270)]
    figures = {"split_size": len(lines[-1]), "partitions": 60, "reduce_size": 1, "seats": 25}
    #: Slow to ask for anything.
    figures["memory"] = MemorySpec(reducer=128, supervisor=1024)
    world = ran(Words, b"".join(lines), ShuffleSpec(), **figures)
    told = manifest(world)
    assert (told.map_tasks, told.reduce_tasks, told.exchange_tasks) == (270, 60, 64)
    little = ran(Words, b"".join(lines), ShuffleSpec(), **{**figures, "reduce_size": 1 << 30})
    assert manifest(little).exchange_tasks == 0
    keys = run_keys(little)
    plan = decode(ExchangePlan, little.memory.get(keys.exchange_plan), "")
    assert (plan.tasks, read_head(little.memory, keys).exchange) == (0, True)
    assert plan.reduce == decode(ReducePlan, little.memory.get(keys.reduce_plan), "")
    words = Counter(b"".join(lines).decode().split())
    for made in (world, little):
        assert {
            row.split("\t")[0]: int(row.split("\t")[1]) for row in made.text().decode().splitlines()
        } == words


def test_where_nobody_waits_for_requests_there_is_one_level() -> None:
    world = Simulation(Words, spec(), SCRATCH)
    runtime = type("Here", (), {"seats": None})
    assert not may_exchange(runtime, world.spec)(100_000, 4096)  # type: ignore[arg-type]
    runtime.seats = 0  # type: ignore[attr-defined]
    assert may_exchange(runtime, world.spec)(100_000, 4096)  # type: ignore[arg-type]


# ---------------------------------------------------------------------------------------------------
# Killed three times in a row, and for good

TEXT = b"".join(b"w%d w%d w%d\n" % (n % 7, n % 11, n % 13) for n in range(60))
FIGURES = {"split_size": 200, "partitions": 4, "reduce_size": 1}


class _Deadly(Simulation):
    """Stops `deaths` invocations in a row of what `whose` says: the first at its `number`-th call.

    A supervisor's calls count from the time on when all map tasks are done, over all of its invocations.
    """

    def __init__(self, whose: str, number: int, deaths: float, *, early: bool, seats: int | None = 0) -> None:
        super().__init__(Words, spec(shuffle=TWO, **FIGURES), SCRATCH, seats=seats)
        self._whose, self._number, self._deaths, self._early = whose, number, deaths, early
        self._running: list[str] = []
        self.count = self.died = 0

    def _handle(self, function: str, payload: dict[str, Any]) -> None:
        self._running.append("exchange" if payload.get("exchange") else function)
        if self._whose == "exchange":
            self.count = 0
        try:
            super()._handle(function, payload)
        finally:
            self._running.pop()

    @property
    def _counts(self) -> bool:
        if self._running[-1:] != [self._whose]:
            return False
        if self._whose == "exchange":
            return True
        done = [key for key in self.work() if "/map/" in key and key.endswith(".done")]
        return len(done) == MAPS and not any(key.endswith("reduce/started") for key in self.work())

    def call(self, effect: Callable[[], Any]) -> Any:
        if not self._counts:
            return super().call(effect)
        self.count += 1
        due = self.count == self._number or (self.died and self._whose == "supervisor")
        if not due or self.died >= self._deaths:
            return super().call(effect)
        self.died += 1
        if not self._early:
            with suppress(Exception):  # it dies whatever came of the call
                super().call(effect)
        raise Killed


def deadly(whose: str, number: int, deaths: float, *, early: bool, seats: int | None = 0) -> _Deadly:
    world = _Deadly(whose, number, deaths, early=early, seats=seats)
    world.drop("a.txt", TEXT)
    world.run()
    return world


MAPS = 3
CALM = ran(Words, TEXT, ONE, **FIGURES)


@cache
def calls(whose: str) -> int:
    """How many calls there are at which it may be stopped."""
    world = _Deadly(whose, 0, 0, early=True)
    most = 0

    class Told(type(world)):  # type: ignore[misc]
        def call(self, effect: Callable[[], Any]) -> Any:
            nonlocal most
            try:
                return super().call(effect)
            finally:
                most = max(most, self.count)

    told = Told(whose, 0, 0, early=True)
    told.drop("a.txt", TEXT)
    told.run()
    assert manifest(told).map_tasks == MAPS
    return most


def test_an_exchange_task_makes_these_calls() -> None:
    """Plan, exchange plan, index, two run files, its own run file, its marker; the root of the tree calls others."""
    assert calls("exchange") >= 7
    assert calls("supervisor") > 30


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("number", range(1, calls("exchange") + 1))
def test_three_deaths_in_a_row_of_an_exchange_task_change_nothing(number: int, early: bool) -> None:
    """Lambda gives the event up; a supervisor is told, and a second attempt goes on."""
    world = deadly("exchange", number, 3, early=early)
    assert world.killed == ["reducer"] * 3
    assert results(world) == results(CALM)
    assert "_SUCCESS" in world.output()


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("number", range(1, calls("supervisor") + 1))
def test_three_deaths_in_a_row_of_supervisors_change_nothing(number: int, early: bool) -> None:
    """At every call from the last map task's marker to the first reduce task."""
    world = deadly("supervisor", number, 3, early=early)
    assert set(world.killed) == {"supervisor"}
    assert results(world) == results(CALM)
    assert "_SUCCESS" in world.output()


@pytest.mark.parametrize("seed", range(9))
def test_events_in_any_order_and_twice_change_nothing(seed: int) -> None:
    figures = {"seats": (None, 0, 1)[seed % 3], "seed": seed, "duplicates": True}
    world = Simulation(Words, spec(shuffle=TWO, **FIGURES), SCRATCH, **figures)
    world.drop("a.txt", TEXT)
    world.run()
    assert results(world) == results(CALM)
    assert "_SUCCESS" in world.output()


@pytest.mark.parametrize("number", range(60, 190, 9))
def test_all_that_happens_at_once_at_a_call_of_any_invocation_is_seen(number: int) -> None:
    """Whoever finds the lease held leaves it at that, so the holder has to look again."""
    world = Simulation(Words, spec(shuffle=TWO, **FIGURES), SCRATCH, seats=0)
    world.at_call(number, world.run)
    world.drop("a.txt", TEXT)
    world.run()
    assert results(world) == results(CALM)
    assert "_SUCCESS" in world.output()


@pytest.mark.parametrize("seats", [None, 0])
def test_an_exchange_task_that_always_dies_ends_its_run(seats: int | None) -> None:
    """And says which task it was; where somebody waits, the silence tells."""
    world = deadly("exchange", 3, float("inf"), early=True, seats=seats)
    assert "_SUCCESS" not in world.output()
    failed = world.output()["_FAILED"].decode()
    assert "exchange task " in failed
    found = collect(world.memory, run_keys(world), now=world.time, max_markers=9)
    assert found.phase == "failed"


# ---------------------------------------------------------------------------------------------------
# While it is under way


def under_way(until: str, seats: int = 0) -> Simulation:
    """Everything has stopped when there is an object whose name ends so."""
    world = Simulation(Words, spec(shuffle=TWO, **FIGURES), SCRATCH, seats=seats, retries=0, reports=False)
    world.when(lambda: any(key.endswith(until) for key in world.work()), world._queue.clear)
    world.when(lambda: any(key.endswith(until) for key in world.work()), world.kill_now)
    world.drop("a.txt", TEXT)
    world.run()
    return world


def test_status_tells_of_the_phase() -> None:
    world = under_way("exchange/00002.done")
    found = collect(world.memory, run_keys(world), now=world.time, max_markers=9)
    assert found.exchange is not None
    assert (found.phase, found.map.done, found.exchange.total) == ("exchanging", MAPS, 4)
    assert found.exchange.done
    assert 0 < found.exchange.measured <= found.exchange.done
    done = ran(Words, TEXT, **FIGURES)
    ended = collect(done.memory, run_keys(done), now=done.time)
    assert ended.exchange is not None
    assert (ended.phase, ended.exchange.done, ended.exchange.total, ended.exchange.measured) == (
        "succeeded",
        4,
        4,
        4,
    )
    assert ended.exchange.stats == manifest(done).exchanged
    assert ended.cost_parts is not None
    assert sum(part.dollars for part in by_part(ended)) == pytest.approx(ended.cost_parts.total)
    shown = "".join(text for line in picture(ended, terminal=False) for text, _ in line)
    assert re.search(r"exchange .* 4/4 tasks", shown), shown
    calm = collect(CALM.memory, run_keys(CALM), now=CALM.time)
    assert calm.exchange is None


def test_the_report_has_the_phase_between_the_others() -> None:
    world = ran(Words, TEXT, **FIGURES)
    history = read_history(world.memory, run_keys(world), ended=True)
    assert Counter(attempt.phase for attempt in history.attempts) == {"map": MAPS, "exchange": 4, "reduce": 4}
    assert {attempt.outcome for attempt in history.attempts} == {"done"}
    assert columns(history, 0.0, 1.0)["groups"] == ["map", "exchange", "reduce"]
    calm = read_history(CALM.memory, run_keys(CALM), ended=True)
    assert columns(calm, 0.0, 1.0)["groups"] == ["map", "reduce"]


@pytest.mark.parametrize(
    "until", ["exchange/plan.json", "exchange/started", "exchange/00001.done", "exchange/index.000000"]
)
def test_a_run_that_is_stopped_there_commits_nothing_more(until: str) -> None:
    world = under_way(until)
    keys = run_keys(world)
    _, verdict = stop(world.memory, keys, "alice", "too dear", world.time)
    assert verdict.stopped is not None
    before = {key for key in world.work() if key.endswith((".done", "plan.json"))}
    for function, payload in list(world.delivered):
        world.deliver(function, payload)
    world.run()
    assert {key for key in world.work() if key.endswith((".done", "plan.json"))} == before
    assert {"_FAILED", "_manifest.json"} <= world.output().keys()
    assert "_SUCCESS" not in world.output()
    found = collect(world.memory, keys, now=world.time)
    assert found.exchange is None or found.exchange.done == verdict.stopped.exchange_done


@pytest.mark.parametrize("until", ["exchange/plan.json", "exchange/00002.done", "exchange/index.000001"])
def test_a_run_that_stands_still_there_is_picked_up(until: str) -> None:
    """Everybody died for good; the job's next event finds it."""
    world = under_way(until, seats=25)
    world.time += 100.0
    world.drop("b.txt", b"next\n")
    world.run()
    ends = [key for key in world.objects() if key.endswith("/_SUCCESS")]
    assert len(ends) == 2


def test_other_code_than_the_run_s_ends_it_in_the_exchange(tmp_path: Path) -> None:
    """None of the job's code runs in there; but whoever works on a run compares."""
    code = "from chalicelib import Job, Sum\n\n\nclass Here(Job):\n    reducer = Sum()\n"
    loaders = []
    for folder in ("before", "after"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "here.py").write_text(
            f"{code}\n    def mapper(self, _, line):\n        yield line, 1  # {folder}\n"
        )
        loaders.append(job_loader(tmp_path / folder))
    world = Simulation(Words, spec("here:Here", shuffle=TWO, **FIGURES), SCRATCH)
    world.load_job = loaders[0]
    world.when(
        lambda: any(key.endswith("exchange/plan.json") for key in world.work()),
        lambda: setattr(world, "load_job", loaders[1]),
    )
    world.drop("a.txt", TEXT)
    world.run()
    failed = world.output()["_FAILED"].decode()
    assert re.search(r"exchange task \d+: job job was deployed again while run \S+ was under way", failed)
    assert "_SUCCESS" not in world.output()


def test_an_attempt_out_of_time_goes_on_between_two_run_files(tmp_path: Path) -> None:
    """Each read of a run file takes most of an invocation's life; the marker names all pieces, in order."""

    class Slow(_Counting):
        def get(self, loc: Loc, start: int = 0, stop: int | None = None, etag: str | None = None) -> bytes:
            if "/map/" in loc.key and loc.key.endswith(".run"):
                world.time += 8.0
            return super().get(loc, start, stop, etag)

        def stream(self, loc: Loc, *args: Any, **kwargs: Any) -> Iterator[bytes]:
            if "/map/" in loc.key and loc.key.endswith(".run"):
                world.time += 8.0
            return super().stream(loc, *args, **kwargs)

    job_spec: JobSpec = spec(shuffle=TWO, **{**FIGURES, "memory_budget": 40})
    world = Simulation(Words, job_spec, tmp_path, lifetime=10.0, supervisor_lifetime=300.0)
    world.memory = Slow(world)
    world.drop("a.txt", TEXT)
    world.run()
    assert not world.errors
    assert [key for key in world.work() if "/exchange/" in key and key.endswith(".next")]
    assert results(world) == results(CALM)
