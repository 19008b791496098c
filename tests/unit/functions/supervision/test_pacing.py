"""`pacing`: when to look again, to renew and to hand over; arithmetic of seconds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.functions.supervision import pacing
from chalicelib.run.lease import TTL

SECONDS = st.floats(0, 1e6)


@pytest.mark.parametrize(
    ("age", "expected"), [(-3.0, 0.1), (0.0, 0.1), (1.0, 0.1), (20.0, 2.0), (50.0, 5.0), (9e9, 5.0)]
)
def test_a_look_is_due_after_a_tenth_of_the_run_s_age(age: float, expected: float) -> None:
    assert pacing.until_next_look(age) == pytest.approx(expected)


@given(age=SECONDS, silent=SECONDS, slow_after=st.none() | SECONDS)
def test_pauses_are_neither_a_busy_loop_nor_long(age: float, silent: float, slow_after: float | None) -> None:
    pause = pacing.until_next_look(age, silent, slow_after)
    assert pacing.SHORTEST <= pause <= pacing.LONGEST
    assert pause <= pacing.until_next_look(age)


def test_near_the_end_of_a_phase_looks_come_often_but_not_for_ever() -> None:
    assert pacing.until_next_look(1000.0, silent=1.0, slow_after=60.0) == pytest.approx(2.0)
    assert pacing.until_next_look(1000.0, silent=240.0, slow_after=60.0) == pytest.approx(2.0)
    assert pacing.until_next_look(1000.0, silent=241.0, slow_after=60.0) == 5.0


def test_a_look_comes_just_after_a_straggler_would_show() -> None:
    assert pacing.until_next_look(1000.0, silent=149.5, slow_after=150.0) == pytest.approx(0.6)
    assert pacing.until_next_look(1000.0, silent=150.5, slow_after=150.0) == pytest.approx(0.1)


def test_a_supervisor_keeps_twenty_seconds_to_hand_over_or_most_of_a_short_life() -> None:
    assert pacing.reserve(300.0) == 20.0
    assert pacing.reserve(10.0) == pytest.approx(7.0)


def test_a_lease_is_renewed_three_times_in_the_time_it_lasts() -> None:
    taken = 1000.0
    assert not pacing.renewal_is_due(taken + TTL, taken)
    assert not pacing.renewal_is_due(taken + TTL, taken + 14.9)
    assert pacing.renewal_is_due(taken + TTL, taken + 15.0)


def test_a_holder_is_given_the_time_for_a_renewal() -> None:
    assert pacing.until_holder_shows(-5.0) == 0.05
    assert pacing.until_holder_shows(3.0) == 3.0
    assert pacing.until_holder_shows(TTL) == 16.0
