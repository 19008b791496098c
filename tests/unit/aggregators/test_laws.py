"""Every aggregator: the same result, to the byte, however values are ordered, cut into tasks and merged."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import (
    Aggregator,
    ApproxDistinct,
    Avg,
    Collect,
    Count,
    CountDistinct,
    Distinct,
    First,
    Histogram,
    Last,
    Max,
    Min,
    MostFrequent,
    Quantiles,
    Record,
    Sample,
    StdDev,
    Sum,
    Top,
    Variance,
    aggregators,
)
from chalicelib.core.codec import decode_column, encode_column
from chalicelib.mapreduce.output.text import jsonl, tsv
from tests.strategies import examples, same, scalars, values

ints = st.integers(-(2**70), 2**70) | st.integers(-3, 3)
any_floats = st.floats() | st.sampled_from([0.1, 0.2, 0.3, 1e16, 1.0, -1e16, 1e308, 5e-324, 0.0, -0.0])
finite = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.0, -0.0, 1.0, -1.0])
decimals = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**40), max_value=10**40).map(
    Decimal
)
#: Many ties, equal values of several types among them.
close = st.sampled_from([0, 1, 2, 1.0, True, 0.0, -0.0, False, 2.5, Decimal("1.0"), Decimal("1.00")])
rows = st.fixed_dictionaries({"at": close, "what": st.sampled_from(["a", "b", 1, None])})
words = st.text("abc", max_size=2)


@dataclass
class Mode(Aggregator):
    """A user's own: three methods, nothing else. The median of three kinds of weather, say."""

    best: str = "sun"

    def lift(self, value: str) -> dict[str, int]:
        return {value: 1}

    def merge(self, left: dict[str, int], right: dict[str, int]) -> dict[str, int]:
        for name, count in right.items():
            left[name] = left.get(name, 0) + count
        return left

    def finish(self, state: dict[str, int]) -> str:
        return max(state, key=lambda name: (state[name], name == self.best, name))


CASES: dict[str, tuple[Aggregator, st.SearchStrategy[Any]]] = {
    "count": (Count(), values),
    "sum of ints": (Sum(), ints),
    "sum of decimals": (Sum(), decimals),
    "exact sum": (Sum(exact=True), any_floats | ints),
    "exact sum of floats": (Sum(exact=True), any_floats),
    "avg of ints": (Avg(), st.integers(-(2**70), 2**70)),
    "avg of decimals": (Avg(), decimals),
    "exact avg": (Avg(exact=True), any_floats | ints),
    "variance": (Variance(), any_floats | ints),
    "population variance": (Variance(population=True), finite),
    "deviation": (StdDev(), finite),
    "min": (Min(), close),
    "max": (Max(), close),
    "min of tuples": (Min(), st.tuples(close, words)),
    "first": (First(), st.tuples(close, values)),
    "first by": (First(by="at"), rows),
    "last": (Last(), st.tuples(close, values)),
    "last by": (Last(by=lambda row: row["at"]), rows),
    "top": (Top(3), close),
    "top by": (Top(2, by="at"), rows),
    "collect": (Collect(), values),
    "collect some": (Collect(4, overflow="truncate"), values),
    "collect some numbers": (Collect(2, overflow="truncate"), close),
    "distinct": (Distinct(), values),
    "distinct numbers": (Distinct(), close),
    "count distinct": (CountDistinct(), scalars),
    "most frequent": (MostFrequent(2), close | words),
    "approx distinct": (ApproxDistinct(), scalars),
    "approx distinct, few registers": (ApproxDistinct(0.26), st.integers(0, 500)),
    "quantiles": (Quantiles(0, 0.25, 0.5, 0.99, 1), finite | ints | decimals),
    "quantiles in few buckets": (Quantiles(0.1, 0.5, 1, error=0.001, max_buckets=16), finite),
    "histogram": (Histogram(-1, 0, 1, 2.5), close | finite),
    "sample": (Sample(3), scalars),
    "sample of what repeats": (Sample(5, seed=3), close | words),
    "sample of the distinct": (Sample(3, by=lambda value: value), scalars),
    "sample by": (Sample(2, seed=7, by="at"), rows),
    "record": (
        Record(
            n=Count(),
            exact=Sum(exact=True).of("at"),
            least=Min().of("at"),
            top=Top(2, by="at"),
            kinds=Distinct().of("what"),
            inner=Record(spread=Variance().of("at"), first=First(by="at").of(dict)),
        ),
        st.fixed_dictionaries({"at": finite, "what": words}),
    ),
    "a user's own": (Mode(), st.sampled_from(["rain", "snow", "sun"])),
}


