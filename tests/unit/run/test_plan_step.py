"""Planning a step: what the plan says, and that it is made once however often and from wherever it is begun."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job, Sum
from chalicelib.core.codec import decode_column
from chalicelib.core.errors import ConfigError, CorruptData, UserError
from chalicelib.core.keys import RunKeys
from chalicelib.core.messages import Stats, encode
from chalicelib.core.plan import Plan, Split
from chalicelib.core.plan_file import read_head, read_tasks
from chalicelib.core.ports import Loc, ObjectInfo
from chalicelib.core.spec import InputSpec, JobSpec
from chalicelib.core.tasks import Part, ReducePlan
from chalicelib.core.totals import StatePart
from chalicelib.job.partitioners import Range
from chalicelib.run.plan_step import NewRun, begin, begin_next, begin_over_pairs
from tests.worlds.recorded import START, Recorded
from tests.worlds.simulation import OUT, WORK, Killed, spec

KEYS = RunKeys(WORK, "job", "20261118T080000-0123456789ab")
LINE = b"one two\n"


class Lines(Job):
    def mapper(self, _: Any, line: str) -> Any:
        yield line, 1

    reducer = Sum()


class Upper(Job):
    """Reads typed pairs, and writes them without a shuffle."""

    shuffle = False

    def mapper(self, key: str, value: int) -> Any:
        yield key.upper(), value


class Two(Job):
    steps = (Lines, Upper)


class World(Recorded):
    def begin(self, job_spec: JobSpec, *bodies: bytes, **figures: Any) -> Plan:
        inputs = [self.add(f"{number}", body) for number, body in enumerate(bodies)]
        run = NewRun(
            **{"spec": job_spec, "source": "s3://in/data/0", "inputs": inputs, "output": OUT} | figures
        )
        begin(self.runtime(), KEYS, run)
        return self.plan()

    def plan(self, keys: RunKeys = KEYS) -> Plan:
        return read_head(self.store, keys)

    def tasks(self, keys: RunKeys = KEYS) -> list[list[Split]]:
        plan = self.plan(keys)
        return [list(task) for task in read_tasks(self.store, keys, plan, 0, plan.tasks)]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(Lines, tmp_path)


def test_plan_root_and_then_word_that_it_was_started(world: World) -> None:
    plan = world.begin(spec(split_size=16), LINE * 4, LINE, reducers=3)
    assert world.log == ["plan.json", "mapper", "plan.done"]
    ((_, call),) = world.invoked
    assert (call["lo"], call["hi"], call["run"], call["step"], call["attempt"]) == (0, 3, KEYS.run, 0, 0)
    assert (plan.job, plan.run, plan.source) == ("job", KEYS.run, "s3://in/data/0")
    assert (plan.inputs, plan.bytes, plan.tasks, plan.reducers) == (2, 40, 3, 3)
    assert (plan.step, plan.job_step, plan.steps, plan.role) == (0, 0, 1, "work")
    assert (plan.created, plan.output, plan.work) == (START, OUT, WORK)
    ranges = [(split.key, split.start, split.stop) for task in world.tasks() for split in task]
    assert ranges == [("data/0", 0, 16), ("data/0", 16, 32), ("data/1", 0, 8)]


@pytest.mark.parametrize(
    ("given", "size", "tasks"), [(None, 1 << 28, 40), (None, 1 << 33, 1000), (1 << 26, 1 << 33, 1280)]
)
def test_without_a_split_size_there_are_about_a_thousand_tasks(
    given: int | None, size: int, tasks: int, world: World
) -> None:
    """Ten objects that only a listing knows: nothing is read for a plan of text."""
    inputs = [("in", ObjectInfo(f"data/{number}", size, "e", 1.0)) for number in range(10)]
    plan = world.begin(spec(split_size=given), inputs=inputs)
    assert (plan.tasks, plan.spec.split_size) == (tasks, given)
    assert sum(split.stop - split.start for task in world.tasks() for split in task) == 10 * size


def test_nothing_to_read_starts_no_mapper(world: World) -> None:
    assert world.begin(spec(), b"").tasks == 0
    assert world.log == ["plan.json", "plan.done"]


def test_a_run_is_begun_once(world: World) -> None:
    first = world.begin(spec(split_size=16), LINE * 4)
    world.log.clear()
    assert world.begin(spec(split_size=8), LINE * 9) == first
    assert world.log == []


@pytest.mark.parametrize("killed_after", ["plan.json", "mapper", "plan.done"])
def test_whoever_begins_again_after_a_crash_does_what_is_missing(world: World, killed_after: str) -> None:
    world.kill_after = killed_after
    with pytest.raises(Killed):
        world.begin(spec(split_size=16), LINE * 4)
    first = world.plan()
    assert world.begin(spec(split_size=8), LINE * 9) == first, "the first plan stays"
    rest = {"plan.json": ["mapper", "plan.done"], "mapper": ["mapper", "plan.done"], "plan.done": []}
    assert world.log[world.log.index(killed_after) + 1 :] == rest[killed_after]
    assert {(call["lo"], call["hi"]) for _, call in world.invoked} == {(0, first.tasks)}


def test_a_job_that_cannot_run_leaves_nothing(world: World) -> None:
    world.job = type("Nothing", (Job,), {})
    with pytest.raises(ConfigError, match="expected exactly one of mapper"):
        world.begin(spec(), LINE)
    assert world.log == []


# -- splits -----------------------------------------------------------------------------------------------


def test_what_cannot_be_cut_is_one_split(world: World) -> None:
    packed = gzip.compress(LINE * 200)
    inputs = [world.add("a.gz", packed), world.add("b.txt", LINE)]
    world.begin(spec(split_size=8), inputs=inputs)
    assert [[(split.key, split.start, split.stop) for split in task] for task in world.tasks()] == [
        [("data/a.gz", 0, len(packed))],
        [("data/b.txt", 0, 8)],
    ]


@pytest.mark.parametrize("cause", ["the input's format", "the code"])
def test_whole_objects_are_not_cut(world: World, cause: str) -> None:
    if cause == "the code":
        world.job = type("Raw", (Job,), {"mapper_raw": lambda self, path: ()})
        world.begin(spec(split_size=8), LINE * 5)
    else:
        world.begin(spec(split_size=8, input={"format": "whole_file"}), LINE * 5)
    assert [len(task) for task in world.tasks()] == [1]


TAGGED = JobSpec(
    job="job:Job",
    input=InputSpec(url="s3://in/data/", tag="left"),
    more_inputs=(InputSpec(url="s3://in/other/", tag="right"),),
    work=spec().work,
    output=spec().output,
)


def test_a_split_has_the_tag_of_the_input_it_is_under(world: World) -> None:
    inputs = [world.add("a", LINE), world.add("b", LINE, Loc("in", "other/"))]
    world.begin(TAGGED, inputs=inputs)
    assert [(split.key, split.tag) for task in world.tasks() for split in task] == [
        ("data/a", "left"),
        ("other/b", "right"),
    ]


def test_tags_that_are_given_come_before_places(world: World) -> None:
    inputs = [world.add("a", LINE), world.add("x", LINE, Loc("in", "elsewhere/"))]
    world.begin(TAGGED, inputs=inputs, tags={Loc("in", "data/a"): "right", Loc("in", "elsewhere/x"): "left"})
    assert [split.tag for task in world.tasks() for split in task] == ["right", "left"]


def test_an_object_under_no_input_is_told(world: World) -> None:
    inputs = [world.add("x", LINE, Loc("in", "elsewhere/"))]
    with pytest.raises(
        UserError, match=r"s3://in/elsewhere/x: is under none .* left in s3://in/data/, right in"
    ):
        world.begin(TAGGED, inputs=inputs)
    assert world.log == []


# -- partitions -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("figures", "partitions"),
    [
        ({}, 1),
        ({"partitions": 7}, 7),
        ({"partitions": 7, "output": {"one_file": True}}, 1),
        ({"partitions": 7, "reducers": 1}, 1),
        ({"partitions": 7, "reducers": 2}, 7),
    ],
)
def test_partitions_of_a_job_of_one_step(world: World, figures: dict[str, Any], partitions: int) -> None:
    assert world.begin(spec(**figures), LINE).partitions == partitions


def test_one_reducer_means_one_partition_in_every_step(world: World) -> None:
    world.job = Two
    plan = world.begin(spec(partitions=7, reducers=1), LINE)
    assert (plan.steps, plan.partitions, plan.last_step) == (2, 1, False)
    finished(world, plan, [40])
    begin_next(world.runtime(), KEYS, plan)
    assert world.plan(NEXT).partitions == 1


def test_only_the_last_step_makes_one_file(world: World) -> None:
    world.job = Two
    plan = world.begin(spec(partitions=7, output={"one_file": True}), LINE)
    assert (plan.steps, plan.partitions, plan.last_step) == (2, 7, False)


def test_a_total_order_has_bounds_from_a_sample(world: World) -> None:
    world.job = type("Sorted", (Lines,), {"partitioner": Range()})
    body = b"".join(b"%03d\n" % number for number in range(100))
    plan = world.begin(spec(partitions=4), body)
    assert plan.bounds is not None
    bounds = list(decode_column(plan.bounds.shape, plan.bounds.body))
    assert bounds == sorted(set(bounds))
    assert len(bounds) == 3
    assert world.begin(spec(partitions=4), body).bounds == plan.bounds


def test_one_partition_needs_no_bounds(world: World) -> None:
    world.job = type("Sorted", (Lines,), {"partitioner": Range()})
    assert world.begin(spec(partitions=1), LINE).bounds is None


# -- later steps ------------------------------------------------------------------------------------------


def finished(world: World, plan: Plan, sizes: list[int], edges: tuple[int, ...] = (0,)) -> list[Loc]:
    """What a step leaves that has succeeded: its parts, and what it did."""
    locs = [plan.results.child(f"part-{number:05d}.pairs") for number in range(len(sizes))]
    for loc, size in zip(locs, sizes, strict=True):
        world.store.put(loc, b"x" * size)
    parts = [
        Part(key=loc.key, bytes=size, records=1, edges=edges) for loc, size in zip(locs, sizes, strict=True)
    ]
    done = ReducePlan(
        tasks=(), parts=tuple(parts), mapped=Stats(records_in=5), counters={"c": 2}, map_started=START,
        map_finished=START + 9,
    )  # fmt: skip
    world.store.put(KEYS.reduce_plan, encode(done))
    world.log.clear()
    world.invoked.clear()
    return locs


NEXT = KEYS.at(1)


def test_the_next_step_reads_what_the_one_before_it_wrote(world: World) -> None:
    world.job = Two
    first = world.begin(spec(split_size=16, partitions=3), LINE * 4)
    locs = finished(world, first, [30, 10])
    world.time += 60
    begin_next(world.runtime(), KEYS, first)
    assert world.log == ["plan.json", "mapper", "plan.done"]
    plan = world.plan(NEXT)
    assert (plan.step, plan.job_step, plan.last_step, plan.map_only) == (1, 1, True, True)
    assert (plan.inputs, plan.bytes, plan.partitions, plan.created) == (2, 40, 3, START + 60)
    assert plan.token != first.token
    assert plan.earlier is not None
    assert (plan.earlier.map_tasks, plan.earlier.counters, plan.earlier.mapped.records_in) == (2, {"c": 2}, 5)
    assert (plan.earlier.inputs, plan.earlier.bytes) == (1, 32)
    assert [[split.loc for split in task] for task in world.tasks(NEXT)] == [[locs[0]], [locs[1]]]
    assert {split.etag for task in world.tasks(NEXT) for split in task} == {
        world.store.head(loc).etag for loc in locs
    }
    ((_, call),) = world.invoked
    assert (call["step"], call["lo"], call["hi"]) == (1, 0, 2)


def test_the_next_step_is_begun_once(world: World) -> None:
    world.job = Two
    first = world.begin(spec(), LINE)
    finished(world, first, [30])
    for _ in range(2):
        begin_next(world.runtime(), KEYS, first)
    assert world.log == ["plan.json", "mapper", "plan.done"]


@pytest.mark.parametrize("killed_after", ["plan.json", "mapper"])
def test_the_next_step_is_begun_again_after_a_crash(world: World, killed_after: str) -> None:
    world.job = Two
    first = world.begin(spec(), LINE)
    finished(world, first, [30])
    world.kill_after = killed_after
    with pytest.raises(Killed):
        begin_next(world.runtime(), KEYS, first)
    token = world.plan(NEXT).token
    begin_next(world.runtime(), KEYS, first)
    assert world.log[-2:] == ["mapper", "plan.done"]
    assert world.plan(NEXT).token == token


@pytest.mark.parametrize(("body", "there"), [(None, "it is gone"), (b"xxx", "there are 3")])
def test_a_part_that_is_not_what_its_marker_says_is_told(
    world: World, body: bytes | None, there: str
) -> None:
    world.job = Two
    first = world.begin(spec(), LINE)
    (loc,) = finished(world, first, [30])
    if body is None:
        world.store.delete(loc.bucket, [loc.key])
    else:
        world.store.put(loc, body)
    with pytest.raises(CorruptData, match=f"{loc.key}: expected 30 bytes, {there}"):
        begin_next(world.runtime(), KEYS, first)
    assert world.names(NEXT.plan) == []


def over_pairs(world: World, job_spec: JobSpec, edges: tuple[int, ...]) -> Plan:
    first = world.begin(job_spec, LINE)
    finished(world, first, [], edges)
    begin_next(world.runtime(), KEYS, first)  # for what it did; now the same over parts of our choice
    plan = world.plan(NEXT)
    world.store.delete(WORK.bucket, [NEXT.plan.key, NEXT.plan_done.key])
    parts = [StatePart(key="a", bytes=100, etag="e", edges=edges), StatePart(key="b", bytes=50, etag="f")]
    begin_over_pairs(world.runtime(), NEXT, plan, parts)
    return world.plan(NEXT)


def test_parts_are_cut_where_blocks_begin(world: World) -> None:
    world.job = Two
    over_pairs(world, spec(split_size=30), (0, 20, 40, 90))
    ranges = [[(split.key, split.start, split.stop) for split in task] for task in world.tasks(NEXT)]
    assert ranges == [[("a", 0, 40)], [("a", 40, 90)], [("a", 90, 100)], [("b", 0, 50)]]


def test_one_file_of_a_last_step_without_a_shuffle_is_one_task(world: World) -> None:
    world.job = Two
    plan = over_pairs(world, spec(split_size=30, output={"one_file": True}), (0, 20, 40, 90))
    assert (plan.tasks, plan.partitions) == (1, 1)


def test_a_limit_brings_all_pairs_together(world: World) -> None:
    world.job = type("Top", (Lines,), {"order_by": "value", "limit": 3})
    plan = over_pairs(world, spec(partitions=7), (0,))
    assert (plan.partitions, plan.map_only) == (1, False)
