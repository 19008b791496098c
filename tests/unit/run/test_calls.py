"""`tree`: every task is reached once, in few hops."""

from __future__ import annotations

import threading
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.errors import InvokeError
from chalicelib.core.keys import RunKeys
from chalicelib.core.ports import Invoker, Loc, Runtime
from chalicelib.run.calls import FAN_OUT, MAX_HOPS, call_for, children, start_all
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


class Meeting:
    """An invoker whose calls wait for each other, `together` at a time; those of odd tasks fail, if asked to."""

    def __init__(self, together: int, failing: bool = False) -> None:
        self.barrier = threading.Barrier(together)
        self.failing = failing
        self.under_way = self.most = 0
        self.started: list[int] = []
        self.lock = threading.Lock()

    def invoke(self, function: str, payload: dict[str, Any]) -> None:
        with self.lock:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            self.started.append(payload["lo"])
        self.barrier.wait(30)
        with self.lock:
            self.under_way -= 1
        if self.failing and payload["lo"] % 2:
            raise InvokeError(f"task {payload['lo']}")


def run_calls(invoker: Meeting, parallel: int, count: int) -> None:
    runtime = Runtime(
        store=cast(Any, None), invoker=cast(Invoker, invoker), clock=cast(Any, None), new_token=str,
        remaining=float, load_job=cast(Any, None), disk=cast(Any, None), parallel_calls=parallel,
    )  # fmt: skip
    keys = RunKeys(Loc("work", ""), "job", "run")
    start_all(runtime, "map", [call_for(keys, task, task + 1) for task in range(count)])


@pytest.mark.parametrize(("parallel", "together"), [(0, 1), (8, 8), (4, 4), (32, 16)])
def test_calls_are_made_side_by_side_where_that_is_worth_it(parallel: int, together: int) -> None:
    invoker = Meeting(together)
    run_calls(invoker, parallel, 16)
    assert sorted(invoker.started) == list(range(16))
    assert invoker.most == together


def test_all_calls_are_tried_and_the_first_that_failed_is_told() -> None:
    invoker = Meeting(4, failing=True)
    with pytest.raises(InvokeError, match=r"task 1$"):
        run_calls(invoker, 4, 8)
    assert sorted(invoker.started) == list(range(8))
