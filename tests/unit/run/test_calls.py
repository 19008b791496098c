"""`tree`: every task is reached once, in few hops."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.run.calls import FAN_OUT, MAX_HOPS, children
from tests.strategies import examples


@given(st.integers(0, 100), st.integers(0, 300), st.integers(1, 40))
@examples(200)
def test_children_are_disjoint_and_cover_all_but_the_node_itself(lo: int, count: int, fan_out: int) -> None:
    found = list(children(lo, lo + count, fan_out))
    assert [task for start, stop in found for task in range(start, stop)] == list(range(lo + 1, lo + count))
    assert all(start < stop for start, stop in found)
    assert len(found) <= fan_out
    widths = [stop - start for start, stop in found]
    assert max(widths, default=0) - min(widths, default=0) <= 1


def reached(lo: int, hi: int, hop: int = 0) -> list[tuple[int, int]]:
    return [(lo, hop)] + [task for start, stop in children(lo, hi) for task in reached(start, stop, hop + 1)]


def test_ten_thousand_tasks_are_each_reached_once_within_three_hops() -> None:
    found = reached(0, 10_000)
    assert sorted(task for task, _ in found) == list(range(10_000))
    assert max(hop for _, hop in found) == 3


def test_the_hop_limit_leaves_room_for_any_run() -> None:
    assert FAN_OUT**MAX_HOPS > 10**15
