"""What a run asks of the store: the price of a shuffle, counted request by request.

With M map tasks and R reduce tasks: M run files written with one PUT each, and at most M x R range reads, one for
each pair of a run file and a reduce task. R follows from what was really shuffled.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job, Sum
from chalicelib.core.messages import decode
from chalicelib.core.outcome import Manifest
from chalicelib.core.ports import Loc, ObjectWriter
from chalicelib.stores.memory import MemoryStore
from tests.worlds.simulation import Simulation, spec


class Words(Job):
    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        for word in line.split():
            yield word, 1

    reducer = Sum()


class _Counting(MemoryStore):
    """Counts what is done to run files."""

    def __init__(self, simulation: Simulation) -> None:
        super().__init__(now=simulation.now, on_created=simulation._created)
        self.run_files: Counter[str] = Counter()

    def get(self, loc: Loc, start: int = 0, stop: int | None = None, etag: str | None = None) -> bytes:
        self.run_files["get"] += loc.key.endswith(".run")
        return super().get(loc, start, stop, etag)

    def writer(self, loc: Loc, if_absent: bool = False, mark: str = "") -> ObjectWriter:
        self.run_files["put"] += loc.key.endswith(".run")
        return super().writer(loc, if_absent, mark)


def _text(words: int) -> bytes:
    """Ten words a line, of a vocabulary as large as the text is long."""
    chosen = random.Random(1)
    drawn = [f"word-{chosen.randrange(words)}" for _ in range(words)]
    return "".join(" ".join(drawn[at : at + 10]) + "\n" for at in range(0, words, 10)).encode()


def _run(tmp_path: Path, text: bytes, **figures: Any) -> tuple[Manifest, _Counting]:
    simulation = Simulation(Words, spec(**figures), tmp_path)
    store = _Counting(simulation)
    simulation.memory = store
    simulation.drop("text", text)
    simulation.run()
    assert not simulation.errors
    manifest = decode(Manifest, simulation.output()["_manifest.json"], "_manifest.json")
    rows = (line.split(b"\t") for line in simulation.text().splitlines())
    assert {word: int(count) for word, count in rows} == Counter(text.split())
    return manifest, store


@pytest.mark.parametrize("split_size", [1 << 14, 1 << 16])
@pytest.mark.parametrize("reduce_size", [1 << 16, 1 << 28])
def test_a_shuffle_is_m_puts_and_at_most_m_times_r_gets(
    tmp_path: Path, split_size: int, reduce_size: int
) -> None:
    manifest, store = _run(
        tmp_path, _text(40_000), split_size=split_size, reduce_size=reduce_size, partitions=16
    )
    maps, reduces = manifest.map_tasks, manifest.reduce_tasks
    assert maps > 5
    assert store.run_files["put"] == maps
    assert 0 < store.run_files["get"] <= maps * reduces
    # Keys are spread evenly here, so that every run file has something for every reduce task.
    assert store.run_files["get"] == maps * reduces


def test_as_many_reducers_as_the_shuffled_bytes_need(tmp_path: Path) -> None:
    """The same input shrinks to nothing in one job and stays as large as it was in the other."""
    few_words = b"the same few words again and again\n" * 12_000
    many_words = _text(40_000)
    few, _ = _run(tmp_path, few_words, split_size=1 << 16, reduce_size=1 << 14, partitions=16)
    many, _ = _run(tmp_path, many_words, split_size=1 << 16, reduce_size=1 << 14, partitions=16)
    assert few.reduce_tasks == 1
    assert many.reduce_tasks > 4


def test_bookkeeping_grows_with_tasks_not_with_records(tmp_path: Path) -> None:
    """Four times the bytes in as many tasks take about the same requests."""
    totals = []
    for words, split_size in ((20_000, 1 << 15), (80_000, 1 << 17)):
        manifest, store = _run(
            tmp_path, _text(words), split_size=split_size, reduce_size=1 << 30, partitions=16
        )
        totals.append((manifest.map_tasks, sum(store.requests.values())))
    (fewer_tasks, fewer), (more_tasks, more) = totals
    assert abs(fewer_tasks - more_tasks) <= 1
    assert more <= fewer * 1.2
