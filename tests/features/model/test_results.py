"""Results that are filtered, and groups that are set aside."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Aggregator, Job, Sum
from chalicelib.core.errors import JobCodeError
from chalicelib.core.ports import Loc
from chalicelib.core.spec import BadRecordsSpec
from chalicelib.testing import run_job
from tests.features.model import pieces, slowed
from tests.features.test_timeouts import RealTime
from tests.worlds.simulation import Simulation, spec

NUMBERS = "".join(f"{number}\n" for number in range(200))


class Rest(Job):
    """Sums of numbers by their rest of 20; only the even sums are kept."""

    def mapper(self, _: Any, line: str) -> Any:
        yield int(line) % 20, int(line)

    reducer = Sum()

    def having(self, key: int, value: int) -> bool:
        self.count("seen")
        return value % 4 == 0


class RestByHand(Rest):
    def reducer(self, key: int, values: Any) -> Any:
        yield key, sum(values)


class Unreduced(Rest):
    reducer = None


def sums() -> dict[int, int]:
    return {rest: sum(range(rest, 200, 20)) for rest in range(20)}


@pytest.mark.parametrize("job", [Rest, RestByHand])
@pytest.mark.parametrize("policy", ["fail", "quarantine"])
def test_having(job: type[Job], policy: Any, tmp_path: Path) -> None:
    world = Simulation(
        job, spec(split_size=60, partitions=4, bad_records=BadRecordsSpec(policy=policy)), tmp_path
    )
    world.drop("a.txt", NUMBERS.encode())
    world.run()
    rows = dict(map(int, line.split(b"\t")) for line in world.text().splitlines())
    assert rows == {rest: total for rest, total in sums().items() if total % 4 == 0}
    assert manifest(world)["counters"] == {"seen": 20}
    assert manifest(world)["records"] == len(rows)


def test_having_without_a_reducer_and_of_what_init_yields() -> None:
    class Init(Unreduced):
        def reducer_init(self) -> Any:
            yield 100, 3
            yield 100, 4

    assert run_job(Init, ["1", "4", "8", "3"]) == [(100, 4), (4, 4), (8, 8)]


@pytest.mark.parametrize("job", [Rest, RestByHand, Unreduced])
def test_an_error_in_having_names_the_key(job: type[Job]) -> None:
    def having(self: Job, key: int, value: int) -> bool:
        raise ValueError("no")

    broken = type("Broken", (job,), {"having": having})
    with pytest.raises(JobCodeError, match="at key 7: ValueError: no"):
        run_job(broken, ["7"])


# ---------------------------------------------------------------------------------------------------
# Groups that are set aside


def check(key: int) -> None:
    if key % 10 == 3:
        raise ValueError(f"cannot take {key}")


class Halfway(Rest):
    """Raises in the middle of a group, after it has counted and given a pair."""

    def having(self, key: int, value: int) -> bool:
        return True

    def reducer(self, key: int, values: Any) -> Any:
        self.count("groups")
        yield key, next(values)
        check(key)
        yield key, sum(values)


class Finish(Aggregator):
    def merge(self, left: tuple[int, int], right: tuple[int, int]) -> tuple[int, int]:
        return left[0], left[1] + right[1]

    def finish(self, state: tuple[int, int]) -> int:
        check(state[0])
        return state[1]


class Finishing(Job):
    def mapper(self, _: Any, line: str) -> Any:
        yield int(line) % 20, (int(line) % 20, int(line))

    reducer = Finish()


class Having(Rest):
    def having(self, key: int, value: int) -> bool:
        self.count("groups")
        check(key)
        return True


def manifest(world: Simulation) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(world.output()["_manifest.json"])
    return found


def listed(world: Simulation) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for key in manifest(world)["quarantine"]
        for line in world.memory.get(Loc("work", key)).splitlines()
    ]


@pytest.mark.parametrize("job", [Halfway, Finishing, Having])
@pytest.mark.parametrize("seed", [None, 1, 2])
@pytest.mark.parametrize("seconds", [0.0, 1.5])
def test_a_bad_group_is_set_aside_once(
    job: type[Job], seed: int | None, seconds: float, tmp_path: Path
) -> None:
    place: list[Simulation] = []
    world = Simulation(
        slowed(job, place, seconds) if job is Halfway else job,
        spec(
            split_size=200,
            partitions=4,
            bad_records=BadRecordsSpec(policy="quarantine", max=5, max_fraction=0.1),
        ),
        tmp_path,
        seed=seed,
        duplicates=seed is not None,
        kill_at=(60, 90) if seed else (),
        lifetime=10.0 if seconds else 300.0,
    )
    place.append(world)
    world.drop("a.txt", NUMBERS.encode())
    world.run()
    rows = [tuple(map(int, line.split(b"\t"))) for line in world.text().splitlines()]
    expected = {(rest, total) for rest, total in sums().items() if rest % 10 != 3}
    if job is Halfway:
        expected = {(rest, total - rest) for rest, total in expected} | {(rest, rest) for rest, _ in expected}
    assert sorted(rows) == sorted(expected)
    assert manifest(world)["bad"] == 2
    assert manifest(world)["counters"].get("groups", 18) == 18
    found = listed(world)
    assert sorted((bad["phase"], bad["source"], bad["error"]) for bad in found) == [
        ("reduce", "13", "ValueError: cannot take 13"),
        ("reduce", "3", "ValueError: cannot take 3"),
    ]
    assert all("in check" in bad["traceback"] for bad in found)
    if job is Halfway and seconds:
        assert pieces(world) > 0
    left = [name for name in world.names() if "/quarantine/" in name]
    if not seed:
        assert left == [f"work/{key}" for key in manifest(world)["quarantine"]]


@pytest.mark.parametrize(
    ("limit", "outcome"),
    [({"max": 4, "max_fraction": 1.0}, "_SUCCESS"), ({"max": 3, "max_fraction": 1.0}, "_FAILED"),
     ({"max": 4, "max_fraction": 0.01}, "_FAILED")],
)  # fmt: skip
def test_limits_hold_over_both_phases_and_all_tasks(limit: Any, outcome: str, tmp_path: Path) -> None:
    """Two bad records and two bad groups of 200 records, no task with more than two."""
    bad_records = BadRecordsSpec(policy="quarantine", **limit)
    world = Simulation(Halfway, spec(split_size=200, partitions=4, bad_records=bad_records), tmp_path)
    world.drop("a.txt", NUMBERS.replace("50\n", "fifty\n").encode())
    world.run()
    assert outcome in world.output()
    if outcome == "_FAILED":
        assert b"bad_records.max" in world.output()["_FAILED"]
        assert b"are listed in" in world.output()["_FAILED"]


def test_a_bad_group_fails_the_run_unless_it_may_be_set_aside() -> None:
    with pytest.raises(JobCodeError, match="reducer, at key 3: ValueError: cannot take 3"):
        run_job(Halfway, NUMBERS)


def test_what_is_no_pair_is_never_set_aside(tmp_path: Path) -> None:
    """It would be so for every group: the job itself is wrong."""

    class Wrong(Halfway):
        def reducer(self, key: int, values: Any) -> Any:
            yield None

    world = Simulation(Wrong, spec(bad_records=BadRecordsSpec(policy="quarantine")), tmp_path)
    world.drop("a.txt", NUMBERS.encode())
    world.run()
    assert b"expected (key, value) pairs, got None" in world.output()["_FAILED"]


class Stuck(Job):
    """Never comes back from one group; reads half of it first."""

    def mapper(self, _: Any, line: str) -> Any:
        yield line.rstrip("0123456789"), line

    def reducer(self, key: str, values: Any) -> Any:
        self.count("groups")
        yield key, next(values)
        while key == "stuck":
            time.sleep(0.01)
        yield key, len(list(values))


@pytest.mark.parametrize("budget", [None, 1000])
def test_a_group_that_alone_outlasts_the_timeout_is_set_aside(budget: int | None, tmp_path: Path) -> None:
    bad_records = BadRecordsSpec(policy="quarantine", max=1, max_fraction=1.0)
    world = RealTime(Stuck, spec(bad_records=bad_records, memory_budget=budget), tmp_path, lifetime=2.0)
    body = [f"{word}{number}" for number in range(20) for word in ("one", "stuck", "two")]
    world.drop("a.txt", "\n".join(body).encode())
    world.run()
    assert world.text() == b"one\tone0\none\t19\ntwo\ttwo0\ntwo\t19\n"
    assert manifest(world)["counters"] == {"groups": 2}
    (bad,) = listed(world)
    assert (bad["source"], bad["phase"]) == ("'stuck'", "reduce")
    assert "timeout.reducer" in bad["error"]
