"""What a deployment says of runs that are under way, and how it waits for them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from msgspec.structs import replace as changed

from chalicelib.core.errors import Forbidden, NotFound
from chalicelib.core.keys import RunKeys
from chalicelib.core.ports import Loc
from chalicelib.core.spec import OutputSpec, PlaceSpec
from chalicelib.stores.memory import MemoryStore
from scripts.deployment import under_way
from scripts.deployment.load import load_target
from scripts.deployment.project import Project
from scripts.deployment.target import Target
from tests.unit.scripts.deployment.world import target
from tests.unit.scripts.user import CODE, OLDER, RUN, T0, FakeClock, begin, finish, results, run_keys

OWN = "4:0123456789ab@3.13"
NEWER = "20261122T000000-000000000001"


def job() -> Target:
    found = target("wordcount")
    places = {"work": PlaceSpec(url="s3://demo-work/"), "output": OutputSpec(url="s3://demo-out/wordcount/")}
    return replace(found, spec=changed(found.spec, **places))


def store_with(*runs: str) -> MemoryStore:
    store = MemoryStore(now=lambda: T0)
    for run in runs:
        begin(store, run_keys(run), results(run))
    return store


def said(
    store: MemoryStore,
    fate: Callable[[under_way.Run], str],
    clock: FakeClock | None = None,
    *,
    wait: bool = False,
) -> list[str]:
    lines: list[str] = []
    under_way.tell(store, job(), clock or FakeClock(), lines.append, fate, wait=wait)
    return lines


def test_nothing_is_said_where_nothing_is_under_way() -> None:
    store = store_with(RUN)
    finish(store, run_keys(), results())
    assert said(store, under_way.on_deletion) == said(MemoryStore(), under_way.on_deletion) == []


def test_a_run_is_named_with_what_becomes_of_it() -> None:
    store = store_with(OLDER, RUN)
    finish(store, run_keys(OLDER), results(OLDER))
    first, line = said(store, under_way.on_deployment(OWN))
    assert first == "1 run of wordcount is under way:"
    assert line.startswith(f"  {RUN}  ")
    assert line.endswith(
        f"is of other code ({CODE} -> {OWN}), so its next attempt ends it in _FAILED; --wait lets it end first"
    )
    newer = CODE.replace("3.13", "3.14")
    told = (
        f"is of other code ({CODE} -> {newer}: Python 3.13 -> 3.14), so its next attempt ends it in _FAILED"
    )
    assert told in said(store, under_way.on_deployment(newer))[1]
    for same in (CODE, CODE.replace("4:", "5:")):
        assert ("goes on" in said(store, under_way.on_deployment(same))[1]) == (same == CODE)
    assert f"submit.py wordcount --resume {RUN} wakes it" in said(store, under_way.on_deletion)[1]


def test_many_runs_are_counted() -> None:
    store = store_with(*(f"20261121T032424-{number:012x}" for number in range(under_way.MOST + 3)))
    lines = said(store, under_way.on_deletion)
    assert lines[0] == f"{under_way.MOST} runs of wordcount are under way:"
    assert len(lines) == 1 + under_way.SHOWN + 2
    assert lines[-2:] == [
        f"  and {under_way.MOST - under_way.SHOWN} more",
        f"  only the newest {under_way.MOST} runs were looked at: there are 3 older ones",
    ]


def test_those_that_are_under_way_are_waited_for_and_no_others() -> None:
    store, clock = store_with(OLDER, RUN), FakeClock()

    def another_begins() -> None:
        finish(store, run_keys(OLDER), results(OLDER))
        begin(store, run_keys(NEWER), results(NEWER))

    clock.steps = [another_begins, lambda: None, lambda: finish(store, run_keys(), results())]
    lines = said(store, under_way.on_deployment(OWN), clock, wait=True)
    assert lines[:2] == [
        f"waiting for 2 runs of wordcount to end: {OLDER}, {RUN}",
        f"waiting for 1 run of wordcount to end: {RUN}",
    ]
    assert lines[2] == "1 run of wordcount is under way:"
    assert lines[3].startswith(f"  {NEWER}")
    assert clock.steps == []


def test_runs_that_cannot_be_read_keep_nobody_from_deploying() -> None:
    class Closed(MemoryStore):
        def list(self, prefix: Loc, after: str = "") -> object:  # type: ignore[override]
            raise Forbidden(f"{prefix.url}: forbidden")

    (line,) = said(Closed(), under_way.on_deletion)
    assert (
        line
        == "which runs of wordcount are under way is not known: s3://demo-work/runs/wordcount/: forbidden"
    )


def test_who_wants_to_wait_is_told_that_they_cannot_be_read() -> None:
    class Closed(MemoryStore):
        def list(self, prefix: Loc, after: str = "") -> object:  # type: ignore[override]
            raise Forbidden(f"{prefix.url}: forbidden")

    with pytest.raises(Forbidden):
        said(Closed(), under_way.on_deletion, wait=True)


def test_a_bucket_that_is_still_to_be_made_has_no_runs() -> None:
    class Missing(MemoryStore):
        def list(self, prefix: Loc, after: str = "") -> object:  # type: ignore[override]
            raise NotFound(f"{prefix.url}: no such bucket")

    assert said(Missing(), under_way.on_deletion, wait=True) == []


def test_a_run_without_a_plan_goes_on_as_the_code_that_plans_it() -> None:
    store = MemoryStore(now=lambda: T0)
    store.put(run_keys().lease, b"{}")
    assert said(store, under_way.on_deployment(OWN))[1].endswith("goes on")


def test_the_code_is_what_a_run_s_plan_says(checkout: Project) -> None:
    """By the same function that whoever works on a run compares with."""
    before = under_way.code_of(checkout, load_target("tally", checkout, {}))
    assert re.fullmatch(r"4:[0-9a-f]{12}@3\.13", before), "the functions' Python, whatever this one is"
    other = load_target("tally", checkout, {"SLUICE_PYTHON": "3.12"})
    assert under_way.code_of(checkout, other) == before.replace("@3.13", "@3.12")
    assert (
        under_way.code_of(checkout, load_target("tally", checkout, {"SLUICE_MEMORY_MAPPER": "3000"}))
        == before
    )
    source = checkout.root / "jobs/tally.py"
    source.write_text(source.read_text().replace("1", "2"))
    assert under_way.code_of(checkout, load_target("tally", checkout, {})) != before


@pytest.mark.parametrize("plan", [b"no plan", b""])
def test_a_plan_that_cannot_be_read_is_none_of_a_deployments_business(plan: bytes) -> None:
    store = store_with(RUN)
    store.put(RunKeys(Loc("demo-work", ""), "wordcount", RUN).plan, plan)
    assert said(store, under_way.on_deletion) == []
