"""`_latest.json` names the newest whole result, whichever run ends when and whoever dies meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job, Sum
from chalicelib.core.keys import FAILURE, LATEST, SUCCESS
from chalicelib.core.messages import decode, encode
from chalicelib.core.outcome import Latest, Manifest
from chalicelib.core.ports import Loc
from chalicelib.run.events import created, put_again, run_id
from tests.strategies import places
from tests.worlds.simulation import IN, OUT, Simulation, spec

WHERE = Loc("out", LATEST)


class Words(Job):
    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        if line == "bad":
            raise ValueError(line)
        yield line, 1

    reducer = Sum()


def world_of(place: Path, trigger: str = "marker", **how: Any) -> Simulation:
    return Simulation(Words, spec(trigger=trigger, partitions=1, split_size=1 << 20), place, **how)


def start(world: Simulation, number: int, text: bytes = b"a\n") -> str:
    """Let a run begin whose event is the number-th; its id."""
    world.add(f"{number}/a.txt", text)
    loc = IN.child(f"{number}/_READY")
    event = put_again(loc, world.add(f"{number}/_READY", b""), 1_700_000_000.0 + 60 * number)
    world.deliver("coordinator", event)
    (item,) = created(event)
    return run_id("job", item)


def latest(world: Simulation) -> Latest:
    return decode(Latest, world.memory.get(WHERE), "here")


@pytest.mark.parametrize("order", [*permutations(range(3))])
def test_the_newest_stays_whichever_run_ends_last(tmp_path: Path, order: tuple[int, ...]) -> None:
    world, seen = world_of(tmp_path), list[str]()
    for number in order:
        seen.append(start(world, number))
        world.run()
        assert latest(world).run == max(seen)
    found = latest(world)
    manifest = decode(Manifest, world.memory.get(Loc("out", f"{found.run}/_manifest.json")), "manifest")
    assert (found.records, found.source, found.output) == (1, manifest.source, f"s3://out/{found.run}/")
    assert found.manifest == f"s3://out/{found.run}/_manifest.json"


def test_a_run_that_fails_is_not_named(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    first = start(world, 0)
    world.run()
    failed = start(world, 1, b"bad\n")
    world.run()
    assert world.memory.head(Loc("out", f"{failed}/{FAILURE}"))
    assert latest(world).run == first


def test_where_each_object_is_a_result_of_its_own_there_is_none(tmp_path: Path) -> None:
    world = world_of(tmp_path, "each")
    world.drop("a.txt", b"a\n")
    world.run()
    assert f"out/{LATEST}" not in world.names()


@pytest.mark.parametrize("before", [True, False])
def test_it_never_goes_back_whoever_dies_at_any_call(tmp_path: Path, before: bool) -> None:
    """Two runs at once, in any order; what is named is whole: all its parts and its manifest are there."""

    def story(kill_at: int = 0, seed: int = 0) -> Simulation:
        world = world_of(tmp_path, seed=seed, kill_at=[kill_at], before=before)
        newer = {start(world, 0), start(world, 1)}
        named: list[str] = []

        def look() -> bool:
            if f"out/{LATEST}" in world.names() and (not named or latest(world).run != named[-1]):
                named.append(latest(world).run)
                manifest = decode(
                    Manifest, world.memory.get(Loc("out", f"{named[-1]}/_manifest.json")), "manifest"
                )
                assert manifest.outcome == "success"
                assert all(world.memory.head(Loc("out", part.key)) for part in manifest.parts)
            return False

        world.when(look, lambda: None)
        world.run()
        assert named == sorted(named)
        assert latest(world).run == max(newer)
        return world

    calls = story().calls
    for number in places(calls, 6):
        world = story(number, seed=number)
        ended = [info.key for info in world.memory.list(OUT) if info.key.endswith(SUCCESS)]
        assert len(ended) == 2, number


def test_of_two_jobs_that_share_a_place_the_newest_result_is_named(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    theirs = Latest(job="other", run="20990101T000000-ffffffffffff", output="", manifest="", source="")
    world.memory.put(WHERE, encode(theirs))
    start(world, 0)
    world.run()
    assert latest(world) == theirs
