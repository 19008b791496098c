"""Where runs are looked for, by every script that shows or cleans them."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.core.errors import UserError
from chalicelib.core.keys import OutputKeys, RunKeys
from chalicelib.core.ports import Loc
from chalicelib.stores.memory import MemoryStore
from scripts.runs.places import Place, checked_id, find_places, find_runs, named_run
from scripts.runs.world import World
from tests.unit.scripts.user import OLDER, RUN, User, begin, results, run_keys


def world(user: User) -> World:
    return World(
        root=user.root, environ={}, screen=user.screen(), clock=user.clock,
        open_store=lambda work, runs: user.store,
    )  # fmt: skip


def test_all_jobs_the_jobs_named_or_a_place_of_ones_own(user: User, tmp_path: Path) -> None:
    user.job("one")
    user.job("two")
    (user.root / "jobs/broken.yml").write_text("job: 7 8\n")
    (user.root / "jobs/staged.yml").write_text(
        (user.root / "jobs/two.yml").read_text() + '\nstages: {prod: {output: {url: "s3://prod/"}}}\n'
    )
    staged = [place for place in find_places([], None, world(user))[0] if place.job.startswith("staged")]
    assert [(place.job, place.output and place.output.bucket) for place in staged] == [
        ("staged", "demo-out"),
        ("staged-prod", "prod"),
    ]
    (user.root / "jobs/staged.yml").unlink()
    places, problems = find_places([], None, world(user))
    assert [place.job for place in places] == ["one", "two"]
    assert len(problems) == 1
    assert "broken.yml" in problems[0]
    ((place,), nothing) = find_places(["two"], None, world(user))
    assert (place.work, place.output) == (Loc("demo-work", ""), Loc("demo-out", "two/"))
    assert nothing == []
    with pytest.raises(UserError, match=r"broken\.yml"):
        find_places(["broken"], None, world(user))
    assert find_places(["jobs/x.yml"], str(tmp_path), world(user))[0] == [Place(Loc(str(tmp_path), ""), "x")]
    assert find_places([], "s3://b/w/", world(user))[0] == [Place(Loc("b", "w/"))]


def test_runs_of_which_only_results_are_left_are_found_too() -> None:
    store = MemoryStore()
    begin(store, run_keys(RUN), results(RUN))
    store.put(OutputKeys(results(OLDER)).manifest, b"{}")
    store.put(OutputKeys(results(OLDER)).success, b"")
    work, output = Loc("demo-work", ""), Loc("demo-out", "wordcount/")
    assert [keys.run for keys in find_runs(store, Place(work, "wordcount", output))] == [OLDER, RUN]
    assert [keys.run for keys in find_runs(store, Place(work, "wordcount"))] == [RUN]


def test_a_run_by_its_id_or_the_newest(user: User) -> None:
    place = Place(Loc("demo-work", ""), "wordcount")
    with pytest.raises(UserError, match=r"there is no run of wordcount yet; scripts/submit\.py wordcount"):
        named_run(world(user), place, "latest")
    for run in (RUN, OLDER):
        begin(user.store, run_keys(run), results(run))
    assert named_run(world(user), place, "latest") == RunKeys(place.work, "wordcount", RUN)
    assert named_run(world(user), place, OLDER).run == OLDER
    with pytest.raises(UserError, match="expected a run's id"):
        checked_id("../../etc")
