"""Hostile objects by the thousand: none hangs, none is counted wrongly, each ends in a verdict, in bounded memory.

`make hostile` drops 10,000 of them; otherwise a sample. A seed and a number make an object again:
`SEED=1 ONLY=4711 pytest tests/fuzz/test_hostile.py`.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any, NoReturn

import pytest

from tests.fuzz.hostile import LONGEST, QUARANTINE, Case, case, good_parquet, judged, told
from tests.worlds.simulation import Simulation, spec

OBJECTS = int(os.environ.get("HOSTILE", "300"))
SEED = int(os.environ.get("SEED", "1"))
ONLY = os.environ.get("ONLY")
#: Seconds of this process's own time after which an object is said to hang.
PATIENCE = 60.0
#: MiB that the process may grow by: the largest bomb unpacks to 32 MiB, which no step may hold as a whole many times.
GROWTH = 400


@pytest.fixture(scope="module")
def parquet(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Random], Case]:
    return good_parquet(tmp_path_factory.mktemp("parquet") / "good.parquet")


def dropped(made: Case, chance: Random, scratch: Path) -> Simulation:
    """The cloud after the object was dropped and everything is done."""
    figures: dict[str, Any] = {
        "input": {"max_record_bytes": LONGEST, **made.input},
        "output": {"format": "jsonl"},
        "split_size": max(chance.choice([64, 700, 1 << 20]), len(made.body) // 8),
        "partitions": chance.choice([1, 3]),
        "bad_records": QUARANTINE,
        "trigger": made.trigger,
    }
    world = Simulation(made.job, spec(**figures), scratch)
    for key, body in made.beside.items():
        world.add(key, body)
    world.drop(made.key, made.body)
    world.run()
    return world


def check(made: Case, world: Simulation) -> str:
    """The verdict; fails for none, two, a wrong one, or one over other records than the good ones."""
    found = world.output()
    ends = {"_SUCCESS", "_FAILED"} & found.keys()
    if made.ends == "not at all":
        assert not found
        return "not input"
    assert len(ends) == 1, sorted(found)
    manifest = json.loads(found["_manifest.json"])
    failure = found["_FAILED"].decode() if "_FAILED" in ends else None
    rows = [json.loads(line) for line in world.text().splitlines()]
    return judged(made, failure, Counter({row["key"]: row["value"] for row in rows}), manifest["bad"])


def too_long(_number: int, _frame: object) -> NoReturn:
    raise AssertionError(f"no end after {PATIENCE:g} s of work")


def tried(number: int, parquet: Callable[[Random], Case], scratch: Path) -> tuple[str, str]:
    """(kind, verdict) of one object."""
    made = case(SEED, number, parquet)
    before = signal.signal(signal.SIGVTALRM, too_long)
    signal.setitimer(signal.ITIMER_VIRTUAL, PATIENCE)
    try:
        world = dropped(made, Random(f"figures {SEED}/{number}"), scratch)
        verdict = check(made, world)
        assert not any(scratch.iterdir()), "something is left on the local disk"
    except (Exception, AssertionError) as error:
        raise AssertionError(
            f"SEED={SEED} ONLY={number}: {made.kind}, {made.key!r}: {error!r:.2000}"
        ) from error
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
    return made.kind, verdict


def peak() -> int:
    """MiB that this process has had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> (10 if sys.platform == "linux" else 20)


def test_hostile_objects_end_in_a_verdict_and_nothing_is_wrong(
    parquet: Callable[[Random], Case], tmp_path: Path
) -> None:
    numbers = [int(ONLY)] if ONLY else range(OBJECTS)
    for number in range(20):  # what is loaded once
        with suppress(AssertionError):
            tried(number, parquet, tmp_path)
    before, found = peak(), Counter[tuple[str, str]]()
    wrong = []
    for number in numbers:
        try:
            found[tried(number, parquet, tmp_path)] += 1
        except AssertionError as error:
            wrong.append(str(error))
    print(told(found))
    print(f"{len(numbers):,} objects, {len(wrong)} wrong; memory {before} -> {peak()} MiB")
    assert wrong == []
    assert peak() - before < GROWTH
