"""`accumulate` in the simulated cloud: whatever happens, each file is in the totals once."""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib import Job, Sum
from chalicelib.core.keys import TotalsKeys
from chalicelib.core.messages import encode
from chalicelib.core.ports import Loc
from chalicelib.core.spec import JobSpec
from chalicelib.run.lease import Lease
from tests.strategies import WHOLE
from tests.worlds.simulation import SCRATCH, Simulation, spec


class Words(Job):
    def mapper(self, _: None, line: str) -> Iterator[Any]:
        for word in line.split():
            yield word, 1

    reducer = Sum()


@pytest.fixture(autouse=True)
def deep() -> Iterator[None]:
    """In the simulation whoever waits is below whoever runs meanwhile, and here very many wait."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(50_000)
    yield
    sys.setrecursionlimit(limit)


def small(**figures: Any) -> JobSpec:
    return spec(**{"accumulate": True, "split_size": 40, "partitions": 2, "reduce_size": 1, **figures})


def text(number: int) -> bytes:
    chance = random.Random(number)
    words = [f"w{chance.randrange(12)}" for _ in range(20)] + [f"only{number}"]
    return b"".join(b"%s\n" % word.encode() for word in words)


def counted(*numbers: int) -> Counter[str]:
    """What plain Python counts in the files of these numbers."""
    return Counter(word for number in numbers for word in text(number).decode().split())


def shown(simulation: Simulation) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(simulation.memory.get(Loc("out", "_totals.json")))
    return found


def rows(simulation: Simulation) -> list[list[str]]:
    """The rows of the parts that `_totals.json` names."""
    parts = [simulation.memory.get(Loc("out", part["key"])) for part in shown(simulation)["parts"]]
    return [line.split("\t") for line in b"".join(parts).decode().splitlines()]


def totals(simulation: Simulation) -> Counter[str]:
    found = rows(simulation)
    assert len({word for word, _ in found}) == len(found), "a key is in the totals twice"
    return Counter({word: int(count) for word, count in found})


def ended(simulation: Simulation) -> Counter[str]:
    """How many runs have ended how."""
    names = [info.key for info in simulation.memory.list(Loc("out", ""))]
    return Counter(name.rpartition("/")[2] for name in names if name.endswith(("/_SUCCESS", "/_FAILED")))


def drop(simulation: Simulation, *numbers: int) -> None:
    for number in numbers:
        simulation.drop(f"{number}.txt", text(number))


def test_one_file_after_the_other() -> None:
    simulation = Simulation(Words, small(), SCRATCH)
    for number in range(5):
        drop(simulation, number)
        simulation.run()
        assert totals(simulation) == counted(*range(number + 1))
        assert shown(simulation)["generation"] == number + 1
    assert simulation.errors == []
    assert ended(simulation) == {"_SUCCESS": 5}


def test_files_that_come_together_share_merges() -> None:
    """Once all wait for a turn whose holder has died, which in one thread takes some hand-overs."""
    simulation = Simulation(Words, small(), SCRATCH, supervisor_lifetime=40.0)
    dead = Lease(token="a-dead-run", trigger="", expires=simulation.time + 900.0)
    simulation.memory.put(TotalsKeys(Loc("work", ""), "job").turn, encode(dead))
    drop(simulation, *range(50))
    simulation.run()
    assert simulation.errors == []
    assert totals(simulation) == counted(*range(50))
    assert ended(simulation) == {"_SUCCESS": 50}
    assert shown(simulation)["generation"] <= 2


@pytest.mark.parametrize("seed", range(4 if WHOLE else 2))
def test_fifty_files_under_duplicates_disorder_and_kills(seed: int) -> None:
    chance = random.Random(seed)
    kills = sorted(chance.sample(range(200, 60_000), 60))
    simulation = Simulation(
        Words, small(), SCRATCH, seed=seed, duplicates=True, kill_at=kills, before=seed % 2 == 0, reports=True
    )
    drop(simulation, *range(50))
    simulation.run()
    assert simulation.killed
    assert totals(simulation) == counted(*range(50))
    assert ended(simulation) == {"_SUCCESS": 50}
    drop(simulation, *range(50, 53))
    simulation.run()
    assert totals(simulation) == counted(*range(53))
    assert simulation.errors == []
