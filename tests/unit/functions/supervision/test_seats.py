"""`seats`: how many there are, and who gets one."""

from __future__ import annotations

import pytest

from chalicelib.core.keys import RunKeys
from chalicelib.core.ports import Loc
from chalicelib.functions.supervision.seats import seats_for, take
from chalicelib.run.lease import TTL
from chalicelib.stores.memory import MemoryStore

KEYS = RunKeys(Loc("work", ""), "job", "run")


@pytest.mark.parametrize(
    ("concurrency", "seats"),
    [(1, 0), (10, 0), (39, 0), (40, 1), (100, 2), (1000, 25), (10_000, 50), (None, 1)],
)
def test_there_is_one_for_every_forty_functions(concurrency: int | None, seats: int) -> None:
    assert seats_for(concurrency) == seats


def test_each_seat_is_taken_once_until_it_is_left_or_not_renewed() -> None:
    store = MemoryStore()
    first, second = (take(store, KEYS, 2, token, 100.0) for token in ("a", "b"))
    assert first is not None
    assert second is not None
    assert take(store, KEYS, 2, "c", 100.0) is None
    first.release()
    third = take(store, KEYS, 2, "c", 100.0)
    assert third is not None
    assert take(store, KEYS, 2, "d", 100.0 + TTL + 1) is not None


def test_seats_are_a_jobs_and_not_a_runs() -> None:
    store = MemoryStore()
    assert take(store, KEYS, 1, "a", 100.0) is not None
    assert take(store, RunKeys(KEYS.work, "job", "another run"), 1, "b", 100.0) is None
    assert take(store, RunKeys(KEYS.work, "another job", "run"), 1, "c", 100.0) is not None


def test_where_there_are_none_nobody_gets_one() -> None:
    assert take(MemoryStore(), KEYS, 0, "a", 100.0) is None
