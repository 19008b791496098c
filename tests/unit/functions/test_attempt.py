"""How a call is served: payloads, failures, the tree. And what starts coordinator and supervisor, or does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job
from chalicelib.core.errors import CorruptData, InputError, JobCodeError, SluiceError
from chalicelib.core.keys import RunKeys
from chalicelib.core.messages import to_payload
from chalicelib.core.plan import Plan, read_head, read_tasks
from chalicelib.core.ports import Loc
from chalicelib.core.tasks import TaskCall
from chalicelib.functions import attempt
from chalicelib.run.call_tree import MAX_HOPS
from chalicelib.run.events import event_for
from chalicelib.run.lease import read
from tests.worlds.simulation import Simulation, spec


class Lines(Job):
    def mapper(self, _: Any, line: str) -> Any:
        yield line, 1


def simulation(scratch: Path, **figures: Any) -> Simulation:
    return Simulation(Lines, spec(**figures), scratch)


def user_code() -> None:
    raise ValueError("boom")


def failed(error: Exception | None) -> Any:
    try:
        try:
            user_code()
        except ValueError as cause:
            raise (error or cause) from cause
    except Exception as raised:  # noqa: BLE001 - this is what a root sees
        return attempt.describe("map", 3, 1, raised, 9.0)


def test_a_failure_of_the_job_s_code_shows_that_code_s_traceback() -> None:
    failure = failed(JobCodeError("job j: s3://b/k: ValueError: boom"))
    assert (failure.phase, failure.task, failure.attempt, failure.at, failure.fatal) == (
        "map",
        3,
        1,
        9.0,
        False,
    )
    assert failure.error == "ValueError"
    assert failure.message == "job j: s3://b/k: ValueError: boom"
    assert 'raise ValueError("boom")' in failure.detail
    assert failure.detail.endswith("ValueError: boom")


def test_a_user_s_mistake_is_fatal_and_needs_no_traceback() -> None:
    failure = failed(InputError("s3://b/k: byte 3"))
    assert (failure.fatal, failure.detail, failure.error) == (True, "", "InputError")


def test_an_error_without_a_text_still_has_a_message() -> None:
    assert attempt.describe("map", 0, 0, MemoryError(), 0.0).message == "MemoryError()"


@pytest.mark.parametrize("function", ["mapper", "reducer"])
def test_a_payload_of_another_shape_is_refused(function: str, tmp_path: Path) -> None:
    world = Simulation(Lines, spec(), tmp_path, retries=0)
    world.deliver(function, {"Records": []})
    world.run()
    (error,) = world.errors
    assert isinstance(error, CorruptData)
    assert f"the {function}'s event: expected a TaskCall payload" in str(error)


def test_endless_recursion_is_stopped(tmp_path: Path) -> None:
    world = Simulation(Lines, spec(), tmp_path, retries=0)
    call = TaskCall(bucket="work", prefix="", job="j", run="r", lo=0, hi=99, hop=MAX_HOPS + 1)
    world.deliver("mapper", to_payload(call))
    world.run()
    (error,) = world.errors
    assert isinstance(error, SluiceError)
    assert "this must be a loop" in str(error)
    assert world.invocations["mapper"] == 1


def test_a_failing_root_starts_its_subtrees_first(tmp_path: Path) -> None:
    """One bad task must not keep thousands of others from starting."""

    class FirstFails(Lines):
        def mapper(self, _: Any, line: str) -> Any:
            if line == "0":
                raise ValueError
            yield line, 1

    body = b"".join(b"%d\n" % (number % 10) for number in range(80))
    world = Simulation(FirstFails, spec(split_size=2, max_attempts=1), tmp_path)
    world.drop("a.txt", body)
    world.run()
    done = [key for key in world.names() if "/map/" in key and key.endswith(".done")]
    assert len(done) == 72
    assert world.invocations["mapper"] == 80


# ---------------------------------------------------------------------------------------------------
# Coordinator


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
    world.memory.put(Loc("elsewhere", "k y"), b"x\n")
    world.drop("list.manifest", b"data/z\n# a comment\n\n  data/p/ \r\ns3://elsewhere/k y\n")
    world.run()
    ((_, tasks),) = plans(world)
    assert tasks == [["in/data/z", "in/data/p/1", "in/data/p/2", "elsewhere/k y"]]
    assert world.text() == b"x\t1\n" * 4


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"data/gone\n", r"list.manifest, line 1 names it, but it does not exist"),
        (b"\n# c\ndata/none/\n", r"list.manifest, line 3: nothing under s3://in/data/none/"),
        (b"ok\n\xff\n", "byte 3: a manifest is UTF-8 text"),
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


def test_two_hundred_tasks_are_a_tree(tmp_path: Path) -> None:
    world = simulation(tmp_path, split_size=2)
    world.drop("a.txt", b"x\n" * 230)
    world.run()
    assert world.text() == b"x\t1\n" * 230
    hops = [payload["hop"] for function, payload in world.delivered if function == "mapper"]
    assert len(hops) == 230
    assert max(hops) == 2


# ---------------------------------------------------------------------------------------------------
# Supervisor


def test_a_stray_marker_of_a_run_without_a_plan_wakes_nobody_for_long(tmp_path: Path) -> None:
    world = simulation(tmp_path)
    world.memory.put(Loc("work", "runs/job/old/map/000000.done"), b"")
    world.run()
    assert world.errors == []
    assert world.time - 1_700_000_000.0 < 60


def test_objects_that_are_not_ours_are_ignored(tmp_path: Path) -> None:
    world = simulation(tmp_path)
    world.deliver("supervisor", event_for(Loc("work", "somebody/else.done")))
    world.run()
    assert world.errors == []
    assert world.names() == []


def test_a_corrupt_marker_is_told_and_not_skipped(tmp_path: Path) -> None:
    world = simulation(tmp_path, split_size=2)
    spoiled: list[str] = []

    def spoil() -> None:
        for key in world.names():
            if key.endswith("map/000001.done"):
                world.memory.put(Loc("work", key.partition("/")[2]), b"garbage")
                spoiled.append(key)

    world.when(lambda: any(key.endswith("map/000001.done") for key in world.names()), spoil)
    world.drop("a.txt", b"x\ny\nz\n")
    world.run()
    assert spoiled
    assert "_SUCCESS" not in world.output()
    assert any(isinstance(error, CorruptData) and "000001.done" in str(error) for error in world.errors)
    (lease,) = [name for name in world.names() if name.endswith("reduce/lease")]
    found = read(world.memory, Loc("work", lease.partition("/")[2]))
    assert found is not None
    assert found[0].expires == 0, "who fails lets the next one try at once"
