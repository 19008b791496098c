"""How a call is served: payloads, failures, and the tree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job
from chalicelib.core.errors import CorruptData, InputError, JobCodeError, SluiceError
from chalicelib.core.messages import to_payload
from chalicelib.core.ports import Loc
from chalicelib.core.tasks import TaskCall
from chalicelib.functions.attempt import serve
from chalicelib.run.calls import MAX_HOPS
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
        return serve.describe("map", 3, 1, raised, 9.0)


def test_a_failure_of_the_job_s_code_shows_that_code_s_traceback() -> None:
    failure = failed(JobCodeError("job j: s3://b/k: ValueError: boom"))
    assert (failure.phase, failure.task, failure.attempt, failure.at, failure.fatal) == (
        "map",
        3,
        1,
        9.0,
        True,
    )
    assert failure.error == "ValueError"
    assert failure.message == "job j: s3://b/k: ValueError: boom"
    assert 'raise ValueError("boom")' in failure.detail
    assert failure.detail.endswith("ValueError: boom")


def test_a_user_s_mistake_is_fatal_and_needs_no_traceback() -> None:
    failure = failed(InputError("s3://b/k: byte 3"))
    assert (failure.fatal, failure.detail, failure.error) == (True, "", "InputError")


def test_an_error_without_a_text_still_has_a_message() -> None:
    assert serve.describe("map", 0, 0, MemoryError(), 0.0).message == "MemoryError()"


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
