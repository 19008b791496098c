"""What a run has published is final: `_SUCCESS` or `_FAILED` is its last write, whatever is delivered behind it.

A run's id is a function of the event, so an event that comes again after the work place was emptied finds no plan.
What is left in the output place must then be enough to know that the run has ended, or that it is no place to write to.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chalicelib import Job, Sum
from chalicelib.core.keys import parse_overtaken
from chalicelib.core.ports import Loc
from chalicelib.core.spec import JobSpec
from tests.strategies import places
from tests.worlds.simulation import IN, OUT, SCRATCH, WORK, Simulation, spec

WORDS = [f"w{number * number % 97}" for number in range(300)]
TEXT = "\n".join(WORDS).encode()


class Words(Job):
    def mapper(self, _: Any, word: str) -> Iterator[Any]:
        if word == "boom":
            raise ValueError("boom")
        yield word, 1

    reducer = Sum()


class Rows(Job):
    shuffle = False

    def mapper(self, _: Any, word: str) -> Iterator[Any]:
        yield word, 1


class TwoSteps(Job):
    steps = (Words, Words)


def figures(**more: Any) -> JobSpec:
    """A configuration that makes some eight parts."""
    return spec(**{"split_size": 200, "partitions": 8, "reduce_size": 1, "max_attempts": 2, **more})


#: What was deployed meanwhile: other parts, of other names, than the run made.
OTHERS = {"reduce_size": 1 << 20, "split_size": 700, "partitions": 3}

CASES: dict[str, tuple[type[Job], dict[str, Any]]] = {
    "tsv": (Words, {}),
    "packed": (Words, {"output": {"compression": "gz"}}),
    "folders": (Words, {"output": {"columns": "word, n", "by": "n", "format": "csv"}}),
    "rows alone": (Rows, {}),
    "two steps": (TwoSteps, {}),
    "totals": (Words, {"accumulate": True}),
}


class World(Simulation):
    """A run, and what may come behind it."""

    def __init__(self, job: type[Job], job_spec: JobSpec, text: bytes = TEXT, **how: Any) -> None:
        super().__init__(job, job_spec, SCRATCH, **how)
        self.event = self.drop("a.txt", text)
        self.run()

    def empty_work(self) -> None:
        """As `clean.py --older-than 0s` does, or the lifecycle rule. The totals stay."""
        self.memory.delete(WORK.bucket, [key for key in self.work() if "totals/" not in key])

    def leave(self, wanted: Callable[[str], bool]) -> None:
        """Delete all results whose name is not wanted."""
        doomed = [info.key for info in self.memory.list(OUT) if not wanted(info.key.rpartition("/")[2])]
        self.memory.delete(OUT.bucket, doomed)

    def redeploy(self, **changed: Any) -> None:
        given = {name: getattr(self.spec, name) for name in ("accumulate",)}
        output = {
            name: getattr(self.spec.output, name) for name in ("format", "compression", "by", "columns")
        }
        self.spec = figures(**{"output": output, **given, **changed})
        self.time += 3600

    def results(self) -> dict[str, tuple[str, bytes]]:
        """All objects of the output place, with their etags: these change with each write."""
        return {
            info.key: (info.etag, self.memory.get(Loc(OUT.bucket, info.key)))
            for info in self.memory.list(OUT)
        }

    def deliver_all_again(self) -> None:
        for function, payload in list(self.delivered):
            self.deliver(function, payload)
        self.run()


def end(world: World) -> str:
    (found,) = {name for name in world.output() if name in ("_SUCCESS", "_FAILED")}
    return found


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("text", [TEXT, TEXT + b"\nboom"], ids=["_SUCCESS", "_FAILED"])
def test_an_event_that_comes_again_after_the_work_place_was_emptied_starts_nothing(
    name: str, text: bytes
) -> None:
    job, more = CASES[name]
    world = World(job, figures(**more), text)
    assert end(world) == ("_SUCCESS" if b"boom" not in text or job is Rows else "_FAILED")
    before, mappers = world.results(), world.invocations["mapper"]

    world.empty_work()
    world.redeploy(**OTHERS)
    world.deliver("coordinator", world.event)
    world.run()

    assert world.results() == before
    assert world.invocations["mapper"] == mappers
    assert not [key for key in world.work() if "totals/" not in key]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("text", [TEXT, TEXT + b"\nboom"], ids=["_SUCCESS", "_FAILED"])
@pytest.mark.parametrize("emptied", [True, False], ids=["emptied", "kept"])
def test_whatever_is_delivered_again_after_the_end_writes_nothing(
    name: str, text: bytes, emptied: bool
) -> None:
    job, more = CASES[name]
    world = World(job, figures(**more), text)
    before = world.results()
    if emptied:
        world.empty_work()
        world.redeploy(**OTHERS)
    kept = set(world.work())
    world.deliver_all_again()
    assert world.results() == before
    new = [key for key in world.work() if key not in kept and not key.endswith(("/lease", "/turn"))]
    told = [key for key in new if parse_overtaken(key)]  # what it costs to do it again
    assert new == told
    assert not (emptied and told)


@pytest.mark.parametrize("name", [name for name in CASES if name != "totals"])
def test_parts_that_nobody_ended_are_not_taken_for_those_of_a_new_plan(name: str) -> None:
    job, more = CASES[name]
    world = World(job, figures(**more))
    world.empty_work()
    world.leave(lambda key: key.startswith("part-"))
    before = world.results()
    assert before

    world.redeploy(**OTHERS)
    world.deliver("coordinator", world.event)
    world.run()

    assert end(world) == "_FAILED"
    told = world.output()["_FAILED"].decode()
    assert f"s3://out/{min(before)}: was there before run " in told
    assert "drop the files again" in told
    assert {key: body for key, body in world.results().items() if "part-" in key} == before
    assert json.loads(world.output()["_manifest.json"])["parts"] == []


def test_a_manifest_that_nobody_committed_is_not_kept_for_another_plan_s_end() -> None:
    world = World(Words, figures())
    world.empty_work()
    world.leave(lambda key: key == "_manifest.json")
    world.redeploy(**OTHERS)
    world.deliver("coordinator", world.event)
    world.run()
    assert end(world) == "_SUCCESS"
    manifest = json.loads(world.output()["_manifest.json"])
    there = sorted(info.key for info in world.memory.list(OUT) if "part-" in info.key)
    assert [part["key"] for part in manifest["parts"]] == there


@pytest.mark.parametrize("left", ["part-", "_manifest.json"])
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_what_is_left_is_met_in_the_same_way_at_whatever_call_one_is_killed(left: str, before: bool) -> None:
    def replayed(number: int | None) -> Simulation:
        world = World(Words, figures(), before=before)
        world.empty_work()
        world.leave(lambda key: key.startswith(left))
        world.redeploy(**OTHERS)
        calls = world.calls
        if number is not None:
            world._kill_at = {calls + number}
        world.deliver("coordinator", world.event)
        world.run()
        world.calls -= calls
        return world

    calm = replayed(None)
    for number in places(calm.calls, 2):
        world = replayed(number)
        assert world.killed, number
        assert world.output().keys() == calm.output().keys(), number
        assert world.text() == calm.text(), number
        assert world.output().get("_FAILED") == calm.output().get("_FAILED"), number


def test_an_event_that_comes_again_when_its_object_is_gone_refuses_nothing() -> None:
    """Neither the run under way, which has read all of it, nor one that has ended."""
    world = Simulation(Words, figures(), SCRATCH)
    event = world.drop("a.txt", TEXT)

    def lose() -> None:
        world.memory.delete(IN.bucket, [IN.child("a.txt").key])
        world.deliver("coordinator", event)

    world.when(lambda: any(name.endswith("/reduce/plan.json") for name in world.names()), lose)
    world.run()
    assert {"_SUCCESS", "_FAILED"} & world.output().keys() == {"_SUCCESS"}
    before = world.objects()
    world.deliver("coordinator", event)
    world.run()
    assert world.objects() == before


@pytest.mark.parametrize("number", range(1, 12))
def test_a_run_that_is_planned_and_refused_at_once_ends_one_way(number: int) -> None:
    """Two deliveries of the event, and the object is gone in between."""
    world = Simulation(Words, figures(), SCRATCH)
    event = world.drop("a.txt", TEXT)

    def refuse() -> None:
        body = world.memory.get(IN.child("a.txt"))
        world.memory.delete(IN.bucket, [IN.child("a.txt").key])
        world._handle("coordinator", event)
        world.memory.put(IN.child("a.txt"), body)

    world.at_call(number, refuse)
    world.run()
    assert len({"_SUCCESS", "_FAILED"} & world.output().keys()) == 1
    manifest = json.loads(world.output()["_manifest.json"])
    assert manifest["outcome"] == ("success" if "_SUCCESS" in world.output() else "failed")


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("text", [TEXT, TEXT + b"\nboom"], ids=["_SUCCESS", "_FAILED"])
def test_a_run_killed_at_any_call_is_final_all_the_same(text: bytes, before: bool) -> None:
    """Its last write is its end, however it was interrupted; then the work place is emptied and all comes again."""
    calm = World(Words, figures(), text)
    ending = next(number for number in range(1, calm.calls) if number > calm.calls * 3 // 4)
    for number in places(calm.calls, 2, ending):
        world = World(Words, figures(), text, kill_at=[number], before=before)
        assert world.output().keys() == calm.output().keys(), f"call {number}"
        found = world.results()
        world.empty_work()
        world.redeploy(**OTHERS)
        world.deliver_all_again()
        assert world.results() == found, f"call {number}"


def test_a_refused_run_is_final() -> None:
    """What it was refused for may be mended before its event comes again."""
    world = Simulation(Words, figures(), SCRATCH)
    event = world.drop("a.txt", TEXT)
    world.memory.delete(IN.bucket, [IN.child("a.txt").key])
    world.run()
    before = world.output()
    assert before.keys() == {"_FAILED", "_manifest.json"}
    world.add("a.txt", TEXT)
    for name in world.work():
        world.memory.delete(WORK.bucket, [name])
    world.deliver("coordinator", event)
    world.run()
    assert world.output() == before
