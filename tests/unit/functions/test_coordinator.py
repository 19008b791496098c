"""The coordinator: which objects start a run, which objects that run reads, and what is told if it cannot begin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job
from chalicelib.core.errors import Forbidden
from chalicelib.core.keys import RunKeys, parse_run_key
from chalicelib.core.messages import decode
from chalicelib.core.outcome import Manifest
from chalicelib.core.plan import Plan
from chalicelib.core.plan_file import read_head, read_tasks
from chalicelib.core.ports import Loc
from chalicelib.core.spec import InputSpec, JobSpec, ManifestSpec
from chalicelib.functions import coordinator
from chalicelib.run.events import event_for
from tests.worlds.one_run import OneRun
from tests.worlds.recorded import Recorded
from tests.worlds.simulation import IN, OUT, WORK, Killed, Simulation, spec


class Lines(Job):
    def mapper(self, _: Any, line: str) -> Any:
        yield line, 1


# -- as a part of the whole cloud -------------------------------------------------------------------------


def simulation(scratch: Path, **figures: Any) -> Simulation:
    return Simulation(Lines, spec(**figures), scratch)


def plans(world: Simulation) -> list[tuple[Plan, list[list[str]]]]:
    found = []
    for info in world.memory.list(Loc("work", "")):
        if info.key.endswith("/plan.json") and "/reduce/" not in info.key:
            _, job, run, _ = info.key.split("/")
            keys = RunKeys(Loc("work", ""), job, run)
            plan = read_head(world.memory, keys)
            tasks = read_tasks(world.memory, keys, plan, 0, plan.tasks) if plan.tasks else []
            found.append((plan, [[f"{split.bucket}/{split.key}" for split in task] for task in tasks]))
    return found


@pytest.mark.parametrize("key", ["folder/", "_READY", ".hidden", "sub/_x", "sub/.x", "_sub/x", ".sub/more/x"])
def test_folders_and_hidden_objects_start_nothing(key: str, tmp_path: Path) -> None:
    world = simulation(tmp_path)
    world.drop(key, b"" if key.endswith("/") else b"x\n")
    world.run()
    assert plans(world) == []
    assert world.output() == {}


@pytest.mark.parametrize("folder", ["", "_asked/"])
def test_a_marker_speaks_for_no_hidden_folder_below_its_own(folder: str, tmp_path: Path) -> None:
    world = simulation(tmp_path, trigger="marker")
    for name in ("a", "_tmp/0/b", "sub/.git/c", "_d", "day=1/e", "_day=1/f"):
        world.add(folder + name, b"x\n")
    world.drop(f"{folder}_READY", b"")
    world.run()
    ((_, tasks),) = plans(world)
    found = sorted(key for task in tasks for key in task)
    assert found == sorted(f"in/data/{folder}{name}" for name in ("a", "day=1/e", "_day=1/f"))


@pytest.mark.parametrize("key", ["a b.txt", "a+b", "100%", "häß €.txt", "sub/%41", "q?&=#"])
def test_keys_of_any_letters_are_read(key: str, tmp_path: Path) -> None:
    world = simulation(tmp_path)
    world.drop(key, b"x\n")
    world.run()
    assert world.text() == b"x\t1\n"
    ((plan, tasks),) = plans(world)
    assert tasks == [[f"in/data/{key}"]]
    assert plan.source == f"s3://in/data/{key}"


def test_only_the_wanted_suffix_starts_a_run(tmp_path: Path) -> None:
    world = simulation(tmp_path, input={"suffix": ".txt"})
    world.drop("a.csv", b"x\n")
    world.drop("a.txt", b"y\n")
    world.run()
    assert [tasks for _, tasks in plans(world)] == [[["in/data/a.txt"]]]


def test_a_ready_marker_speaks_for_its_folder(tmp_path: Path) -> None:
    world = simulation(tmp_path, trigger="marker", split_size=4)
    for name in (
        "day/b",
        "day/a",
        "day/_x",
        "day/.x",
        "day/deep/c",
        "day/old.manifest",
        "day/empty",
        "other/z",
    ):
        world.add(name, b"" if name.endswith("empty") else b"x\n")
    world.drop("day/a", b"x\n")  # no marker
    world.drop("day/_READY", b"")
    world.run()
    ((plan, tasks),) = plans(world)
    assert [key for task in tasks for key in task] == ["in/data/day/a", "in/data/day/b", "in/data/day/deep/c"]
    assert [len(task) for task in tasks] == [2, 1]
    assert (plan.inputs, plan.bytes) == (4, 6)


def test_a_manifest_names_keys_prefixes_and_urls_in_order(tmp_path: Path) -> None:
    world = simulation(tmp_path, trigger="marker")
    for name in ("z", "p/2", "p/1"):
        world.add(name, b"x\n")
    world.add("k y", b"x\n")
    world.drop("list.manifest", b"data/z\n# a comment\n\n  data/p/ \r\ns3://in/data/k y\n")
    world.run()
    ((_, tasks),) = plans(world)
    assert tasks == [["in/data/z", "in/data/p/1", "in/data/p/2", "in/data/k y"]]
    assert world.text() == b"x\t1\n" * 4


@pytest.mark.parametrize(
    "name",
    [
        "s3://elsewhere/secret", "s3://in/other/secret", "other/secret", "s3://in/", "s3://in/dat", "/data/z",
        "s3://work/runs/job/", "s3://out/", "s3://", "s3:///data/z", "data", "DATA/z",
    ],
)  # fmt: skip
def test_a_manifest_names_nothing_outside_of_the_input(name: str, tmp_path: Path) -> None:
    """Though the functions may read it: another's objects, side files, plans, what was set aside."""
    world = simulation(tmp_path, trigger="marker")
    for loc in (Loc("elsewhere", "secret"), Loc("in", "other/secret"), Loc("work", "runs/job/old/plan.json")):
        world.memory.put(loc, b"secret\n")
    world.add("z", b"x\n")
    world.drop("list.manifest", f"data/z\n{name}\n".encode())
    world.run()
    assert "list.manifest, line 2: " in world.output()["_FAILED"].decode()
    assert "is outside of the job's input (s3://in/data/)" in world.output()["_FAILED"].decode()
    assert not world.invocations["mapper"]


