"""Each case of a run has a status of its own, made of facts alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.core.keys import RunKeys
from chalicelib.core.outcome import Manifest, Verdict
from chalicelib.core.plan import Plan
from chalicelib.core.ports import Loc
from chalicelib.core.spec import InputSpec, JobSpec, OutputSpec, PlaceSpec
from chalicelib.core.tasks import Failure
from chalicelib.run.status.cases import Facts, run_status
from chalicelib.run.status.fields import RunStatus
from chalicelib.run.status.price_list import prices_of
from chalicelib.run.status.reader import Listing, Memory, Reader
from chalicelib.stores.memory import MemoryStore

WORK, OUTPUT = Loc("work", "w/"), Loc("out", "o/r/")
KEYS = RunKeys(WORK, "job", "r")
T0 = 1_000_000.0
SPEC = JobSpec(
    job="job:Job",
    input=InputSpec(url="s3://in/"),
    work=PlaceSpec(url="s3://work/w/"),
    output=OutputSpec(url="s3://out/o/"),
)
PLAN = Plan(
    job="job", run="r", token="t", source="s3://in/a.txt", head=0, spec=SPEC, work=WORK, output=OUTPUT,
    partitions=8, tasks=3, page=0, pages=(), inputs=2, bytes=300, created=T0, code="c",
)  # fmt: skip
MANIFEST = Manifest(
    job="job", run="r", outcome="success", source="s3://in/a.txt", records=7, bytes=70, inputs=2, input_bytes=300,
    map_tasks=3, reduce_tasks=2, counters={"good": 7}, started=T0, finished=T0 + 10,
)  # fmt: skip
LOST = Failure(phase="map", task=1, attempt=0, error="ValueError", message="bad", detail="")
UNPLANNED = Failure(phase="plan", task=0, attempt=0, error="UserError", message="no", detail="")
NOTHING = Facts(
    prices=prices_of(),
    keys=KEYS,
    listing=Listing(
        names=frozenset({KEYS.root.key}), done={"map": frozenset(), "exchange": frozenset(), "reduce": frozenset()},
        failed={"map": frozenset(), "exchange": frozenset(), "reduce": frozenset()}, continued=0,
        words={"map": (), "exchange": (), "reduce": ()},
        first=T0, last=T0 + 4, verdict_at=T0 + 9,
    ),
    plan=None, verdict=None, reduce_plan=None, manifest=None, closed=False, place=OUTPUT,
)  # fmt: skip


def status(now: float = T0 + 20, done: int = 0, **facts: Any) -> RunStatus:
    listing = replace(NOTHING.listing, done={**NOTHING.listing.done, "map": frozenset(range(done))})
    reader = Reader(MemoryStore(), KEYS, Memory(), 0, 9)
    return run_status(replace(NOTHING, listing=listing, **facts), reader, now)


def test_a_run_without_a_plan_is_starting() -> None:
    found = status()
    assert (found.phase, found.expired, found.ended) == ("planning", False, False)
    assert (found.started, found.finished, found.elapsed, found.idle) == (T0, None, 20.0, 16.0)
    assert (found.source, found.inputs, found.partitions, found.cost) == ("", None, None, None)
    assert (found.map.done, found.map.total) == (0, None)


def test_a_run_with_a_plan_and_no_end_is_running() -> None:
    found = status(done=2, plan=PLAN)
    assert (found.phase, found.map.done, found.map.total) == ("mapping", 2, 3)
    assert (found.source, found.inputs, found.input_bytes, found.partitions) == ("s3://in/a.txt", 2, 300, 8)
    assert (found.finished, found.elapsed, found.idle, found.reason) == (None, 20.0, 16.0, "")
    assert found.cost is not None
    assert found.output_records is None


@pytest.mark.parametrize("plan", [PLAN, None], ids=["ended", "expired"])
def test_a_manifest_tells_all_of_a_run_that_has_succeeded(plan: Plan | None) -> None:
    found = status(plan=plan, manifest=MANIFEST, verdict=Verdict(outcome="success"), closed=True)
    assert (found.phase, found.expired) == ("succeeded", plan is None)
    assert (found.map.done, found.map.total, found.reduce.done) == (3, 3, 2)
    assert (found.output_records, found.output_bytes, found.counters) == (7, 70, {"good": 7})
    assert (found.finished, found.elapsed, found.idle) == (T0 + 10, 10.0, None)
    assert (found.cost is None) == (plan is None)


def test_a_verdict_is_told_before_its_manifest() -> None:
    found = status(done=2, plan=PLAN, verdict=Verdict(outcome="failed", reason="why", failures=(LOST,)))
    assert (found.phase, found.reason, found.failures, found.attempts_failed) == (
        "finishing",
        "why",
        (LOST,),
        1,
    )
    assert (found.map.done, found.finished, found.idle) == (2, T0 + 9, 16.0)


def test_a_run_that_was_not_planned_is_refused() -> None:
    manifest = Manifest(job="job", run="r", outcome="failed", reason="no", failures=(UNPLANNED,))
    found = status(manifest=manifest, closed=True)
    assert (found.phase, found.expired, found.reason) == ("failed", False, "no")
    assert (found.started, found.elapsed, found.finished) == (None, None, T0 + 9)
    assert (found.map.done, found.map.total) == (0, 0)


def test_of_an_expired_run_nobody_knows_how_many_markers_are_gone() -> None:
    found = status(done=2)
    assert (found.phase, found.expired) == ("mapping", True)
    assert (found.map.done, found.reduce.done) == (None, None)
    failed = Manifest(job="job", run="r", outcome="failed", map_tasks=3, failures=(LOST,), started=T0)
    found = status(manifest=failed, closed=True)
    assert (found.phase, found.expired, found.map.done, found.map.total) == ("failed", True, None, 3)


def test_a_verdict_without_a_plan_ends_the_run() -> None:
    found = status(verdict=Verdict(outcome="failed", reason="why"))
    assert (found.phase, found.reason, found.finished) == ("finishing", "why", T0 + 9)
