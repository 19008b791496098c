"""`reduce.task`: groups, results that can be written, errors that name the key, damage that is noticed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Aggregator, Job
from chalicelib.core.ports import Loc
from tests.worlds.simulation import Simulation, spec

BODY = b"one\ntwo\nthree\nfour\none\n"


def make(**parts: Any) -> type[Job]:
    return type("Made", (Job,), {"mapper": lambda self, key, line: [(line, 1)], **parts})


def run(job: type[Job], scratch: Path, **figures: Any) -> Simulation:
    world = Simulation(job, spec(max_attempts=1, **figures), scratch)
    world.drop("a.txt", BODY)
    world.run()
    assert world.errors == []
    assert not any(scratch.iterdir())
    return world


def failure(job: type[Job], scratch: Path, **figures: Any) -> str:
    output = run(job, scratch, **figures).output()
    assert "_SUCCESS" not in output, output
    return output["_FAILED"].decode()


def reducer(result: Any) -> Any:
    return lambda self, key, values: result


def broken_at_three(self: Any, key: str, values: Iterator[int]) -> Any:
    yield key, sum(values)
    if key == "three":
        raise RuntimeError("broken")


def named(name: str) -> Any:
    def method(self: Any) -> Any:
        raise RuntimeError("broken")

    method.__name__ = name
    return method


class Halves(Aggregator):
    def merge(self, left: int, right: int) -> int:
        return left + right

    def finish(self, state: int) -> int:
        raise ZeroDivisionError("halves")


@pytest.mark.parametrize(
    ("parts", "where"),
    [
        ({"reducer": broken_at_three}, "job job: reducer, at key 'three': RuntimeError: broken"),
        (
            {"reducer_init": named("reducer_init"), "reducer": reducer(())},
            "job job: reducer_init: RuntimeError: broken",
        ),
        (
            {"reducer_final": named("reducer_final"), "reducer": reducer(())},
            "job job: reducer_final: RuntimeError: broken",
        ),
        ({"reducer": Halves()}, "ZeroDivisionError: halves"),
    ],
    ids=lambda item: "" if isinstance(item, str) else next(iter(item)),
)
@pytest.mark.parametrize("budget", [None, 1])
def test_an_error_in_the_reducer_names_its_place(
    parts: dict[str, Any], where: str, budget: int | None, tmp_path: Path
) -> None:
    failed = failure(make(**parts), tmp_path, memory_budget=budget)
    assert "reduce task 0" in failed
    assert where in failed
    assert "raise " in failed


@pytest.mark.parametrize("result", [None, (), iter(())], ids=["None", "tuple", "iterator"])
def test_a_reducer_may_have_nothing_to_say(result: Any, tmp_path: Path) -> None:
    assert run(make(reducer=reducer(result)), tmp_path).text() == b""


@pytest.mark.parametrize("result", [[1], ["abc"], [("a", 1, 2)], [None]], ids=repr)
def test_what_is_no_pair_is_shown(result: Any, tmp_path: Path) -> None:
    failed = failure(make(reducer=reducer(result)), tmp_path)
    assert "expected (key, value) pairs" in failed
    assert repr(result[0]) in failed


@pytest.mark.parametrize("output", ["tsv", "jsonl", "csv"])
@pytest.mark.parametrize("value", [object, 1j], ids=["type", "complex"])
def test_a_result_that_cannot_be_written_is_named_with_key_and_type(
    value: Any, output: str, tmp_path: Path
) -> None:
    failed = failure(make(reducer=reducer([("the key", value)])), tmp_path, output={"format": output})
    assert "'the key'" in failed
    assert type(value).__name__ in failed
    assert "chalicelib" not in failed, "a user's mistake needs no traceback of ours"


def test_a_reducer_may_change_keys_and_their_order(tmp_path: Path) -> None:
    world = run(make(reducer=lambda self, key, values: [(key[::-1], sum(values)), (key, "again")]), tmp_path)
    assert world.text() == (
        b"ruof\t1\nfour\tagain\neno\t2\none\tagain\neerht\t1\nthree\tagain\nowt\t1\ntwo\tagain\n"
    )


def test_a_reducer_may_leave_values_unread(tmp_path: Path) -> None:
    world = run(make(reducer=lambda self, key, values: [(key, next(values))]), tmp_path, split_size=4)
    assert world.text() == b"four\t1\none\t1\nthree\t1\ntwo\t1\n"


@pytest.mark.parametrize("where", ["first", "middle", "last"])
def test_a_damaged_run_file_is_noticed_and_named(where: str, tmp_path: Path) -> None:
    world = Simulation(make(), spec(max_attempts=1), tmp_path)
    damaged: list[str] = []

    def spoil() -> None:
        for key in world.names():
            if key.endswith(".run"):
                loc = Loc("work", key.partition("/")[2])
                body = bytearray(world.memory.get(loc))
                body[{"first": 0, "middle": len(body) // 2, "last": -1}[where]] ^= 0x10
                world.memory.put(loc, bytes(body))
                damaged.append(loc.key)

    world.when(lambda: any(key.endswith("reduce/started") for key in world.names()), spoil)
    world.drop("a.txt", BODY)
    world.run()
    assert "_SUCCESS" not in world.output()
    assert damaged[0] in world.output()["_FAILED"].decode()


def test_a_damaged_file_is_not_the_user_s_fault_and_tried_again(tmp_path: Path) -> None:
    """Damage on the way, unlike damage at rest, is gone at the next attempt."""
    world = Simulation(make(), spec(max_attempts=2), tmp_path)
    bodies: dict[Loc, bytes] = {}

    def spoil() -> None:
        for key in world.names():
            if key.endswith(".run"):
                loc = Loc("work", key.partition("/")[2])
                bodies[loc] = world.memory.get(loc)
                world.memory.put(loc, bodies[loc][:-1] + b"?")

    def mend() -> None:
        for loc, body in bodies.items():
            world.memory.put(loc, body)

    world.when(lambda: any(key.endswith("reduce/started") for key in world.names()), spoil)
    world.when(lambda: any(key.endswith(".failed") for key in world.names()), mend)
    world.drop("a.txt", BODY)
    world.run()
    assert "_SUCCESS" in world.output()
    assert world.text() == b"four\t1\none\t1\none\t1\nthree\t1\ntwo\t1\n"


def test_an_earlier_attempt_s_part_is_adopted(tmp_path: Path) -> None:
    """The part is there, its marker is not: the marker must speak of the part that is there."""
    calls: list[str] = []

    def careless(self: Any, key: str, values: Iterator[int]) -> Any:
        """Not a function of its input, against all advice."""
        calls.append(key)
        yield key, "x" * len(calls)

    world = Simulation(make(reducer=careless), spec(), tmp_path)
    world.when(lambda: any("part-" in key for key in world.names()), world.kill_now)
    world.drop("a.txt", BODY)
    world.run()
    (part,) = json.loads(world.output()["_manifest.json"])["parts"]
    assert world.killed == ["reducer"]
    assert len(calls) == 8
    assert part["bytes"] == len(world.text())
    assert part["records"] == 4
    assert world.text() == b"four\tx\none\txx\nthree\txxx\ntwo\txxxx\n"