FOLDER = ManifestSpec(scope="folder")


def test_a_manifest_may_be_held_to_its_own_folder(tmp_path: Path) -> None:
    """So that each partner, who may write a folder, names what lies in it and no other's."""
    world = simulation(tmp_path, trigger="marker", manifest=FOLDER)
    world.add("ann/z", b"x\n")
    world.add("ann/below/y", b"x\n")
    world.add("bob/z", b"x\n")
    world.add("ann-2/z", b"x\n")
    world.drop("ann/list.manifest", b"data/ann/z\ns3://in/data/ann/below/\n")
    world.run()
    assert "_SUCCESS" in world.output()


@pytest.mark.parametrize("name", ["data/bob/z", "data/", "data/ann-2/z", "data/ann", "s3://in/data/bob/z"])
def test_it_then_names_nothing_of_another_s(name: str, tmp_path: Path) -> None:
    world = simulation(tmp_path, trigger="marker", manifest=FOLDER)
    for key in ("ann/z", "bob/z", "ann-2/z"):
        world.add(key, b"x\n")
    world.drop("ann/list.manifest", f"data/ann/z\n{name}\n".encode())
    world.run()
    failed = world.output()["_FAILED"].decode()
    assert "ann/list.manifest, line 2: " in failed
    assert "is outside of its own folder, the limit that manifest.scope sets (s3://in/data/ann/)" in failed
    assert not world.invocations["mapper"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"data/gone\n", r"list.manifest, line 1 names it, but it does not exist"),
        (b"\n# c\ndata/none/\n", r"list.manifest, line 3: nothing under s3://in/data/none/"),
        (b"data/ok\n\xff\n", "byte 8: a manifest is UTF-8 text"),
    ],
)
def test_a_manifest_that_cannot_be_followed_fails_the_run_in_a_sentence(
    body: bytes, message: str, tmp_path: Path
) -> None:
    world = simulation(tmp_path, trigger="marker")
    world.drop("list.manifest", body)
    world.run()
    assert sorted(world.output()) == ["_FAILED", "_manifest.json"]
    assert message in world.output()["_FAILED"].decode()
    assert "Traceback" not in world.output()["_FAILED"].decode()