def carried(state: Any) -> Any:
    """A state as it is after a run file."""
    return decode_column(*encode_column([state]))[0]


def one_by_one(aggregator: Aggregator, items: list[Any]) -> Any:
    """The result by the three methods alone, in the order given."""
    state = aggregator.lift(items[0])
    for item in items[1:]:
        state = aggregator.merge(state, aggregator.lift(item))
    return aggregator.finish(state)


def in_tasks(aggregator: Aggregator, items: list[Any], chance: random.Random) -> Any:
    """The result by the bulk forms: shuffled, cut into tasks, spilled and merged as chance has it."""
    items = chance.sample(items, len(items))
    states: list[Any] = []
    while items:
        table: dict[str, Any] = {}
        for _ in range(chance.randint(1, 3)):
            count = chance.randint(0, len(items))
            aggregator.absorb(table, [("key", item) for item in items[:count]])
            del items[:count]
        states += map(carried, table.values())
    while len(states) > 1:
        left, right = (states.pop(chance.randrange(len(states))) for _ in range(2))
        if chance.random() < 0.3:
            table = {}
            aggregator.absorb_states(table, iter([("key", left), ("key", right)]))
            states.append(table["key"])
            continue
        before = encode_column([right])
        states.append(aggregator.merge(left, right))
        assert encode_column([right]) == before, "merge changed its right side"
        if chance.random() < 0.5:
            states[-1] = carried(states[-1])
    return aggregator.finish(states[0])


@pytest.mark.parametrize("case", CASES)
@given(data=st.data())
@examples(60)
@pytest.mark.slow
def test_any_order_any_tasks_any_merges(case: str, data: st.DataObject) -> None:
    aggregator, strategy = CASES[case]
    items = data.draw(st.lists(strategy, min_size=1, max_size=25), "values")
    chance = random.Random(data.draw(st.integers(0, 2**32), "chance"))
    expected = one_by_one(aggregator, list(items))
    found = in_tasks(aggregator, items, chance)
    assert same(found, expected) or repr(found) == repr(expected)  # NaN in a dict is not the same as itself
    for rows_of in (tsv, jsonl):
        assert rows_of(["key"], [found]) == rows_of(["key"], [expected])


@given(st.lists(finite, min_size=17, max_size=70), st.integers(0, 2**32))
@examples(60)
def test_tasks_whose_quantiles_were_cut_to_different_levels(items: list[float], seed: int) -> None:
    aggregator = Quantiles(0, 0.1, 0.5, 0.9, 1, error=0.001, max_buckets=16)
    assert same(in_tasks(aggregator, items, random.Random(seed)), one_by_one(aggregator, items))


@pytest.mark.parametrize("case", CASES)
@given(data=st.data())
@examples(10)
@pytest.mark.slow
def test_keys_do_not_mix(case: str, data: st.DataObject) -> None:
    """In one table, each key has what its own values give."""
    aggregator, strategy = CASES[case]
    pairs = data.draw(st.lists(st.tuples(st.sampled_from("abc"), strategy), min_size=1, max_size=20))
    table: dict[str, Any] = {}
    cut = data.draw(st.integers(0, len(pairs)))
    aggregator.absorb(table, iter(pairs[:cut]))
    aggregator.absorb(table, iter(pairs[cut:]))
    assert list(table) == list(dict.fromkeys(key for key, _ in pairs))
    for key, state in table.items():
        expected = one_by_one(aggregator, [item for own, item in pairs if own == key])
        assert tsv([key], [aggregator.finish(state)]) == tsv([key], [expected])


# ---------------------------------------------------------------------------------------------------
# States do not grow beyond what is documented


