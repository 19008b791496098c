"""`accumulate` where functions are few: a run that waits for its turn waits nowhere, and is called."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib import Job, Sum
from chalicelib.core.keys import TotalsKeys
from chalicelib.core.messages import encode
from chalicelib.core.ports import Loc
from chalicelib.run import lease, totals_pointer
from chalicelib.run.lease import Lease
from tests.worlds.limited import Kill, Limited, timed_input, timed_rows, timed_spec
from tests.worlds.twin.terms import HOUR, Terms

RUNS, MAPS = 20, 2
PLACES = TotalsKeys(Loc("work", ""), "job")


class Words(Job):
    """`Timed`, but for what a job with totals may not have."""

    cloud: Limited

    def mapper(self, _: None, line: str) -> Iterator[Any]:
        self.cloud.spend(self.params["map"])
        for word in line.split():
            yield word, 1

    reducer = Sum()


def play(slots: int, seed: int, kill: Kill | None = None) -> tuple[Limited, list[str]]:
    """All runs dropped at once, to the last event; the world, and the rows of the totals."""
    spec = timed_spec(seconds=5.0, accumulate=True)
    with Limited(Words, spec, Terms(slots=slots), seed=seed, kill=kill) as world:
        for number in range(RUNS):
            world.drop(f"{number:02d}.txt", timed_input(MAPS))
        world.run(12 * HOUR, to_the_last_event=True)
    assert Counter(run.end for run in world.runs.values()) == {"success": RUNS}
    parts = json.loads(world.memory.get(Loc("out", "_totals.json")))["parts"]
    rows = b"".join(world.memory.get(Loc("out", part["key"])) for part in parts).decode().splitlines()
    return world, sorted(rows)


@pytest.mark.parametrize(("slots", "seed"), [(2, 0), (2, 1), (10, 2), (100, 3)])
def test_all_end_right_and_nobody_waits_in_a_slot(slots: int, seed: int) -> None:
    world, rows = play(slots, seed)
    assert rows == timed_rows(MAPS * RUNS)
    assert world.figures.needless == 0
    assert world.figures.waiting_share < 0.05
    assert not totals_pointer.sleepers(world.memory, PLACES), "words that nobody removed"


@pytest.mark.parametrize("side", ["before", "after"])
def test_whoever_is_to_call_the_next_may_die(side: Any) -> None:
    """At each request for the turn, the words of those that sleep, and the call, once in eight."""
    chance, deaths = random.Random(side), Counter[str]()

    def kill(event: Any, kind: str, loc: Loc) -> Any:
        here = loc.key.endswith("/turn") or "/asleep/" in loc.key or kind == "invoke"
        if event.function != "supervisor" or not here or chance.random() > 0.125:
            return None
        deaths[loc.key.rpartition("totals/job/")[2]] += 1
        return side

    _, rows = play(4, 5, kill)
    assert rows == timed_rows(MAPS * RUNS)
    assert len(deaths) > 3


def test_a_turn_that_ends_while_a_run_leaves_its_word_is_seen() -> None:
    """Whoever had it has looked for words just before."""

    def give_back(event: Any, kind: str, loc: Loc) -> None:
        if kind == "put" and "/asleep/" in loc.key:
            lease.free(world.memory, PLACES.turn)

    with Limited(Words, timed_spec(accumulate=True), Terms(slots=2), kill=give_back) as world:
        taken = Lease(token="another-run", trigger="", expires=world.time.now + HOUR)
        world.memory.put(PLACES.turn, encode(taken))
        run = world.drop("0.txt", timed_input(1))
        world.run(HOUR / 2)
    assert world.runs[run].end == "success"
