"""`aggregators`: bulk forms equal the simple ones; cutting the values anywhere changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import Aggregator, Avg, Count, Max, Min, Sum
from tests.strategies import examples

ORACLES: list[tuple[Aggregator, Callable[[list[int]], Any]]] = [
    (Sum(), sum),
    (Count(), len),
    (Min(), min),
    (Max(), max),
    (Avg(), lambda values: sum(values) / len(values)),
]
pairs_of_ints = st.lists(st.tuples(st.sampled_from("abc"), st.integers(-(2**70), 2**70)), max_size=20)


@pytest.mark.parametrize(("aggregator", "oracle"), ORACLES, ids=lambda item: type(item).__name__)
@given(pieces=st.lists(pairs_of_ints, max_size=4))
@examples(60)
def test_any_cut_gives_the_plain_answer(aggregator: Aggregator, oracle: Any, pieces: list[Any]) -> None:
    tables = []
    for piece in pieces:
        table: dict[Any, Any] = {}
        aggregator.absorb(table, iter(piece))
        tables.append(table)
    total: dict[Any, Any] = {}
    for table in tables:
        aggregator.absorb_states(total, table.items())
    found = {key: aggregator.finish(state) for key, state in total.items()}
    values = [pair for piece in pieces for pair in piece]
    assert found == {key: oracle([value for k, value in values if k == key]) for key, _ in values}


@pytest.mark.parametrize("aggregator", [pair[0] for pair in ORACLES], ids=lambda item: type(item).__name__)
@given(values=st.lists(st.integers(), min_size=1, max_size=10))
@examples(30)
def test_bulk_is_lift_and_merge(aggregator: Aggregator, values: list[int]) -> None:
    table: dict[Any, Any] = {}
    aggregator.absorb(table, (("k", value) for value in values))
    assert table["k"] == reduce(aggregator.merge, map(aggregator.lift, values))


def test_a_subclass_that_changes_lift_loses_the_old_bulk_form() -> None:
    class Squares(Sum):
        def lift(self, value: int) -> int:
            return value * value

    class Longest(Max):
        def merge(self, left: str, right: str) -> str:
            return max(left, right, key=len)

    table: dict[Any, Any] = {}
    Squares().absorb(table, [("k", 2), ("k", 3)])
    assert table == {"k": 13}
    table = {}
    Longest().absorb(table, [("k", "zz"), ("k", "aaa"), ("k", "b")])
    assert table == {"k": "aaa"}
    table = {}
    Longest().absorb_states(table, [("k", "zz"), ("k", "aaa")])
    assert table == {"k": "aaa"}


def test_an_unfinished_aggregator_says_what_it_lacks() -> None:
    class Half(Aggregator):
        pass

    with pytest.raises(NotImplementedError, match=r"Half: merge\(self, left, right\) is not written"):
        Half().absorb({}, [("k", 1), ("k", 2)])
