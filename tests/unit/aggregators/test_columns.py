"""The forms over columns do what the forms over pairs do, to the bit, and refuse the same pairs."""

from __future__ import annotations

import random
from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import Aggregator, Avg, Count, Distinct, Max, Min, Quantiles, Record, Sum
from chalicelib.aggregators.base import PairRefused
from tests.strategies import examples
from tests.unit.aggregators.test_laws import CASES, carried

FLOATS = st.floats(allow_nan=False) | st.sampled_from([0.1, 0.2, 1e16, -1e16, 0.0, -0.0])
MORE: dict[str, tuple[Aggregator, st.SearchStrategy[Any]]] = {
    "sum of floats": (Sum(), FLOATS),
    "avg of floats": (Avg(), FLOATS),
    "avg of truths": (Avg(), st.booleans()),
    "sum of ints and floats": (Sum(), FLOATS | st.integers()),
    "min of Decimals": (Min(), st.sampled_from([Decimal("1.0"), Decimal("1.00"), Decimal(0), Decimal("-0")])),
    "max of floats": (Max(), FLOATS),
    "min of words": (Min(), st.text("ab")),
}


def shown(states: list[Any]) -> list[str]:
    return list(map(_text, states))


def _text(item: Any) -> str:
    """A value with its types; of equal sets it is the same, in whatever order they were filled."""
    if isinstance(item, set | frozenset):
        return f"{type(item).__name__}({sorted(map(_text, item))})"
    if isinstance(item, list | tuple):
        return f"{type(item).__name__}({list(map(_text, item))})"
    if isinstance(item, dict):
        return f"dict({[(_text(key), _text(value)) for key, value in item.items()]})"
    return repr(item)


@pytest.mark.parametrize("case", CASES | MORE)
@given(data=st.data())
@examples(12)
def test_columns_are_pairs(case: str, data: st.DataObject) -> None:
    aggregator, strategy = (CASES | MORE)[case]
    groups = data.draw(st.lists(st.lists(strategy, min_size=1, max_size=20), min_size=1, max_size=4))
    again = data.draw(
        st.lists(st.lists(strategy, min_size=1, max_size=3), min_size=len(groups), max_size=len(groups))
    )
    table: dict[int, Any] = {}
    aggregator.absorb(table, [(number, value) for number, group in enumerate(groups) for value in group])
    states = aggregator.lift_groups(groups)
    assert shown(states) == shown(list(table.values()))
    ones = [[group[0]] for group in groups]
    assert shown(aggregator.lift_column([group[0] for group in groups])) == shown(
        aggregator.lift_groups(ones)
    )
    right = aggregator.lift_groups(again)
    merged = aggregator.merge_columns(deepcopy(states), deepcopy(right))
    assert shown(merged) == shown(list(map(aggregator.merge, deepcopy(states), deepcopy(right))))
    assert shown(aggregator.finish_column(merged)) == shown(list(map(aggregator.finish, merged)))
    aggregator.absorb(table, [(number, value) for number, group in enumerate(again) for value in group])
    assert shown(aggregator.fold_groups(states, again)) == shown(list(table.values()))


@given(st.lists(st.tuples(st.sampled_from("abc"), FLOATS), min_size=1, max_size=30), st.integers(0, 30))
@examples(60)
def test_floats_of_a_record_are_added_in_the_order_of_the_pairs(pairs: list[Any], cut: int) -> None:
    """So that a task's states do not depend on the blocks in which its pairs come, which the clock decides."""
    record, alone = Record(sum=Sum(), mean=Avg()), Sum()
    table: dict[str, Any] = {}
    sums: dict[str, Any] = {}
    for some in (pairs[:cut], pairs[cut:]):
        record.absorb(table, some)
    alone.absorb(sums, pairs)
    assert shown([state[0] for state in table.values()]) == shown(list(sums.values()))
    assert shown([state[1][0] for state in table.values()]) == shown(list(sums.values()))


NUMBERS = Record(n=Count(), mean=Avg(), lo=Min(), hi=Max(), q=Quantiles(0.5))
PARTS = Record(n=Count(), total=Sum().of("x"), kinds=Distinct().of("y"))


@pytest.mark.parametrize(
    ("record", "good", "bad"),
    [
        (NUMBERS, 1.5, float("nan")),
        (NUMBERS, 1.5, float("inf")),
        (NUMBERS, Decimal(1), "1"),
        (NUMBERS, Decimal(1), 2.5),
        (NUMBERS, 1, None),
        (PARTS, {"x": 1, "y": 2}, {"x": 1}),
        (Record(total=Sum().of("x")), {"x": 1}, {"x": "1"}),
        (PARTS, {"x": 1, "y": 2}, 7),
    ],
)
@pytest.mark.parametrize("known", [False, True])
def test_the_pair_that_a_record_refuses_is_named(record: Record, good: Any, bad: Any, known: bool) -> None:
    table: dict[str, Any] = {}
    if known:
        record.absorb(table, [("a", good), ("b", good)])
    with pytest.raises(PairRefused) as refusal:
        record.absorb(table, [("a", good), ("b", good), ("b", bad), ("c", good)])
    assert refusal.value.key == "b"
    told = f"{refusal.value} {refusal.value.value}"
    assert str(bad["x"] if isinstance(bad, dict) else bad) in told


