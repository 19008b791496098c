"""`scripts/stop.py`: a run ends by somebody's name, and what is shown of it then."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from chalicelib.core.errors import UserError
from chalicelib.core.keys import RunKeys
from chalicelib.core.messages import decode
from chalicelib.core.outcome import Manifest, Verdict
from chalicelib.core.plan_file import compose, read_head
from chalicelib.core.ports import Loc
from scripts import status, stop
from scripts.stopping.world import who
from tests.unit.scripts.user import BOOM, T0, User, begin, finish, results, run_keys
from tests.worlds.simulated import CASES, Cloud
from tests.worlds.simulation import SCRATCH


def run_stop(user: User, *argv: str) -> int:
    world = status.World(
        root=user.root, environ={}, screen=user.screen(), clock=user.clock,
        open_store=lambda work, runs: user.store,
    )  # fmt: skip
    return stop.main(["wordcount", *argv], world, lambda work: "arn:aws:iam::1:user/alice")


@pytest.fixture
def begun(user: User) -> User:
    user.job()
    begin(user.store, run_keys(), results())
    user.clock.time = T0 + 60
    return user


def test_a_run_is_stopped_by_somebody_for_a_reason(begun: User) -> None:
    assert run_stop(begun, "latest", "--why", "wrong input") == 0
    told = "stopped by arn:aws:iam::1:user/alice: wrong input"
    assert f"{run_keys().run} {told}" in begun.out.getvalue()
    failed = begun.store.get(Loc("demo-out", f"wordcount/{run_keys().run}/_FAILED")).decode()
    assert told in failed
    loc = Loc("demo-out", f"wordcount/{run_keys().run}/_manifest.json")
    manifest = decode(Manifest, begun.store.get(loc), loc.url)
    assert (manifest.outcome, manifest.started, manifest.finished) == ("failed", T0, T0 + 60)
    begun.out = io.StringIO()
    begun.status("wordcount", run_keys().run)
    assert "failed after 1m 00s" in begun.out.getvalue()
    assert told in begun.out.getvalue()


def test_the_same_again_is_harmless_and_another_one_comes_too_late(begun: User) -> None:
    assert run_stop(begun, "latest") == 0
    kept = {info.key: info.etag for info in begun.store.list(Loc("demo-work", ""))}
    assert run_stop(begun, "latest") == 0
    assert {info.key: info.etag for info in begun.store.list(Loc("demo-work", ""))} == kept
    assert run_stop(begun, "latest", "--why", "second thoughts") == 1
    assert "had ended before: it failed: stopped by" in begun.out.getvalue()


@pytest.mark.parametrize("failure", [None, BOOM])
def test_a_run_that_has_ended_stays_as_it_is(begun: User, failure: object) -> None:
    finish(begun.store, run_keys(), results(), failure)  # type: ignore[arg-type]
    before = {info.key: info.etag for info in begun.store.list(Loc("demo-out", ""))}
    assert run_stop(begun, run_keys().run) == 1
    told = "it failed: no number: 'x'" if failure else "it succeeded"
    assert f"{run_keys().run} had ended before: {told}" in begun.out.getvalue()
    assert {info.key: info.etag for info in begun.store.list(Loc("demo-out", ""))} == before


def test_a_run_that_is_not_planned_cannot_be(user: User) -> None:
    user.job()
    with pytest.raises(UserError, match="there is no plan, so there is nothing to stop"):
        run_stop(user, "20260101T000000-a")
    with pytest.raises(UserError, match="there is no run of wordcount yet"):
        run_stop(user, "latest")


def test_a_run_that_is_being_merged_with_the_totals_goes_on(begun: User) -> None:
    keys = run_keys()
    plan = replace(read_head(begun.store, keys), steps=3, merge_step=1, job_step=1)
    begun.store.put(keys.plan, compose(plan, [])[1])
    with pytest.raises(UserError, match="being merged with the totals"):
        run_stop(begun, keys.run)
    assert begun.store.get(keys.plan) == compose(plan, [])[1]
    assert not list(begun.store.list(keys.run_done))


def test_status_counts_what_was_done_before_the_stop(tmp_path: Path) -> None:
    from chalicelib.functions.stop import stop as stop_run
    from chalicelib.run.status.collect import collect
    from chalicelib.run.status.runs import list_runs

    cloud = Cloud(CASES["words"], SCRATCH)
    found: list[tuple[RunKeys, Verdict, int]] = []

    def halt() -> None:
        keys = list_runs(cloud.memory, Loc("work", ""))[0]
        _, verdict = stop_run(cloud.memory, keys, "alice", "", cloud.time)
        done = sum(name.endswith(".done") and "/map/" in name and b'"stopped"' not in body
                   for name, body in cloud.objects().items())  # fmt: skip
        found.append((keys, verdict, done))

    cloud.when(lambda: sum("/map/" in name and name.endswith(".done") for name in cloud.names()) == 2, halt)
    CASES["words"].begin(cloud)
    cloud.run()
    ((keys, verdict, done),) = found
    shown = collect(cloud.memory, keys, now=cloud.time, max_markers=100)
    assert done == 2
    assert (shown.phase, shown.map.done, shown.map.measured) == ("failed", 2, 2)
    assert shown.map.total
    assert shown.map.total > 2
    assert (shown.reduce.done, shown.reduce.total) == (0, None)
    assert verdict.stopped
    assert json.loads(cloud.objects()[f"out/{keys.run}/_manifest.json"])["reason"] == "stopped by alice"


def test_on_this_machine_it_is_the_user(capsys: pytest.CaptureFixture[str]) -> None:
    user, at, host = who(Loc("/work", "")).partition("@")
    assert at
    assert user
    assert host
    with pytest.raises(SystemExit):
        stop.parse(["wordcount"])
    assert "RUN" in capsys.readouterr().err
