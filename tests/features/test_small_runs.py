"""A run of one map task is brought to its end by its mapper: what that takes, and that nothing else changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib import Job, Sum
from chalicelib.core.messages import decode
from chalicelib.core.outcome import Manifest
from chalicelib.core.spec import MIB, BadRecordsSpec, JobSpec, MemorySpec, SqlSpec
from chalicelib.mapreduce.guard.host import ThisProcess
from chalicelib.run.estimate.estimate import estimate
from chalicelib.run.estimate.work import Work
from chalicelib.run.status.collect import collect, list_runs
from tests.worlds.simulation import SCRATCH, WORK, Killed, Simulation, spec

TEXT = b"to be or not to be\n" * 50
COUNTED = b"be\t100\nnot\t50\nor\t50\nto\t100\n"
ONE_EACH = {"coordinator": 1, "mapper": 1, "supervisor": 1}


class Words(Job):
    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        for word in line.split():
            yield word, 1

    reducer = Sum()


class Lines(Job):
    """Values reach the reducer in input order, and the reducer sees all of them."""

    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        yield len(line) % 3, line

    def reducer(self, length: int, lines: Iterator[str]) -> Iterator[Any]:
        yield length, list(lines)


class Rows(Job):
    shuffle = False

    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        yield line, len(line)


class Again(Job):
    def mapper(self, word: str, number: int) -> Iterator[Any]:
        yield number, word

    def reducer(self, number: int, words: Iterator[str]) -> Iterator[Any]:
        yield number, sorted(words)


class Twice(Job):
    steps = (Words, Again)


class Breaks(Words):
    def reducer(self, word: str, _: Any) -> Iterator[Any]:
        raise ValueError(word)
        yield


def ran(job: type[Job], text: bytes = TEXT, job_spec: JobSpec | None = None, **how: Any) -> Simulation:
    world = Simulation(job, job_spec or spec(), SCRATCH, **{"seats": 0, **how})
    world.drop("a.txt", text)
    world.memory.requests.clear()
    world.run()
    return world


def manifest(world: Simulation) -> Manifest:
    return decode(Manifest, world.output()["_manifest.json"], "_manifest.json")


# ---------------------------------------------------------------------------------------------------
# What it takes


@pytest.mark.parametrize("seats", [0, 25])
def test_a_kilobyte_takes_three_invocations_and_twenty_requests(seats: int) -> None:
    world = ran(Words, seats=seats)
    assert world.memory.requests == {"put": 12, "list": 4, "get": 2, "head": 2}
    assert world.invocations == ONE_EACH
    assert world.errors == []
    assert world.text() == COUNTED


def test_one_cold_start_counts_once() -> None:
    world = Simulation(Words, spec(), SCRATCH, seats=0)
    host = world.host = ThisProcess(512)
    host.begin()
    world.drop("a.txt", TEXT)
    world.run()
    found = manifest(world)
    assert (found.mapped.cold, found.reduced.cold) == (1, 0)
    assert found.mapped.init == pytest.approx(host.init, abs=0.001)
    assert (found.reduced.init, found.reduced.starts, found.reduced.memory) == (0.0, 1, 512)


def test_without_a_shuffle_it_takes_less() -> None:
    world = ran(Rows)
    assert world.invocations == ONE_EACH
    assert world.memory.requests == {"put": 9, "list": 3, "get": 2, "head": 2}


@pytest.mark.parametrize("job", [Words, Rows])
@pytest.mark.parametrize("objects", [1, 2, 40])
def test_more_objects_are_read_and_nothing_else(job: type[Job], objects: int) -> None:
    """M requests more for M more objects, which the coordinator lists. The estimate says the same."""
    job_spec = spec(trigger="marker")
    world = Simulation(job, job_spec, SCRATCH, seats=0)
    for number in range(objects):
        world.add(f"all/{number:03d}.txt", TEXT)
    world.drop("all/_READY", b"")
    world.memory.requests.clear()
    world.run()
    assert world.invocations == ONE_EACH
    requests = world.memory.requests
    puts, lists = (13, 5) if job is Words else (10, 4)  # `_latest.json` among them
    assert requests == {"put": puts, "list": lists, "get": 1 + objects, "head": 1}
    foreseen = estimate(job_spec, Work(bytes=objects * len(TEXT), objects=objects, map_only=job is Rows))
    assert foreseen.shape.small
    assert foreseen.requests.invocations == {**ONE_EACH, "reducer": 0}
    assert abs(foreseen.requests.total - requests.total()) <= 1


# ---------------------------------------------------------------------------------------------------
# The same bytes

BAD = BadRecordsSpec(policy="quarantine", max=1000, max_fraction=1.0)
SQL = SqlSpec(map="SELECT line[1:2] AS a, count(*) AS n FROM input GROUP BY 1", key="a",
              reduce="SELECT a, sum(n)::BIGINT AS n FROM shuffled GROUP BY a")  # fmt: skip
FIGURES: list[tuple[type[Job], dict[str, Any]]] = [
    (Words, {}),
    (Words, {"partitions": 5, "output": {"format": "csv", "header": True}}),
    (Words, {"memory_budget": 4000}),
    (Lines, {"bad_records": BAD}),
    (Lines, {"output": {"format": "jsonl", "compression": "gz"}}),
    (Rows, {"output": {"by": "1"}}),
]


@settings(max_examples=40, deadline=None)
@given(
    case=st.sampled_from(FIGURES),
    lines=st.lists(st.text("abc \n\u00e9", max_size=12), min_size=1, max_size=60),
)
def test_the_same_bytes_with_and_without(case: tuple[type[Job], dict[str, Any]], lines: list[str]) -> None:
    job, figures = case
    text = "\n".join(lines).encode() or b"x"
    whole, usual = ran(job, text, spec(**figures)), ran(job, text, spec(**figures), seats=None)
    assert (whole.invocations["reducer"], usual.invocations["supervisor"] > 1) == (0, True)
    assert results(whole) == results(usual)
    assert "_SUCCESS" in whole.output()
    told, usually = manifest(whole), manifest(usual)
    assert (told.parts, told.records, told.bad) == (usually.parts, usually.records, usually.bad)
    assert (told.mapped.records_in, told.reduced.records_out) == (
        usually.mapped.records_in,
        usually.reduced.records_out,
    )


def test_the_same_bytes_in_sql() -> None:
    job_spec = spec("", sql=SQL, input={"columns": "line VARCHAR"})
    whole, usual = ran(Words, TEXT, job_spec), ran(Words, TEXT, job_spec, seats=None)
    assert whole.invocations == ONE_EACH
    assert results(whole) == results(usual)
    assert whole.text() == b"to\t50\n"


def results(world: Simulation) -> dict[str, bytes]:
    return {name: body for name, body in world.output().items() if "part-" in name}


# ---------------------------------------------------------------------------------------------------
# Where it is not the right way


@pytest.mark.parametrize(
    ("job", "figures", "seats"),
    [
        (Words, {}, None),  # who waits takes nobody's place
        (Words, {"split_size": 500}, 0),  # two map tasks
        (Twice, {}, 0),
        (Words, {"memory": MemorySpec(mapper=1024, reducer=2048)}, 0),
        (Words, {"accumulate": True}, 0),
    ],
)
def test_other_runs_go_the_usual_way(job: type[Job], figures: dict[str, Any], seats: int | None) -> None:
    world = ran(job, TEXT, spec(**figures), seats=seats)
    assert world.invocations["reducer"] > 0
    assert not [key for key in world.work() if key.endswith(".silent")]
    assert "_SUCCESS" in world.output()


def test_several_reduce_tasks_are_done_by_reducers() -> None:
    text = b"".join(b"%032x\n" % (number**9) for number in range(30_000))
    world = ran(Words, text, spec(partitions=4, reduce_size=1000))
    assert world.invocations["reducer"] == manifest(world).reduce_tasks > 1
    assert "_SUCCESS" in world.output()


def test_much_to_reduce_is_done_by_a_reducer() -> None:
    world = ran(Words, TEXT, spec(memory_budget=100))
    assert world.invocations["reducer"] == 1
    assert "_SUCCESS" in world.output()


class _Slow(Lines):
    """A map task that takes more than half of its function's time."""

    world: Simulation

    def mapper_final(self) -> Iterator[Any]:
        self.world.time += 200.0
        return iter(())