def test_an_empty_object_and_an_empty_folder_succeed_without_records(tmp_path: Path) -> None:
    world = simulation(tmp_path)
    world.drop("empty.txt", b"")
    world.run()
    assert sorted(world.output()) == ["_SUCCESS", "_manifest.json"]
    world = simulation(tmp_path, trigger="marker")
    world.drop("nothing/_READY", b"")
    world.run()
    assert sorted(world.output()) == ["_SUCCESS", "_manifest.json"]


def test_a_class_that_is_no_job_fails_the_run_in_a_sentence(tmp_path: Path) -> None:
    world = Simulation(type("Nothing", (Job,), {}), spec(), tmp_path)
    world.drop("a.txt", b"x\n")
    world.run()
    assert "expected exactly one of mapper" in world.output()["_FAILED"].decode()


# -- by itself --------------------------------------------------------------------------------------------


class World(Recorded):
    """Objects are dropped, and their events delivered, as S3 does it."""

    def event(self, *names: str, place: Loc = IN) -> dict[str, Any]:
        records = []
        for name in names:
            record = event_for(place.child(name))["Records"][0]
            record["eventTime"] = "2026-11-18T03:24:24.000Z"
            record["s3"]["object"]["sequencer"] = name
            records.append(record)
        return {"Records": records}

    def handle(self, event: dict[str, Any], **figures: Any) -> None:
        given = figures.pop("job_spec", None) or spec(**figures)
        coordinator.handle(self.runtime(), event, "job", given)

    def runs(self) -> list[RunKeys]:
        found = [parse_run_key(WORK.bucket, name) for name in self.names(WORK)]
        return [keys for keys, name in filter(None, found) if name == "plan.json"]

    def read(self) -> list[str]:
        """What the only run reads."""
        (keys,) = self.runs()
        plan = read_head(self.store, keys)
        tasks = read_tasks(self.store, keys, plan, 0, plan.tasks)
        return [f"{split.bucket}/{split.key}" for task in tasks for split in task]

    def refused(self) -> Manifest:
        """The manifest of the only run, which could not begin."""
        assert self.runs() == []
        assert self.invoked == []
        failed, manifest = self.names(OUT)
        assert failed.endswith("/_FAILED")
        loc = OUT.child(manifest)
        return decode(Manifest, self.store.get(loc), loc.url)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(Lines, tmp_path)


def test_every_object_of_an_event_has_a_run_of_its_own(world: World) -> None:
    for name in ("a.txt", "b.txt", "_c"):
        world.add(name, b"x\n")
    world.handle(world.event("a.txt", "b.txt", "_c"))
    assert len(world.runs()) == 2
    assert [function for function, _ in world.invoked] == ["mapper", "mapper"]
    assert {call["run"] for _, call in world.invoked} == {keys.run for keys in world.runs()}


def test_an_event_that_comes_twice_starts_one_run(world: World) -> None:
    world.add("a.txt", b"x\n")
    event = world.event("a.txt")
    for _ in range(3):
        world.handle(event)
    assert len(world.runs()) == 1
    assert world.log == ["plan.json", "mapper", "plan.done"]


