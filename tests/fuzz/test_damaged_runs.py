"""Damage to what is stored, in the middle of a run: it ends `_FAILED` naming the object, or right; never wrong."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job, Sum
from chalicelib.core.ports import Loc
from chalicelib.stores.memory import MemoryStore
from tests.worlds.simulation import Simulation, spec

TEXT = b"".join(b"w%d x\n" % (n % 9) for n in range(60))
#: Read at once, or streamed because nothing fits into the budget.
BUDGETS = {"fetched": None, "streamed": 64}


class Words(Job):
    def mapper(self, _: Any, line: str) -> Any:
        for word in line.split():
            yield word, 1

    reducer = Sum()


def simulation_of(tmp_path: Path, budget: str) -> Simulation:
    simulation = Simulation(
        Words, spec(split_size=150, partitions=4, memory_budget=BUDGETS[budget]), tmp_path
    )
    simulation.drop("a.txt", TEXT)
    return simulation


def counts(simulation: Simulation) -> dict[str, int]:
    rows = (line.split("\t") for line in simulation.text().decode().splitlines())
    return {word: int(number) for word, number in rows}


EXPECTED = Counter(TEXT.decode().split())


def run_files(simulation: Simulation) -> list[Loc]:
    return [
        Loc("work", info.key) for info in simulation.memory.list(Loc("work", "")) if info.key.endswith(".run")
    ]


def damage_first_run_file(simulation: Simulation, damage: Callable[[bytes], bytes]) -> list[str]:
    """Once the first map task is done, change its run file; its key is in what is returned."""
    harmed: list[str] = []

    def harm() -> None:
        loc = run_files(simulation)[0]
        harmed.append(loc.key)
        simulation.memory.put(loc, damage(simulation.memory.get(loc)))

    simulation.when(lambda: any(name.endswith("map/000000.done") for name in simulation.names()), harm)
    return harmed


def flipped(body: bytes, bit: int) -> bytes:
    changed = bytearray(body)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def size_of_first_run_file(tmp_path: Path) -> int:
    simulation = simulation_of(tmp_path, "fetched")
    simulation.run()
    return len(simulation.memory.get(run_files(simulation)[0]))


@pytest.mark.parametrize("budget", BUDGETS)
def test_a_flipped_bit_of_a_stored_run_file_fails_the_run_by_name(budget: str, tmp_path: Path) -> None:
    """`test_runfile` flips every bit; here it is a sample, all the way through a run."""
    draw = random.Random(7)
    for byte in range(0, size_of_first_run_file(tmp_path), 5):
        bit = 8 * byte + draw.randrange(8)
        simulation = simulation_of(tmp_path, budget)
        (harmed,) = [damage_first_run_file(simulation, lambda body, bit=bit: flipped(body, bit))]  # type: ignore[misc]
        simulation.run()
        output = simulation.output()
        assert "_SUCCESS" not in output
        assert re.search(rf"reduce task \d+ .*s3://work/{re.escape(harmed[0])}: ", output["_FAILED"].decode())


class Noisy:
    """The store, but that some reads of run files come back with a bit flipped on the way."""

    def __init__(self, memory: MemoryStore, times: int) -> None:
        self._memory = memory
        self.left = times
        self._draw = random.Random(times)

    def _noise(self, loc: Loc, body: bytes) -> bytes:
        if not self.left or not body or not loc.key.endswith(".run"):
            return body
        self.left -= 1
        return flipped(body, self._draw.randrange(8 * len(body)))

    def get(self, loc: Loc, *args: Any, **kwargs: Any) -> bytes:
        return self._noise(loc, self._memory.get(loc, *args, **kwargs))

    def stream(self, loc: Loc, *args: Any, **kwargs: Any) -> Iterator[bytes]:
        for chunk in self._memory.stream(loc, *args, **kwargs):
            yield self._noise(loc, chunk)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._memory, name)


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_bit_that_flips_on_the_way_is_read_again(budget: str, times: int, tmp_path: Path) -> None:
    simulation = simulation_of(tmp_path, budget)
    simulation.memory = noisy = Noisy(simulation.memory, times)  # type: ignore[assignment]
    simulation.run()
    assert noisy.left == 0
    assert "_SUCCESS" in simulation.output()
    assert counts(simulation) == EXPECTED


def without_last_frame(body: bytes) -> bytes:
    """A whole number of frames, as a run file is, but one less."""
    at, begins = 0, [0]
    while at < len(body):
        at += 16 + int.from_bytes(body[at : at + 4], "little")
        begins.append(at)
    return body[: begins[-2]]


CUTS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda body: b"",
    "half": lambda body: body[: len(body) // 2],
    "one byte less": lambda body: body[:-1],
    "foreign": lambda body: b"\xffforeign" * 100,
}


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("cut", [*CUTS, "one frame less"])
def test_a_run_file_that_was_cut_or_replaced(budget: str, cut: str, tmp_path: Path) -> None:
    simulation = simulation_of(tmp_path, budget)
    harmed = damage_first_run_file(simulation, CUTS.get(cut, without_last_frame))
    simulation.run()
    assert "_SUCCESS" not in simulation.output()
    assert harmed[0] in simulation.output()["_FAILED"].decode()


@pytest.mark.parametrize("name", ["reduce/index.000000", "reduce/plan.json"])
@pytest.mark.parametrize("cut", CUTS)
def test_what_stands_between_the_phases(name: str, cut: str, tmp_path: Path) -> None:
    simulation = simulation_of(tmp_path, "fetched")

    def there() -> Loc | None:
        return next((Loc("work", key[5:]) for key in simulation.names() if key.endswith(name)), None)

    def harm() -> None:
        loc = there()
        assert loc is not None
        simulation.memory.put(loc, CUTS[cut](simulation.memory.get(loc)))

    simulation.when(lambda: there() is not None, harm)
    simulation.run()
    assert "_SUCCESS" not in simulation.output()
    assert name in simulation.output()["_FAILED"].decode()


@pytest.mark.parametrize("damage", [lambda body: b"", lambda body: body[: len(body) // 2]])
def test_a_piece_of_a_part_that_was_cut(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    """A reduce attempt that runs out of time leaves pieces; they must be whole when they are joined."""
    place: list[Simulation] = []

    class Slow(Words):
        def reducer(self, word: str, values: Iterator[int]) -> Iterator[Any]:  # type: ignore[override]
            place[0].time += 2.0
            yield word, sum(values)

    simulation = Simulation(Slow, spec(partitions=1, max_attempts=1), tmp_path, lifetime=10.0)
    place.append(simulation)
    simulation.drop("a.txt", TEXT)
    harmed: list[str] = []

    def harm() -> None:
        harmed.extend(name for name in simulation.names() if name.endswith(".piece"))
        loc = Loc("work", harmed[0].removeprefix("work/"))
        simulation.memory.put(loc, damage(simulation.memory.get(loc)))

    simulation.when(lambda: any(name.endswith(".piece") for name in simulation.names()), harm)
    simulation.run()
    assert "_SUCCESS" not in simulation.output()
    assert harmed[0].removeprefix("work/") in simulation.output()["_FAILED"].decode()