def test_a_mapper_without_time_leaves_the_rest_to_others() -> None:
    job = type("Slow", (_Slow,), {})
    world = Simulation(job, spec(), SCRATCH, seats=0)
    job.world = world
    world.drop("a.txt", TEXT)
    world.run()
    assert world.invocations["reducer"] == 1
    assert "_SUCCESS" in world.output()


def test_a_reducer_that_raises_fails_the_run_by_name() -> None:
    world = ran(Breaks)
    failed = world.output()["_FAILED"].decode()
    assert "ValueError: be" in failed
    assert "_SUCCESS" not in world.output()


def test_bad_records_over_the_limit_end_the_run() -> None:
    class Poisoned(Words):
        def mapper(self, _: Any, line: str) -> Iterator[Any]:
            if line == "poison":
                raise ValueError(line)
            yield line, 1

    limited = BadRecordsSpec(policy="quarantine", max=10, max_fraction=0.01)
    world = ran(Poisoned, TEXT + b"poison\n", spec(bad_records=limited))
    assert "1 of 51 records are bad" in world.output()["_FAILED"].decode()
    assert world.invocations == {**ONE_EACH, "supervisor": 2}


# ---------------------------------------------------------------------------------------------------
# Killed three times in a row, and for good


class _Deadly(Simulation):
    """Stops `deaths` invocations of the mapper, each at its `number`-th call, before or after its effect."""

    def __init__(self, number: int, deaths: float, *, early: bool, **how: Any) -> None:
        super().__init__(Words, spec(), SCRATCH, seats=0, **how)
        self._number, self._deaths, self._early = number, deaths, early
        self._count: Counter[str] = Counter()
        self._running = ""
        #: Calls of the invocation of a mapper that made most of them.
        self.most = 0

    def _handle(self, function: str, payload: dict[str, Any]) -> None:
        before, self._running = self._running, function
        self._count["call"] = 0
        try:
            super()._handle(function, payload)
        finally:
            self._running = before

    def call(self, effect: Callable[[], Any]) -> Any:
        if self._running != "mapper":
            return super().call(effect)
        self._count["call"] += 1
        self.most = max(self.most, self._count["call"])
        if self._count["call"] != self._number or self._count["deaths"] >= self._deaths:
            return super().call(effect)
        self._count["deaths"] += 1
        if not self._early:
            super().call(effect)
        raise Killed