@pytest.mark.parametrize("killed_after", ["plan.json", "mapper", "plan.done"])
def test_the_event_comes_again_when_the_coordinator_has_died(world: World, killed_after: str) -> None:
    world.add("a.txt", b"x\n")
    world.kill_after = killed_after
    with pytest.raises(Killed):
        world.handle(world.event("a.txt"))
    world.handle(world.event("a.txt"))
    assert len(world.runs()) == 1
    assert world.log[-1] == "plan.done"
    assert world.log.count("plan.json") == world.log.count("plan.done") == 1


@pytest.mark.parametrize(
    ("trigger", "starts"),
    [
        ("each", ["a.txt", "x.manifest"]),
        ("marker", ["_READY", "x.manifest"]),
        ("success", ["_READY", "_SUCCESS", "x.manifest"]),
    ],
)
def test_what_starts_a_run(world: World, trigger: str, starts: list[str]) -> None:
    names = ["a.txt", "_READY", "_SUCCESS", "x.manifest", "_manifest.json", "_FAILED", ".x", "folder/"]
    for name in names:
        world.add(name, b"")
    started = []
    for name in names:
        before = len(world.runs())
        world.handle(world.event(name), trigger=trigger)
        started += [name] * (len(world.runs()) - before)
    assert sorted(started) == sorted(starts)


def several(**figures: Any) -> JobSpec:
    """A job of two inputs."""
    return JobSpec(
        job="job:Job",
        input=InputSpec(url="s3://in/data/", tag="left"),
        more_inputs=(InputSpec(url="s3://in2/more/", tag="right"),),
        work=spec().work,
        output=spec().output,
        **figures,
    )


def test_an_object_under_no_input_starts_nothing(world: World) -> None:
    for place in (Loc("in", "other/"), Loc("in2", "data/")):
        world.add("a.txt", b"x\n", place)
        world.handle(world.event("a.txt", place=place), job_spec=several())
    assert world.log == []


def test_the_results_of_a_run_are_the_input_of_the_next_job(world: World) -> None:
    for name in ("run/part-00000.tsv", "run/_manifest.json", "run/_SUCCESS", "other/part-00000.tsv"):
        world.add(name, b"x\n")
    world.handle(world.event("run/_SUCCESS"), trigger="success")
    assert world.read() == ["in/data/run/part-00000.tsv"]


def test_a_marker_of_several_inputs_stands_for_the_same_folder_of_each(world: World) -> None:
    for place in (IN, Loc("in2", "more/")):
        for name in ("day/a", "night/b"):
            world.add(name, b"x\n", place)
    world.handle(world.event("day/_READY"), job_spec=several(trigger="marker"))
    assert world.read() == ["in/data/day/a", "in2/more/day/a"]


def test_an_object_that_is_gone_before_its_run_begins_is_told(world: World) -> None:
    world.handle(world.event("a.txt"))
    manifest = world.refused()
    assert manifest.reason.startswith("s3://in/data/a.txt: it was deleted before the run began")
    assert (manifest.outcome, manifest.source, manifest.finished) == (
        "failed",
        "s3://in/data/a.txt",
        world.time,
    )
    assert [(failure.phase, failure.fatal) for failure in manifest.failures] == [("plan", True)]


def test_a_place_that_may_not_be_read_is_told_with_its_line(world: World) -> None:
    world.add("x.manifest", b"data/open/\ndata/secret/\n")
    world.add("open/a", b"x\n")
    listed = world.store.list

    def guarded(prefix: Loc, after: str = "") -> Any:
        if prefix.key == "data/secret/":
            raise Forbidden(f"{prefix.url}: access denied")
        return listed(prefix, after)

    world.store.list = guarded  # type: ignore[method-assign]
    world.handle(world.event("x.manifest"), trigger="marker")
    assert "x.manifest, line 2: s3://in/data/secret/ cannot be read: " in world.refused().reason


