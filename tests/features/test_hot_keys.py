"""One key with nine tenths of all records: the work is spread, and the result is what it would be otherwise."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job, Quantiles, Random, Record, Sum
from chalicelib.core.errors import ConfigError
from chalicelib.core.keys import DONE
from chalicelib.core.ports import Loc
from chalicelib.job.steps import expand
from chalicelib.testing import run_job
from tests.worlds.simulation import Simulation, spec

HOT = [f"{'hot' if number % 10 else f'cold{number}'} {number}" for number in range(4000)]
TEXT = "".join(f"{line}\n" for line in HOT).encode()
PARTITIONS = 5


class Numbers(Job):
    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        key, number = line.split()
        yield key, int(number)


class Total(Numbers):
    reducer = Sum()


class Greatest(Numbers):
    def reducer(self, key: str, values: Iterator[int]) -> Iterator[Any]:
        yield key, max(values)


class SpreadGreatest(Greatest):
    partitioner = Random()


class Figures(Numbers):
    reducer = Record(total=Sum(), quantiles=Quantiles(0.5))


class SpreadFigures(Figures):
    partitioner = Random()

    def having(self, key: str, value: dict[str, Any]) -> bool:
        return bool(value["total"] > 1000)


def simulate(job: type[Job], scratch: Path, **figures: Any) -> Simulation:
    simulation = Simulation(job, spec(reduce_size=1, partitions=PARTITIONS, **figures), scratch)
    simulation.drop("a.txt", TEXT)
    simulation.run()
    assert "_SUCCESS" in simulation.output(), simulation.output()["_FAILED"].decode()
    return simulation


def markers(simulation: Simulation, phase: str) -> list[dict[str, Any]]:
    """What the tasks of a phase of the first step say they did."""
    keys = [
        key for key in simulation.work() if f"/{phase}/" in key and key.endswith(DONE) and "/step-" not in key
    ]
    return [json.loads(simulation.memory.get(Loc("work", key))) for key in keys]


def test_an_aggregator_leaves_one_state_a_map_task_of_a_hot_key(tmp_path: Path) -> None:
    simulation = simulate(Total, tmp_path, split_size=4000)
    mapped, reduced = markers(simulation, "map"), markers(simulation, "reduce")
    cold = sum(not line.startswith("hot") for line in HOT)
    read = [task["stats"]["records_in"] for task in mapped]
    assert len(mapped) > 8
    assert max(read) < 2 * len(HOT) / len(mapped), "the mappers share the hot key"
    assert sum(task["stats"]["records_out"] for task in mapped) == len(mapped) + cold
    assert sum(task["stats"]["records_in"] for task in reduced) == len(mapped) + cold


def test_a_method_has_its_hot_key_spread_by_chance(tmp_path: Path) -> None:
    """Each partition reduces about as many values; without `Random()` one has nine tenths."""
    shares = {}
    for job in (Greatest, SpreadGreatest):
        tasks = markers(simulate(job, tmp_path, split_size=4000), "reduce")
        shares[job] = sorted(task["stats"]["records_in"] for task in tasks)
        assert sum(shares[job]) == len(HOT)
    assert shares[Greatest][-1] >= 0.9 * len(HOT)
    assert len(shares[SpreadGreatest]) == PARTITIONS
    assert shares[SpreadGreatest][-1] < 1.1 * len(HOT) / PARTITIONS


@pytest.mark.parametrize("split_size", [500, 1 << 20])
@pytest.mark.parametrize(("spread", "plain"), [(SpreadGreatest, Greatest), (SpreadFigures, Figures)])
def test_spreading_changes_no_result(
    spread: type[Job], plain: type[Job], split_size: int, tmp_path: Path
) -> None:
    expected = simulate(plain, tmp_path, split_size=1 << 20).text().splitlines()
    if spread is SpreadFigures:
        expected = [line for line in expected if json.loads(line.split(b"\t")[1])["total"] > 1000]
        assert 1 < len(expected) < 400
    found = simulate(spread, tmp_path, split_size=split_size).text().splitlines()
    assert found == expected


def test_users_tests_see_the_same() -> None:
    found = run_job(SpreadGreatest, HOT, split_size=1000, partitions=3)
    assert sorted(found) == run_job(Greatest, HOT)


def test_the_hot_sum_is_right(tmp_path: Path) -> None:
    sums: Counter[str] = Counter()
    for line in HOT:
        key, number = line.split()
        sums[key] += int(number)
    for job in (Total, type("SpreadTotal", (Total,), {"partitioner": Random()})):
        rows = simulate(job, tmp_path, split_size=1000).text().decode().splitlines()
        assert Counter({key: int(total) for key, total in (row.split("\t") for row in rows)}) == sums


def test_random_without_a_reducer_is_refused() -> None:
    class Nothing(Numbers):
        partitioner = Random()

    with pytest.raises(ConfigError, match=r"Nothing: partitioner = Random\(\) .* there is none"):
        expand(Nothing, {})