def deadly(number: int, deaths: float, *, early: bool) -> _Deadly:
    world = _Deadly(number, deaths, early=early)
    world.drop("a.txt", TEXT)
    world.run()
    return world


CALLS = range(1, deadly(0, 0, early=True).most + 1)
#: Of a mapper's calls, those up to its marker, without which nobody else can go on.
MAPPED = 4


def test_a_mapper_makes_these_calls() -> None:
    """Plan, input, run file, marker, index, reduce plan, part, marker, verdict, two listings, manifest, end, lease."""
    assert len(CALLS) == 14


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("number", CALLS)
def test_three_deaths_in_a_row_change_nothing(number: int, early: bool) -> None:
    """Lambda gives the event up; a supervisor is told, and a second attempt or a reducer goes on."""
    world = deadly(number, 3, early=early)
    assert world.killed == ["mapper"] * 3
    assert world.text() == COUNTED
    assert {"_SUCCESS", "_manifest.json"} <= world.output().keys()
    assert "_FAILED" not in world.output()


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("number", CALLS)
def test_whoever_always_dies_ends_its_run(number: int, early: bool) -> None:
    """Before the map task is committed the run fails and says so; afterwards others bring it to its end."""
    world = deadly(number, float("inf"), early=early)
    committed = number > MAPPED or (number == MAPPED and not early)
    assert ("_SUCCESS" in world.output()) == committed
    assert ("_FAILED" in world.output()) != committed
    if not committed:
        assert "was stopped in each of its invocations" in world.output()["_FAILED"].decode()


