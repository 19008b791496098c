"""What Lambda gave up on: what is written of it, and what the next attempt makes of that."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib import Job
from chalicelib.core.messages import Stats, decode, encode, to_payload
from chalicelib.core.ports import Loc
from chalicelib.core.tasks import CRASHED, Failure
from chalicelib.functions import given_up
from chalicelib.functions.attempt import deadly_records
from chalicelib.mapreduce.guard.apart import Fork
from chalicelib.run import calls
from chalicelib.run.events import MOST_WAITS, TOO_OLD, event_for
from tests.worlds.one_run import OneRun
from tests.worlds.simulation import report_of

KEY = Loc("in", "data/a.txt")


class Lines(Job):
    def mapper(self, _: Any, line: str) -> Any:
        yield line, 1


@pytest.fixture
def world(tmp_path: Path) -> OneRun:
    return OneRun(Lines, b"a\n", tmp_path)


def told(world: OneRun, condition: str, attempt: int = 0, waits: int = 0) -> dict[str, Any]:
    call = replace(calls.call_for(world.keys, 0, 1), attempt=attempt)
    report = report_of("mapper", {**to_payload(call), "sluiceWaits": waits})
    report["requestContext"]["condition"] = condition
    return given_up.note(world.runtime(), report, None)


def stored(world: OneRun, attempt: int = 0) -> Failure:
    loc = world.keys.failed("map", 0, attempt)
    return decode(Failure, world.store.get(loc), loc.url)


@pytest.mark.parametrize(
    ("condition", "error", "deadly"),
    [("RetriesExhausted", CRASHED, True), ("EventAgeExceeded", "Lost", False)],
)
def test_a_record_may_have_killed_an_attempt_that_died_but_none_that_never_ran(
    condition: str, error: str, deadly: bool, world: OneRun
) -> None:
    assert told(world, condition, waits=MOST_WAITS) == event_for(world.keys.failed("map", 0, 0))
    assert (stored(world).error, stored(world).stats, stored(world).fatal) == (error, Stats(), False)
    runtime = replace(world.runtime(), apart=Fork())
    again = replace(calls.call_for(world.keys, 0, 1), attempt=1)
    assert deadly_records.are_likely(runtime, "map", world.keys, again) == deadly


def test_what_the_attempt_itself_said_stays(world: OneRun) -> None:
    own = Failure(phase="map", task=0, attempt=1, error="OSError", message="disk", stats=Stats(seconds=3.0))
    world.store.put(world.keys.failed("map", 0, 1), encode(own))
    told(world, "RetriesExhausted", attempt=1)
    assert stored(world, 1) == own


def test_a_root_that_died_starts_no_sub_tree_anew_whose_first_attempt_is_done(tmp_path: Path) -> None:
    """One that was done by a later attempt may have been tried alone, and tells nothing of what is below it."""
    world = OneRun(Lines, b"word\n" * 99, tmp_path, split_size=5)
    ranges = list(calls.children(0, 99))
    for (lo, _), attempt in zip(ranges[:3], (0, 1, 0), strict=True):
        world.finish("map", replace(calls.call_for(world.keys, lo, lo + 1), attempt=attempt))
    given_up.note(world.runtime(), report_of("mapper", to_payload(calls.call_for(world.keys, 0, 99))), None)
    again = [(call.lo, call.hi, call.attempt) for _, call in world.invoked]
    assert again == [(lo, hi, 1) for lo, hi in (ranges[1], *ranges[3:])]


@pytest.mark.parametrize("waits", [0, MOST_WAITS - 1])
@pytest.mark.parametrize("function", ["mapper", "reducer", "coordinator"])
def test_what_only_waited_for_a_slot_is_queued_anew_and_counts_as_no_attempt(
    function: str, waits: int, world: OneRun
) -> None:
    event = to_payload(calls.call_for(world.keys, 0, 1)) if function != "coordinator" else event_for(KEY)
    report = report_of(function, {**event, "sluiceWaits": waits})
    report["requestContext"]["condition"] = TOO_OLD
    again: list[tuple[str, dict[str, Any]]] = []
    invoker: Any = SimpleNamespace(invoke=lambda *call: again.append(call))
    runtime = replace(world.runtime(), invoker=invoker)
    assert given_up.note(runtime, report, None) == {}
    assert again == [(function, {**event, "sluiceWaits": waits + 1})]
    assert not world.names(".failed")


def test_what_is_no_call_is_passed_over(world: OneRun) -> None:
    assert given_up.note(world.runtime(), report_of("mapper", {"lo": "none"}), None) == {}