def encoded_size(aggregator: Aggregator, items: list[Any]) -> int:
    table: dict[str, Any] = {}
    aggregator.absorb(table, [("key", item) for item in items])
    return len(encode_column(list(table.values()))[1])


WIDE = [1.7976931348623157e308, 5e-324, -1.5, 0.1] * 500
RANDOM = random.Random(3)
MANY = [RANDOM.lognormvariate(0, 3) for _ in range(20_000)]


HUNDRED = [value % 100 for value in range(20_000)]
#: An aggregator, values, and the most bytes its state may then take, as docs/aggregators.md has them.
SIZES: list[tuple[Aggregator, list[Any], int]] = [
    (Count(), MANY, 9),
    (Sum(), MANY, 10),
    (Avg(), MANY, 16),
    (Sum(exact=True), MANY, 60),
    (Sum(exact=True), WIDE, 700),
    (Avg(exact=True), WIDE, 710),
    (Variance(), MANY, 120),
    (Variance(), WIDE, 2048),
    (StdDev(), MANY, 120),
    (StdDev(population=True), WIDE, 2048),
    (Min(), MANY, 10),
    (Max(), MANY, 10),
    (First(by=lambda value: value), MANY, 20),
    (Last(by=lambda value: value), MANY, 20),
    (Top(10), MANY, 10 * 20),
    (Collect(10, overflow="truncate"), MANY, 20 * 10),
    (Distinct(100), HUNDRED, 100 * 10),
    (CountDistinct(100), HUNDRED, 100 * 10),
    (ApproxDistinct(), MANY, 4096 + 8),
    (ApproxDistinct(0.01), MANY, 16384 + 8),
    (ApproxDistinct(), MANY[:64], 64 * 5),
    (Quantiles(0.5), MANY, 30 * 64 * 6),  # below 30 octaves
    (Quantiles(0.5, max_buckets=100), MANY, 100 * 9 + 32),
    (Histogram(1, 2, 3), MANY, 4 * 4),
    (Sample(10, by=lambda value: value), MANY, 10 * 20),
    (Sample(10), HUNDRED, 100 * 5),
    (MostFrequent(3), HUNDRED, 100 * 5),
    (Record(n=Count(), s=Sum()), MANY, 20),
]


@pytest.mark.parametrize(
    ("aggregator", "items", "most"),
    SIZES,
    ids=lambda part: type(part).__name__ if isinstance(part, Aggregator) else "",
)
@pytest.mark.slow
def test_memory_of_a_state(aggregator: Aggregator, items: list[Any], most: int) -> None:
    assert encoded_size(aggregator, items) <= most
    assert encoded_size(aggregator, items * 2) <= most


@given(st.lists(finite | st.floats(1e-300, 1e300), min_size=1, max_size=200), st.integers(16, 40))
@examples(60)
def test_quantiles_hold_to_their_buckets(numbers: list[float], most: int) -> None:
    aggregator = Quantiles(0.5, max_buckets=most)
    table: dict[str, Any] = {}
    aggregator.absorb(table, [("key", number) for number in numbers])
    if isinstance(table["key"], tuple):
        assert len(table["key"]) == len(numbers) <= 16
        return
    level, _, _, counts = table["key"]
    assert len(counts) <= most
    assert sum(counts.values()) == len(numbers)
    if level:
        finer = aggregator.merge(carried([0, 0.0, 0.0, {}]), carried(table["key"]))
        assert finer[0] == level, "the level is the coarser one's"


def test_none_is_left_out() -> None:
    """Each of ours is under the laws above, has its memory measured, and stands in the documentation's table."""
    ours = {getattr(aggregators, name) for name in aggregators.__all__} - {Aggregator}
    assert len(ours) >= 19
    exact = {type(Sum(exact=True)): Sum, type(Avg(exact=True)): Avg}
    tried = {type(aggregator) for aggregator, _ in CASES.values()}
    measured = {type(aggregator) for aggregator, _, _ in SIZES}
    for found in (tried, measured):
        assert {exact.get(kind, kind) for kind in found} >= ours
    table = (Path(__file__).resolve().parents[3] / "docs" / "aggregators.md").read_text()
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert {kind.__name__ for kind in ours} == {name for row in rows for name in re.findall(r"`(\w+)\(", row)}