def test_a_run_whose_mapper_was_never_called_is_picked_up() -> None:
    """Its coordinator died for good between plan and call, and nobody told; the next object's event finds it."""
    world = Simulation(Words, spec(), SCRATCH, seats=0, retries=0, reports=False)
    world.when(lambda: any(key.endswith("/plan.json") for key in world.work()), world.kill_now)
    world.drop("a.txt", TEXT)
    world.run()
    assert world.killed == ["coordinator"]
    world.time += 100.0
    world.drop("b.txt", TEXT)
    world.run()
    ends = [key for key in world.objects() if key.endswith("/_SUCCESS")]
    assert len(ends) == 2


def test_the_mapper_called_again_after_all_is_done_changes_nothing() -> None:
    """It says what it used for nothing."""
    world = ran(Words)
    before = world.objects()
    calls = [call for call in world.delivered if call[0] == "mapper"]
    for call in calls:
        world.deliver(*call)
    world.run()
    after = world.objects()
    assert {key: after[key] for key in before} == before
    words = sorted(key.partition(".")[0].rpartition("/")[2] for key in after.keys() - before.keys())
    assert words == ["00000", "000000"]
    assert all(key.endswith(".overtaken") for key in after.keys() - before.keys())


def test_status_shows_it_as_any_other_run() -> None:
    """While it is under way, too."""
    world = ran(Words)
    (keys,) = list_runs(world.memory, WORK, "job")
    found = collect(world.memory, keys, now=world.time, max_markers=9)
    assert (found.phase, found.map.done, found.reduce.done, found.output_records) == ("succeeded", 1, 1, 4)
    under_way = Simulation(Words, spec(), SCRATCH, seats=0, retries=0, reports=False, kill_at=[11])
    under_way.drop("a.txt", TEXT)
    under_way.run()
    (keys,) = list_runs(under_way.memory, WORK, "job")
    found = collect(under_way.memory, keys, now=under_way.time, max_markers=9)
    assert (found.phase, found.map.done, found.map.measured, found.reduce.done) == ("shuffling", 1, 1, 0)


# ---------------------------------------------------------------------------------------------------
# Of few


class Lengths(Job):
    def mapper_chunk(self, text: str) -> Any:
        return {len(text) % 7: len(text)}

    reducer = Sum()


class Shuffled(Lengths):
    def reducer(self, key: int, lengths: Iterator[int]) -> Iterator[Any]:
        yield key, sum(lengths)


def dropped(job: type[Job], *, objects: int = 3, ending: str = "txt", **figures: Any) -> Simulation:
    """Somewhat more than a split has by default, as one run."""
    world = Simulation(job, spec(trigger="marker", split_size=None, **figures), SCRATCH, seats=0)
    for number in range(objects):
        world.add(f"all/{number}.{ending}", b"x" * (70 * MIB // objects - 1) + b"\n")
    world.drop("all/_READY", b"")
    world.run()
    return world


def test_somewhat_more_than_a_split_is_one_task_and_one_invocation_brings_it_to_its_end() -> None:
    world = dropped(Lengths)
    assert world.invocations == ONE_EACH
    assert sum(int(row.split(b"\t")[1]) for row in world.text().splitlines()) == manifest(world).input_bytes
    assert (
        estimate(spec(split_size=None), Work(bytes=70 * MIB, objects=3)).requests.invocations["mapper"] == 1
    )


@pytest.mark.parametrize(("job", "how"), [(Shuffled, {}), (Lengths, {"map_tasks": 2})])
def test_where_it_would_not_end_sooner_there_are_two(job: type[Job], how: dict[str, Any]) -> None:
    """All of it would go through the shuffle, or the job says so."""
    assert manifest(dropped(job, **how)).map_tasks == 2
