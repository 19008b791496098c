"""`status`, `runs` and `prices` over a memory store into which each test writes a run piece by piece."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from chalicelib.core.errors import CorruptData, UserError
from chalicelib.core.keys import OutputKeys, RunKeys
from chalicelib.core.messages import Message, Stats, encode
from chalicelib.core.outcome import Manifest, Verdict
from chalicelib.core.plan import Plan, Split
from chalicelib.core.plan_file import compose
from chalicelib.core.ports import Loc
from chalicelib.core.spec import InputSpec, JobSpec, MemorySpec, OutputSpec, PlaceSpec
from chalicelib.core.tasks import Failure, MapMarker, Part, ReduceMarker, ReducePlan, ReduceTask
from chalicelib.run.status.collect import Memory, RunStatus, collect, list_finished, list_runs, to_json
from chalicelib.stores.memory import MemoryStore

WORK = Loc("work", "w/")
OUTPUT = Loc("out", "o/")
T0 = 1_000_000.0

SPEC = JobSpec(
    job="wordcount:WordCount",
    input=InputSpec(url="s3://in/"),
    work=PlaceSpec(url="s3://work/w/"),
    output=OutputSpec(url="s3://out/o/"),
    memory=MemorySpec(mapper=2048, reducer=1024, supervisor=256, coordinator=512),
)


@dataclass
class World:
    """A store with a clock, and one run in it that grows by what the tests write."""

    now: float = T0
    run: str = "20261121T032424-0123456789ab"
    job: str = "wordcount"
    store: MemoryStore = field(init=False)

    def __post_init__(self) -> None:
        self.store = MemoryStore(now=lambda: self.now)

    @property
    def keys(self) -> RunKeys:
        return RunKeys(WORK, self.job, self.run)

    @property
    def results(self) -> OutputKeys:
        return OutputKeys(OUTPUT.child(f"{self.run}/"))

    def put(self, loc: Loc, message: Message | None = None) -> None:
        self.store.put(loc, encode(message) if message else b"")

    def plan(self, tasks: int = 3, done: bool = True) -> None:
        plan = Plan(
            job=self.job, run=self.run, token="t", source="s3://in/a.txt", head=0, spec=SPEC, work=WORK,
            output=self.results.prefix, partitions=8, tasks=0, page=0, pages=(), inputs=2, bytes=300,
            created=T0, code="c",
        )  # fmt: skip
        split = Split(bucket="in", key="a.txt", etag="e", start=0, stop=100, size=100)
        self.store.put(self.keys.plan, compose(plan, [(split,)] * tasks)[1])
        if done:
            self.put(self.keys.plan_done)

    def mapped(self, task: int, attempt: int = 0, **stats: float) -> None:
        run_file = self.keys.run_file(task, attempt, "aaaa")
        self.put(run_file)
        marker = MapMarker(
            task=task, attempt=attempt, token="aaaa", run_file=run_file.key, offsets=(0,) * 9,
            stats=Stats(**stats), started=T0, finished=T0,
        )  # fmt: skip
        self.put(self.keys.done("map", task), marker)

    def reduce_plan(self, tasks: int = 2, **mapped: float) -> None:
        task = ReduceTask(first=0, last=4, bytes=10, index_start=0, index_stop=1)
        self.put(self.keys.lease)
        self.put(
            self.keys.reduce_plan,
            ReducePlan(
                tasks=(task,) * tasks, mapped=Stats(**mapped), counters={}, map_started=T0, map_finished=T0
            ),
        )

    def reduced(self, task: int, **stats: float) -> None:
        marker = ReduceMarker(
            task=task, attempt=0, token="t", part="p", bytes=5, records=6, stats=Stats(**stats),
            started=T0, finished=T0,
        )  # fmt: skip
        self.put(self.keys.done("reduce", task), marker)

    def fail(self, task: int, attempt: int, phase: str = "map") -> Failure:
        failure = Failure(
            phase=phase, task=task, attempt=attempt, error="ValueError", message=f"bad {task}.{attempt}",
            detail="Traceback\n  jobs/wordcount.py, line 7",
        )  # fmt: skip
        self.put(self.keys.failed(phase, task, attempt), failure)
        return failure

    def manifest(self, **changes: object) -> None:
        fields = {
            "job": self.job, "run": self.run, "outcome": "success", "map_tasks": 3, "reduce_tasks": 2,
            "parts": (Part(key="p", bytes=70, records=7),), "records": 7, "bytes": 70, "inputs": 2,
            "input_bytes": 300, "mapped": Stats(records_in=30, seconds=4.0),
            "reduced": Stats(records_in=20, seconds=2.0), "started": T0, "finished": T0 + 10,
        }  # fmt: skip
        self.put(self.results.manifest, Manifest(**(fields | changes)))

    def status(self, **options: object) -> RunStatus:
        return collect(self.store, self.keys, now=self.now, **options)

    def expire(self) -> None:
        """What the lifecycle rule does to the work place."""
        self.store.delete(WORK.bucket, [info.key for info in list(self.store.list(WORK))])


@pytest.fixture
def world() -> World:
    return World()


# ---------------------------------------------------------------------------------------------------
# Phases


def test_a_run_goes_through_its_phases(world: World) -> None:
    seen = []

    def look() -> None:
        status = world.status()
        done = (status.map.done, status.map.total, status.reduce.done, status.reduce.total)
        seen.append((status.phase, *done))

    world.plan(tasks=2, done=False)
    look()
    world.put(world.keys.plan_done)
    look()
    world.mapped(0)
    look()
    world.mapped(1)
    look()
    world.reduce_plan(tasks=2)
    look()
    world.reduced(1)
    look()
    world.reduced(0)
    look()
    world.put(world.keys.run_done, Verdict(outcome="success"))
    look()
    world.manifest(map_tasks=2)
    look()
    world.put(world.results.success)
    look()
    assert seen == [
        ("planning", 0, 2, 0, None),
        ("mapping", 0, 2, 0, None),
        ("mapping", 1, 2, 0, None),
        ("shuffling", 2, 2, 0, None),
        ("reducing", 2, 2, 0, 2),
        ("reducing", 2, 2, 1, 2),
        ("finishing", 2, 2, 2, 2),
        ("finishing", 2, 2, 2, 2),
        ("finishing", 2, 2, 2, 2),
        ("succeeded", 2, 2, 2, 2),
    ]


def test_map_markers_before_plan_done_mean_mapping(world: World) -> None:
    world.plan(tasks=2, done=False)
    world.mapped(0)
    assert world.status().phase == "mapping"


def test_a_run_without_tasks_needs_no_marker(world: World) -> None:
    world.plan(tasks=0)
    assert world.status().phase == "shuffling"
    world.reduce_plan(tasks=0)
    assert world.status().phase == "finishing"


def test_counts_distinct_tasks_of_more_than_one_page(world: World) -> None:
    world.plan(tasks=1500)
    for task in range(1200):
        world.mapped(task)
        world.put(world.keys.run_file(task, 1, "bbbb"))  # a loser's run file is no progress
    world.put(world.keys.phase("map").child("7.done"))  # task 7 once more
    status = world.status()
    assert (status.phase, status.map.done, status.map.total) == ("mapping", 1200, 1500)


def test_an_unknown_run_is_the_users_error_and_names_where(world: World) -> None:
    with pytest.raises(UserError, match=r"s3://work/w/runs/wordcount/20261121T032424-0123456789ab/.*no run"):
        world.status(output=world.results.prefix)


def test_a_plan_that_is_no_plan_is_named(world: World) -> None:
    world.store.put(world.keys.plan, b"{}\n")
    with pytest.raises(CorruptData, match=r"plan\.json"):
        world.status()


# ---------------------------------------------------------------------------------------------------
# Failures


def test_failed_attempts_are_counted_once_each_and_read_up_to_the_bound(world: World) -> None:
    world.plan()
    first = world.fail(0, 0)
    second = world.fail(0, 1)
    world.fail(2, 0)
    world.fail(1, 0, phase="reduce")
    status = world.status(max_failures=2)
    assert (status.map.failed_attempts, status.reduce.failed_attempts, status.attempts_failed) == (3, 1, 4)
    assert status.failures == (first, second)
    assert world.status().failures == ()


def test_a_failed_run_tells_the_reason_and_the_users_traceback(world: World) -> None:
    world.plan()
    failure = world.fail(1, 3)
    world.now = T0 + 5
    world.put(world.keys.run_done, Verdict(outcome="failed", reason="map task 1 failed", failures=(failure,)))
    early = world.status(max_failures=9)
    assert (early.phase, early.reason, early.failures) == ("finishing", "map task 1 failed", (failure,))
    world.manifest(outcome="failed", reason="map task 1 failed", failures=(failure,), mapped=Stats())
    world.put(world.results.failure)
    status = world.status(max_failures=9)
    assert status.phase == "failed"
    assert status.failures[0].detail == "Traceback\n  jobs/wordcount.py, line 7"
    assert (status.attempts_failed, status.output_records, status.idle) == (1, None, None)


def test_a_refused_run_is_known_by_its_manifest_alone(world: World) -> None:
    failure = Failure(phase="plan", task=0, attempt=0, error="InputError", message="s3://in/x: gone")
    world.put(
        world.results.manifest,
        Manifest(job=world.job, run=world.run, outcome="failed", reason="s3://in/x: gone",
                 failures=(failure,), finished=T0),
    )  # fmt: skip
    world.put(world.results.failure)
    status = world.status(output=world.results.prefix, max_failures=1)
    assert (status.phase, status.reason, status.failures) == ("failed", "s3://in/x: gone", (failure,))
    assert (status.elapsed, status.expired, status.cost) == (None, False, None)


# ---------------------------------------------------------------------------------------------------
# What remains


def test_an_expired_run_is_told_from_its_manifest(world: World) -> None:
    world.plan()
    world.manifest()
    world.put(world.results.success)
    world.expire()
    status = world.status(output=world.results.prefix)
    assert (status.phase, status.expired) == ("succeeded", True)
    assert (status.map.done, status.map.total, status.reduce.done, status.reduce.total) == (3, 3, 2, 2)
    assert (status.map.stats.records_in, status.elapsed, status.output_records) == (30, 10.0, 7)


def test_markers_without_a_plan_are_not_taken_for_a_beginning(world: World) -> None:
    world.mapped(0)
    status = world.status()
    assert (status.phase, status.expired, status.map.done, status.map.total) == ("mapping", True, None, None)


def test_a_verdict_counts_when_a_later_run_has_replaced_the_results(world: World) -> None:
    world.plan()
    world.put(world.keys.run_done, Verdict(outcome="success"))
    world.manifest(run="another")
    status = world.status()
    assert (status.phase, status.output_records) == ("succeeded", None)


# ---------------------------------------------------------------------------------------------------
# Figures


def test_stats_come_from_as_many_markers_as_may_be_read(world: World) -> None:
    world.plan(tasks=5)
    for task in range(4):
        world.mapped(task, records_in=10**task, seconds=1.0)
    assert world.status().map.measured == 0
    status = world.status(max_markers=3)
    assert (status.map.measured, status.map.done, status.map.stats.records_in) == (3, 4, 111)


def test_a_memory_reads_every_marker_once(world: World) -> None:
    world.plan(tasks=5)
    for task in range(5):
        world.mapped(task, records_in=1)
    memory = Memory()
    measured = [world.status(max_markers=2, memory=memory).map.measured for _ in range(3)]
    before = world.store.requests["get"]
    assert measured == [2, 4, 5]
    assert world.status(max_markers=2, memory=memory).map.stats.records_in == 5
    assert world.store.requests["get"] == before


def test_the_reduce_plan_tells_of_all_maps_without_reading_markers(world: World) -> None:
    world.plan(tasks=2)
    world.mapped(0)
    world.mapped(1)
    world.reduce_plan(records_in=99, seconds=3.0)
    status = world.status()
    assert (status.map.stats.records_in, status.map.measured) == (99, 2)


def test_elapsed_and_idle(world: World) -> None:
    world.plan()
    world.now = T0 + 20
    world.mapped(0)
    world.now = T0 + 50
    status = world.status()
    assert (status.started, status.elapsed, status.idle, status.finished) == (T0, 50.0, 30.0, None)


def test_a_run_without_tasks_ends_with_its_verdict(world: World) -> None:
    world.plan(tasks=0)
    world.now = T0 + 3
    world.put(world.keys.run_done, Verdict(outcome="success"))
    world.now = T0 + 60
    world.manifest(finished=0.0)
    world.put(world.results.success)
    assert (world.status().finished, world.status().elapsed) == (T0 + 3, 3.0)


def test_a_clock_that_is_behind_gives_no_negative_times(world: World) -> None:
    world.plan()
    world.now = T0 - 5
    status = world.status()
    assert status.elapsed == 0.0


def test_the_cost_of_a_run_covers_what_its_tasks_used(world: World) -> None:
    world.plan()
    world.manifest(mapped=Stats(seconds=1000.0, gets=1_000_000), reduced=Stats(seconds=500.0, puts=1000))
    world.put(world.results.success)
    world.put(world.keys.run_done, Verdict(outcome="success"))
    # 2 GB and 1 GB; the supervisor, the coordinator and the events add less than a hundredth of it.
    tasks = (2 * 1000 + 1 * 500) * 0.0000166667 + 0.4 + 0.005
    total = world.status().cost
    assert total is not None
    assert tasks < total < tasks * 1.01


def test_what_was_measured_stands_for_the_rest_in_the_cost(world: World) -> None:
    world.plan(tasks=4)
    for task in range(4):
        world.mapped(task, seconds=10_000.0)
    some, all_ = world.status(max_markers=1).cost, world.status(max_markers=4).cost
    assert some == pytest.approx(all_)


def test_an_expired_run_is_priced_by_its_manifest_and_the_settings_of_now(world: World) -> None:
    """The functions told that they had 4 GB; the job file says 2 and 1 by now."""
    world.manifest(mapped=Stats(seconds=1000.0, memory=4096), reduced=Stats(seconds=500.0))
    world.put(world.results.success)
    asked: dict[str, Any] = {"now": world.now, "output": world.results.prefix}
    assert collect(world.store, world.keys, **asked).cost is None
    status = collect(world.store, world.keys, **asked, spec=SPEC, region="sa-east-1")
    assert (status.expired, status.region, status.cost_region) == (True, "sa-east-1", "sa-east-1")
    assert status.cost_parts is not None
    assert status.cost_parts.map == pytest.approx(4 * 1000 * 0.0000166667)
    assert status.cost_parts.reduce == pytest.approx(500 * 0.0000166667)
    assert status.cost == status.cost_parts.total > status.cost_parts.map + status.cost_parts.reduce


def test_json_has_the_documented_fields(world: World) -> None:
    world.plan()
    told = json.loads(to_json(world.status()))
    assert set(told) == {
        "job", "run", "phase", "work", "output", "totals", "source", "step", "steps", "map", "reduce", "partitions",
        "inputs", "input_bytes", "output_records", "output_bytes", "parts", "attempts_failed", "bad", "left_out",
        "counters", "continued", "reason", "failures",
        "started", "finished", "elapsed", "idle", "cost", "cost_parts", "cost_region", "cost_wasted", "cost_lost",
        "region", "expired", "exchange", "round", "rounds", "loops",
    }  # fmt: skip
    assert set(told["map"]) == {"done", "total", "failed_attempts", "stats", "measured", "wasted"}
    assert told["source"] == "s3://in/a.txt"
    assert told["output"] == "s3://out/o/20261121T032424-0123456789ab/"


# ---------------------------------------------------------------------------------------------------
# Listing runs


def test_runs_are_listed_newest_last_and_by_job(world: World) -> None:
    for job, run in [("b", "2026-1"), ("a", "2026-3"), ("a", "2026-2"), ("ab", "2026-4")]:
        world.put(RunKeys(WORK, job, run).plan)
    world.put(RunKeys(Loc("work", "other/"), "a", "2026-9").plan)
    world.put(WORK.child("runs/stray"))
    world.put(RunKeys(WORK, "a", "2026-2").root.child("quarantine/runs/x/2026-8/y"))
    assert [(k.job, k.run) for k in list_runs(world.store, WORK)] == [
        ("b", "2026-1"), ("a", "2026-2"), ("a", "2026-3"), ("ab", "2026-4")
    ]  # fmt: skip
    assert [k.run for k in list_runs(world.store, WORK, "a")] == ["2026-2", "2026-3"]
    assert list_runs(world.store, WORK, "none") == []


class CountingStore(MemoryStore):
    """Counts the rows that a listing gives out."""

    rows = 0

    def list(self, prefix: Loc, after: str = ""):  # type: ignore[no-untyped-def]
        for row in super().list(prefix, after):
            self.rows += 1
            yield row


def test_large_runs_are_jumped_over() -> None:
    store = CountingStore()
    for run in ("r1", "r2", "r3"):
        for task in range(3000):
            store.put(RunKeys(WORK, "big", run).done("map", task), b"")
    assert [keys.run for keys in list_runs(store, WORK)] == ["r1", "r2", "r3"]
    assert store.rows <= 3 * 1000


def test_small_runs_cost_no_request_each() -> None:
    store = MemoryStore()
    for number in range(50):
        store.put(RunKeys(WORK, "small", f"r{number:02d}").plan, b"")
    assert len(list_runs(store, WORK)) == 50
    assert store.requests["list"] == 1


def test_finished_runs_are_found_by_their_manifest_only(world: World) -> None:
    for run in ("2026-2", "2026-1"):
        world.store.put(OutputKeys(OUTPUT.child(f"{run}/")).manifest, b"{}")
        world.store.put(OutputKeys(OUTPUT.child(f"{run}/")).part(0, "tsv"), b"")
    world.store.put(OUTPUT.child("mine/notes.txt"), b"")
    world.store.put(OUTPUT.child("README"), b"")
    found = list_finished(world.store, OUTPUT, WORK, "wordcount")
    assert found == [RunKeys(WORK, "wordcount", "2026-1"), RunKeys(WORK, "wordcount", "2026-2")]