FIELDS: dict[str, Aggregator] = {
    "n": Count(),
    "sum": Sum(),
    "mean": Avg(),
    "lo": Min(),
    "hi": Max(),
    "q": Quantiles(0, 0.5, 1),
}
#: Some that are equal and differ, some that take many digits together, one that is far below all floats.
_SOME = ["0", "-0", "0.00", "1", "1.0", "1.00", "1.01", "-3.5", "-3.50", "9E+299", "7E-299", "4E-400"]
DECIMALS = st.sampled_from(list(map(Decimal, _SOME)))


class States(Record):
    """Makes states of all values, as few as there are."""


@given(
    st.lists(
        st.tuples(st.sampled_from("aaab"), DECIMALS | st.decimals(-9, 9, places=2)), min_size=1, max_size=70
    ),
    st.integers(0, 2**32),
)
@examples(100)
def test_decimals_that_are_kept_give_what_their_states_give(
    pairs: list[tuple[str, Decimal]], seed: int
) -> None:
    def found(record: Record) -> dict[str, Any]:
        chance, rest = random.Random(seed), list(pairs)
        merged: dict[str, Any] = {}
        while rest:
            table: dict[str, Any] = {}
            for _ in range(chance.randint(1, 3)):
                count = chance.randint(0, min(len(rest), 30))
                record.absorb(table, iter(rest[:count]))
                del rest[:count]
            states = list(map(carried, table.values()))
            if chance.random() < 0.5:
                record.absorb_states(merged, zip(table, states, strict=True))
                continue
            for key, state in zip(table, states, strict=True):
                merged[key] = record.merge(merged[key], state) if key in merged else state
        results = record.finish_column(list(merged.values()))
        assert repr(results) == repr(list(map(record.finish, merged.values())))
        return dict(zip(merged, results, strict=True))

    assert repr(found(Record(**FIELDS))) == repr(found(States(**FIELDS)))


def test_only_few_decimals_are_kept() -> None:
    table: dict[str, Any] = {}
    kept, more = Decimal("1.5"), [Decimal(2)] * 16
    NUMBERS.absorb(table, [("few", kept), ("ints", 1)])  # of two kinds: none is kept
    NUMBERS.absorb(table, [("fresh", kept), ("many", kept), *(("many", value) for value in more)])
    assert [type(state) for state in table.values()] == [list, list, tuple, list]
    NUMBERS.absorb(table, [("fresh", value) for value in more[1:]])
    assert table["fresh"] == (kept, *more[1:])
    NUMBERS.absorb(table, [("fresh", kept), ("few", kept)])
    assert [type(table[key]) for key in ("fresh", "few")] == [list, list]
    assert NUMBERS.finish(table["fresh"])["n"] == 17
    assert NUMBERS.finish(table["few"])["n"] == 2


def test_a_key_that_no_table_takes_is_refused() -> None:
    with pytest.raises(PairRefused, match="unhashable") as refusal:
        NUMBERS.absorb({}, [("a", 1), ([], 2)])
    assert refusal.value.key == []


def test_states_of_one_key_in_one_block_are_all_merged() -> None:
    table: dict[str, Any] = {}
    NUMBERS.absorb_states(table, [("a", NUMBERS.lift(value)) for value in (3, 1, 1, 5)])
    found = NUMBERS.finish(table["a"])
    assert found == {"n": 4, "mean": 2.5, "lo": 1, "hi": 5, "q": found["q"]}
    assert found["q"] == pytest.approx(1, rel=0.01)


def test_states_that_do_not_merge_are_refused_by_key() -> None:
    lowest = Record(lo=Min())
    table: dict[str, Any] = {}
    lowest.absorb_states(table, [("a", [1]), ("b", [2])])
    with pytest.raises(PairRefused) as refusal:
        lowest.absorb_states(table, [("a", [3]), ("b", ["x"])])
    assert (refusal.value.key, refusal.value.value) == ("b", ["x"])


class Doubled(Sum):
    def merge(self, left: Any, right: Any) -> Any:
        return 2 * (left + right)


class Shy(Count):
    def finish(self, state: int) -> Any:
        return min(state, 3)


def test_who_writes_a_method_anew_loses_the_column_form_of_the_old_one() -> None:
    assert Doubled().lift_groups([[1, 2]]) == [6]
    assert Doubled().merge_columns([1], [2]) == [6]
    assert Shy().lift_groups([[0] * 5]) == [5]
    assert Shy().finish_column([5]) == [3]


def test_states_of_code_that_made_a_sketch_of_everything_are_merged() -> None:
    quantiles = Quantiles(0.5, max_buckets=16)
    sketch = [0, 1.0, 2.0, {quantiles._bucket(1.0): 1, quantiles._bucket(2.0): 1}]
    for left, right in ((sketch, (1.0,)), ((1.0,), sketch)):
        merged = quantiles.merge(deepcopy(left), deepcopy(right))
        assert quantiles.finish(merged) == quantiles.finish(quantiles.batch([1, 2, 1]))