def test_a_manifest_without_end_is_refused(world: World) -> None:
    world.add("x.manifest", b"#" * ((16 << 20) + 1))
    world.handle(world.event("x.manifest"), trigger="marker")
    assert "a manifest of over 16777216 bytes: name prefixes instead" in world.refused().reason


def test_a_run_that_was_refused_is_refused_again(world: World) -> None:
    for _ in range(2):
        world.handle(world.event("a.txt"))
    assert world.refused().outcome == "failed"


@pytest.mark.parametrize("event", [{}, {"Records": []}, {"Records": [{"s3": {}}]}, {"Event": "s3:TestEvent"}])
def test_events_that_tell_of_no_object_are_ignored(world: World, event: dict[str, Any]) -> None:
    world.handle(event)
    assert world.log == []


# -- what the supervisor has failed on --------------------------------------------------------------------


def told_of(payload: dict[str, Any]) -> dict[str, Any]:
    """What Lambda tells of an event, as AWS documents it."""
    return {
        "version": "1.0",
        "timestamp": "2026-11-14T18:16:05.568Z",
        "requestContext": {
            "requestId": "e4b46cbf-b738-4f02-9f4f-3c8a8b2c5f7a",
            "functionArn": "arn:aws:lambda:eu-west-1:123456789012:function:sluice-job-supervisor:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": payload,
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "responsePayload": {"errorMessage": "out of memory"},
    }


def passed_on(tmp_path: Path, event: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    class Listening(OneRun):
        def invoke(self, function: str, payload: dict[str, Any]) -> None:
            self.invoked.append((function, payload))

    world = Listening(Lines, b"a\n", tmp_path)
    before = len(world.invoked)
    coordinator.handle(world.runtime(), event, "job", spec())
    return list(world.invoked)[before:]


def test_what_a_supervisor_has_failed_on_it_gets_once_more_and_then_to_end_its_run(tmp_path: Path) -> None:
    event = event_for(Loc("work", "runs/job/r1/plan.done"))
    once = event | {"sluiceRound": 1}
    to_end = event | {"sluiceRound": 2, "sluiceEnd": "RetriesExhausted"}
    assert passed_on(tmp_path, told_of(event)) == [("supervisor", once)]
    assert passed_on(tmp_path, told_of(once)) == [("supervisor", to_end)]
    assert passed_on(tmp_path, told_of(to_end)) == []


def test_what_waited_for_a_slot_until_it_was_too_old_is_queued_anew_for_two_days(tmp_path: Path) -> None:
    event = event_for(Loc("work", "runs/job/r1/plan.done"))
    report = told_of(event)
    report["requestContext"]["condition"] = "EventAgeExceeded"
    for waits in range(1, 8):
        ((function, report["requestPayload"]),) = passed_on(tmp_path, report)
        assert (function, report["requestPayload"]) == ("supervisor", event | {"sluiceWaits": waits})
    ((_, found),) = passed_on(tmp_path, report)
    assert found["sluiceRound"] == 1, "as if it had been tried"


def test_while_s3_does_not_answer_it_gets_it_again_and_again(tmp_path: Path) -> None:
    def passed(event: dict[str, Any]) -> dict[str, Any]:
        report = told_of(event) | {
            "responsePayload": {"errorType": "StoreError", "errorMessage": "timed out"}
        }
        ((function, found),) = passed_on(tmp_path, report)
        assert function == "supervisor"
        return found

    event = event_for(Loc("work", "runs/job/r1/plan.done"))
    for number in range(1, 41):
        event = passed(event)
        assert event["sluiceRound"] == number
        assert "sluiceEnd" not in event
    assert passed(event)["sluiceEnd"] == "RetriesExhausted"
    to_end = event_for(Loc("work", "runs/job/r1/plan.done")) | {
        "sluiceRound": 2,
        "sluiceEnd": "RetriesExhausted",
    }
    assert passed(to_end) == to_end | {"sluiceRound": 3}
