"""The world with few slots keeps AWS's terms: slots, Lambda's queue, retries, destinations, time-outs, S3's events."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.core.ports import Loc, Runtime
from chalicelib.core.spec import TimeoutSpec
from tests.worlds.few_slots import Load, play
from tests.worlds.limited import START, Limited, Timed, timed_input, timed_rows, timed_spec
from tests.worlds.twin.account import Invocation
from tests.worlds.twin.terms import HOUR, Neighbour, Outage, Terms

#: Nothing of S3 or of a start takes time: what is left is what a test is about.
BARE: dict[str, Any] = {"destinations": {}, "dispatch": (0.0, 0.0), "cold_start": 0.0, "slow_share": 0.0}
MARK = Loc("work", "mark")


class Toys:
    """Handlers that note when they begin, and take `seconds`; the n-th of them raises if `n` is in `wrong`."""

    def __init__(self, seconds: float = 10.0, wrong: tuple[int, ...] = ()) -> None:
        self.seconds, self.wrong = seconds, wrong
        self.began: list[float] = []
        self.told: list[dict[str, Any]] = []

    def handlers(self) -> dict[str, Any]:
        return {"mapper": self.work, "reducer": self.work, "supervisor": self.hear}

    def work(self, runtime: Runtime, payload: dict[str, Any]) -> None:
        self.began.append(runtime.clock.now() - START)
        if len(self.began) - 1 in self.wrong:
            raise ValueError("said the test")
        runtime.clock.pause(self.seconds)
        runtime.store.put(MARK, b"")

    def hear(self, runtime: Runtime, payload: dict[str, Any], *_: Any) -> None:
        self.told.append(payload)


def served(toys: Toys, calls: int = 1, timeouts: TimeoutSpec | None = None, **terms: Any) -> Limited:
    """A world that has served so many calls of the mapper, all made at once."""
    spec = timed_spec(timeout=timeouts or TimeoutSpec())
    with Limited(Timed, spec, Terms(**{**BARE, **terms}), handlers=toys.handlers()) as world:
        for number in range(calls):
            world.account.invoke("mapper", {"number": number})
        world.run(24 * HOUR)
    return world


@pytest.mark.parametrize("queue", ["backoff", "eager"])
def test_slots_are_never_exceeded_and_all_that_was_throttled_comes_back(queue: str) -> None:
    toys = Toys()
    world = served(toys, calls=30, slots=3, queue=queue)
    assert (world.account.peak, len(toys.began)) == (3, 30)
    assert world.account.throttled["mapper"] >= 27
    latest = max(sum(began <= at < began + toys.seconds for began in toys.began) for at in toys.began)
    assert latest == 3


def test_the_kind_queue_leaves_no_slot_idle() -> None:
    toys = Toys()
    served(toys, calls=30, slots=3, queue="eager")
    assert max(toys.began) == pytest.approx(90.0, abs=1.0)


def test_pauses_of_the_queue_double_from_a_second_to_five_minutes() -> None:
    terms, chance = Terms(), random.Random(1)
    for throttled, longest in ((0, 1.0), (1, 2.0), (5, 32.0), (9, 300.0), (400, 300.0)):
        pauses = [terms.backoff_seconds(chance, throttled) for _ in range(200)]
        assert longest / 2 <= min(pauses) < longest * 0.6
        assert longest * 0.9 < max(pauses) <= longest


def test_an_event_waits_for_a_neighbour_to_end() -> None:
    toys = Toys()
    world = served(toys, slots=10, neighbours=(Neighbour(0.0, 10, 5 * HOUR),))
    assert 5 * HOUR <= toys.began[0] <= 5 * HOUR + 301.0
    assert not world.figures.expired


@pytest.mark.parametrize("destinations", [{}, {"mapper": "supervisor"}])
def test_an_event_older_than_six_hours_is_given_up(destinations: dict[str, str]) -> None:
    toys = Toys()
    busy = (Neighbour(0.0, 10, 7 * HOUR),)
    world = served(toys, slots=10, neighbours=busy, destinations=destinations)
    assert (toys.began, world.figures.expired) == ([], {"mapper": 1})
    assert [told["requestContext"]["condition"] for told in toys.told] == ["EventAgeExceeded"] * len(
        destinations
    )


def test_what_raises_is_tried_again_after_a_minute_and_after_two() -> None:
    toys = Toys(seconds=0.0, wrong=(0, 1))
    world = served(toys)
    assert toys.began == pytest.approx([0.0, 60.0, 180.0], abs=0.1)
    assert (world.figures.deaths, world.figures.exhausted) == ({"mapper": 2}, {})


def test_what_raises_again_and_again_is_told_to_the_destination() -> None:
    toys = Toys(wrong=(0, 1, 2))
    world = served(toys, destinations={"mapper": "supervisor"})
    (told,) = toys.told
    assert told["requestContext"]["condition"] == "RetriesExhausted"
    assert told["requestContext"]["approximateInvokeCount"] == 3
    assert told["requestContext"]["functionArn"].endswith(":function:sluice-job-mapper:$LATEST")
    assert (told["requestPayload"], told["version"]) == ({"number": 0}, "1.0")
    assert world.figures.exhausted == {"mapper": 1}


def test_a_function_that_outlasts_its_timeout_is_killed_and_writes_no_more() -> None:
    toys = Toys(seconds=31.0)
    world = served(toys, timeouts=TimeoutSpec(mapper=30), retries=0)
    assert world.figures.deaths == {"mapper": 1}
    assert world.figures.seconds["mapper"] == pytest.approx(30.0)
    assert [*world.memory.list(MARK)] == []


def test_reserved_slots_are_kept_free_and_are_all_that_a_function_gets() -> None:
    toys = Toys()
    served(toys, calls=6, slots=10, reserved={"mapper": 2}, queue="eager")
    assert sorted(round(began) for began in toys.began) == [0, 0, 10, 10, 20, 20]
    toys = Toys()
    served(toys, calls=6, slots=5, reserved={"supervisor": 3}, queue="eager")
    assert sorted(round(began) for began in toys.began) == [0, 0, 10, 10, 20, 20]


def test_new_environments_come_by_the_ramp() -> None:
    toys = Toys(seconds=100.0)
    world = served(toys, calls=20, ramp_burst=5, ramp_rate=1.0)
    assert sum(began < 1.0 for began in toys.began) == 5
    assert world.account.cold["mapper"] == 20
    for seconds in (5, 10, 20):
        assert sum(began <= seconds for began in toys.began) <= 5 + seconds


def test_an_environment_that_is_still_warm_starts_at_once() -> None:
    toys = Toys()
    world = served(toys, calls=4, slots=1, cold_start=0.5, queue="eager")
    assert world.account.cold == {"mapper": 1}
    assert min(toys.began) == pytest.approx(0.5)


@pytest.mark.parametrize(("side", "written"), [("before", 0), ("after", 1)])
def test_an_invocation_dies_on_either_side_of_a_request(side: Any, written: int) -> None:
    def kill(event: Invocation, kind: str, loc: Loc) -> Any:
        return side if kind == "put" else None

    toys = Toys()
    with Limited(Timed, timed_spec(), Terms(retries=0), handlers=toys.handlers(), kill=kill) as world:
        world.account.invoke("mapper", {})
        world.run()
    assert world.figures.deaths == {"mapper": 1}
    assert len([*world.memory.list(MARK)]) == written


def test_what_is_waited_is_told_from_what_is_worked() -> None:
    world = served(Toys(seconds=10.0), request_spread=0.0)
    assert world.figures.waiting["mapper"] == pytest.approx(10.0)
    assert world.figures.seconds["mapper"] == pytest.approx(10.0 + 0.03 + 0.0015)


def test_what_asks_for_something_while_s3_is_away_fails() -> None:
    toys = Toys(seconds=0.0)
    world = served(toys, outages=(Outage(50.0, 100.0),), retries=1)
    assert (len(toys.began), world.figures.errors) == (1, [])
    toys = Toys(seconds=55.0)
    world = served(toys, outages=(Outage(50.0, 100.0),), retries=1)
    assert toys.began == pytest.approx([0.0, 118.0])
    assert ["S3 is away" in error for _, _, error in world.figures.errors] == [True]


@pytest.mark.parametrize(
    ("share", "told"), [({"event_losses": 1.0}, 0), ({"event_repeats": 1.0}, 2), ({}, 1)]
)
def test_events_of_s3_come_once_unless_lost_or_repeated(share: dict[str, Any], told: int) -> None:
    toys = Toys()
    with Limited(Timed, timed_spec(), Terms(**share), handlers=toys.handlers()) as world:
        world.memory.put(Loc("work", "runs/job/20261118T110640-a/map/000001.done"), b"")
        world.run()
    assert len(toys.told) == told
    for event in toys.told:
        (record,) = event["Records"]
        assert record["eventTime"].startswith("2026-11-18T")
        assert record["s3"]["object"]["key"].endswith("000001.done")


# -- the product in it ------------------------------------------------------------------------------------------


def test_a_run_with_slots_enough_is_right_in_about_the_time_of_its_tasks() -> None:
    with Limited(Timed, timed_spec(reduces=2, seconds=20.0), Terms(), seed=3) as world:
        run = world.drop("a.txt", timed_input(8, 2))
        world.run()
        assert (world.runs[run].end, world.figures.errors) == ("success", [])
        assert sorted(world.rows(run)) == timed_rows(8, 2)
        assert 40.0 < world.now < 60.0
        assert (world.figures.attempts, world.figures.needless) == (10, 0)
        assert world.dollars() > 0


@pytest.mark.parametrize("reduces", [1, 2, 10, 40])
def test_there_are_as_many_reduce_tasks_as_are_asked_for(reduces: int) -> None:
    with Limited(Timed, timed_spec(reduces=reduces), Terms(), seed=1) as world:
        run = world.drop("a.txt", timed_input(2, reduces))
        world.run()
        assert len([*world.memory.list(Loc("out", f"{run}/part-"))]) == reduces


def test_another_attempt_is_needless_only_if_nothing_had_died() -> None:
    def kill(event: Invocation, kind: str, loc: Loc) -> Any:
        marker = kind == "put" and loc.key.endswith("map/000003.done")
        return "before" if marker and not event.payload["attempt"] else None

    found = play(Load(runs=1, maps=6), Terms(retries=0), kill=kill)
    assert (found.right, found.attempts, found.needless) == (1, 8, 0), found


def test_a_seed_is_one_course_of_events() -> None:
    load, terms = Load(runs=3, maps=3, seconds=1.0), Terms(slots=20, event_repeats=0.1)
    first, again, other = (replace(play(load, terms, seed), real=0.0, seed=0) for seed in (7, 7, 8))
    assert first == again
    assert first.last != other.last


def test_the_ideal_is_the_work_on_the_slots_that_there_are() -> None:
    load = Load(runs=20, maps=10, reduces=1, seconds=20.0)
    assert load.ideal(Terms(slots=10)) == pytest.approx(440.0)
    assert load.ideal(Terms(slots=1000)) == pytest.approx(40.0)
    assert load.ideal(Terms(slots=10, neighbours=(Neighbour(0, 10, 4800),))) == pytest.approx(5240.0)
    assert load.ideal(Terms(slots=10, neighbours=(Neighbour(100, 5, 100),))) == pytest.approx(490.0)


# -- the product there ----------------------------------------------------------------------------------

BUSY = (Neighbour(at=0.0, slots=10, seconds=4800.0),)
LOADS = {
    "one run, one slot": (Load(runs=1, maps=30, reduces=2), Terms(slots=1)),
    "one run, two slots": (Load(runs=1, maps=30, reduces=2), Terms(slots=2)),
    "one run, ten slots": (Load(runs=1, maps=60, reduces=5), Terms(slots=10)),
    "one run, its time-outs short": (
        Load(runs=1, maps=30, reduces=2, timeouts=(("mapper", 60), ("reducer", 60), ("supervisor", 60))),
        Terms(slots=2),
    ),
    "small runs at once": (Load(runs=12, maps=3, seconds=1.0), Terms(slots=10)),
    "runs at once": (Load(runs=20, maps=10), Terms(slots=10)),
    "runs at once beside a neighbour": (Load(runs=5, maps=10), Terms(slots=10, neighbours=BUSY)),
    "tiny runs at once": (Load(runs=60, maps=1, seconds=5.0), Terms(slots=10)),
    "runs at once, a hundred slots": (Load(runs=20, maps=10), Terms(slots=100)),
    "runs at once, a thousand slots": (Load(runs=5, maps=10), Terms(slots=1000)),
    "one run, a thousand slots": (Load(runs=1, maps=100, reduces=8), Terms(slots=1000)),
}


@pytest.mark.parametrize("seed", range(2))
def test_of_tasks_of_which_nothing_is_heard_while_others_have_the_slots_next_to_none_is_started(
    seed: int,
) -> None:
    """27 of 100 were: in a silence of a minute they seemed slow, and waited in Lambda's queue."""
    busy = Neighbour(at=30.0, slots=80, seconds=60.0)
    found = play(Load(runs=1, maps=150, reduces=2, seconds=20.0), Terms(slots=80, neighbours=(busy,)), seed)
    assert found.right == 1, found.reason
    assert found.needless <= found.attempts * 0.02


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", LOADS)
def test_all_end_well_and_next_to_nothing_is_wasted(name: str, seed: int) -> None:
    load, terms = LOADS[name]
    found = play(load, terms, seed)
    assert (found.right, found.wrong, found.failed, found.open) == (load.runs, 0, 0, 0), found.reason
    assert found.needless <= found.attempts * 0.02
    assert found.waiting < 0.05
    assert found.expired == 0
