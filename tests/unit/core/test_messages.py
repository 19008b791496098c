"""What messages have in common: counters and statistics are added up."""

from __future__ import annotations

from chalicelib.core.messages import Stats, sum_counters


def test_counters_are_summed_by_name_and_none_is_changed() -> None:
    one, other = {"bad": 1, "good": 2}, {"good": 3, "new": -1}
    assert sum_counters(one, other, {}) == {"bad": 1, "good": 5, "new": -1}
    assert (one, other) == ({"bad": 1, "good": 2}, {"good": 3, "new": -1})
    assert sum_counters() == {}


def test_statistics_are_added_field_by_field() -> None:
    assert Stats(records_in=1, seconds=0.5) + Stats(records_in=2, gets=3) == Stats(
        records_in=3, seconds=0.5, gets=3
    )
