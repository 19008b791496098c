"""What each aggregator computes, against plain Python; how far the approximate ones are off; what they refuse."""

from __future__ import annotations

import math
import random
import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import reduce
from itertools import permutations
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
)
from chalicelib.aggregators.exact import rounded_root
from chalicelib.core.errors import DataTypeError
from tests.strategies import examples, same, values

finite = st.floats(allow_nan=False, allow_infinity=False)
numbers = st.lists(finite | st.integers(-(2**80), 2**80), min_size=1, max_size=30)
small = st.lists(st.integers(-5, 5), min_size=1, max_size=30)


def result(aggregator: Aggregator, items: Any) -> Any:
    table: dict[str, Any] = {}
    aggregator.absorb(table, (("key", item) for item in items))
    return aggregator.finish(table["key"])


def nearest(number: Fraction) -> float:
    """The float nearest to a fraction; an infinity beyond them."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


# ---------------------------------------------------------------------------------------------------
# Sums


@given(numbers)
@examples(150)
def test_exact_sum_and_mean_are_the_nearest_floats(items: list[float]) -> None:
    total = sum(map(Fraction, items), Fraction(0))
    assert result(Sum(exact=True), items) == nearest(total)
    assert result(Avg(exact=True), items) == nearest(total / len(items))


def test_exact_sum_where_floats_fail() -> None:
    assert 1e16 + 1.0 - 1e16 == 0.0
    assert result(Sum(exact=True), [1e16, 1.0, -1e16]) == 1.0
    assert result(Sum(exact=True), [1e308, 1e308, -1e308, -1e308, 0.5]) == 0.5
    assert result(Sum(exact=True), [1e308, 1e308]) == math.inf
    assert result(Sum(exact=True), [0.1] * 10) == 1.0
    assert result(Sum(exact=True), [1, 2]) == 3.0


def test_exact_sum_of_what_is_not_finite_is_what_float_addition_gives() -> None:
    assert result(Sum(exact=True), [1.0, math.inf, 1e308, 1e308]) == math.inf
    assert result(Sum(exact=True), [-math.inf, 5]) == -math.inf
    assert math.isnan(result(Sum(exact=True), [math.inf, -math.inf]))
    assert math.isnan(result(Avg(exact=True), [math.nan, 1.0]))


@given(
    st.lists(
        st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**60), max_value=10**60), min_size=1
    )
)
@examples(100)
def test_decimals_are_summed_without_rounding(items: list[Decimal]) -> None:
    found = result(Sum(), items)
    assert type(found) is Decimal
    assert Fraction(found) == sum(map(Fraction, items), Fraction(0))


def test_a_decimal_sum_has_the_digits_of_its_values() -> None:
    assert str(result(Sum(), [Decimal("1.10"), Decimal("2.2")])) == "3.30"
    assert str(result(Sum(), [Decimal("1E+3"), Decimal("2E+3")])) == "3E+3"
    assert result(Avg(), [Decimal("1.5"), Decimal("2")]) == Decimal("1.75")


def test_a_job_may_set_its_own_decimal_context() -> None:
    """What a sum does to be exact must not show in the code that makes the values, nor depend on it."""

    def thirds() -> Iterator[tuple[str, Decimal]]:
        for number in range(1, 4):
            yield "key", Decimal(number) / 3

    table: dict[str, Any] = {}
    with localcontext(prec=3):
        Sum().absorb(table, thirds())
    assert table == {"key": Decimal("0.333") + Decimal("0.667") + 1}
    assert result(Sum(), [Decimal(10) ** 40, Decimal("0.1")]) == Decimal("1" + "0" * 40 + ".1")


def test_a_decimal_sum_of_too_many_digits_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 5000 digits"):
        result(Sum(), [Decimal("1E+6000"), Decimal(1)])


@given(small)
@examples(50)
def test_sums_counts_and_means_of_ints(items: list[int]) -> None:
    assert same(result(Sum(), items), sum(items))
    assert same(result(Count(), items), len(items))
    assert same(result(Avg(), items), sum(items) / len(items))


@given(numbers)
@examples(150)
def test_variance_is_rounded_once(items: list[float]) -> None:
    exact = [Fraction(item) for item in items]
    mean = sum(exact) / len(exact)
    squares = sum(((item - mean) ** 2 for item in exact), Fraction(0))
    population = nearest(squares / len(exact))
    assert result(Variance(population=True), items) == population
    expected = nearest(squares / (len(exact) - 1)) if len(items) > 1 else None
    assert result(Variance(), items) == expected


@given(numbers)
@examples(150)
def test_deviation_is_the_nearest_float(items: list[float]) -> None:
    found = result(StdDev(population=True), items)
    variance = statistics.pvariance(list(map(Fraction, items)))
    if math.isinf(found):
        assert variance >= (Fraction(sys.float_info.max) + Fraction(2) ** 969) ** 2
        return
    above = math.nextafter(found, math.inf)
    if above != math.inf:
        assert variance <= ((Fraction(found) + Fraction(above)) / 2) ** 2
    if found:
        below = math.nextafter(found, 0)
        assert variance >= ((Fraction(found) + Fraction(below)) / 2) ** 2


def test_a_root_a_hair_beside_the_middle_of_two_floats() -> None:
    middle = 2**53 + 1
    assert rounded_root(middle**2, 0, 1) == 2.0**53
    assert rounded_root(middle**2 + 1, 0, 1) == 2.0**53 + 2
    assert rounded_root(middle**2 * 4 - 1, -2, 1) == 2.0**53


def test_variance_of_one_and_of_what_is_not_finite() -> None:
    assert result(Variance(), [3.0]) is None
    assert result(StdDev(), [3]) is None
    assert result(StdDev(population=True), [3]) == 0.0
    assert math.isnan(result(Variance(), [1.0, math.inf]))
    assert result(Variance(), [1e9 + 1, 1e9 + 2, 1e9 + 3]) == 1.0


# ---------------------------------------------------------------------------------------------------
# Order


@given(small)
@examples(50)
def test_least_greatest_and_top(items: list[int]) -> None:
    assert result(Min(), items) == min(items)
    assert result(Max(), items) == max(items)
    assert result(Top(3), items) == sorted(items, reverse=True)[:3]
    assert result(Top(2, by=lambda item: -item), items) == sorted(items)[:2]


@given(st.lists(st.tuples(st.integers(0, 3), st.text("ab", max_size=2)), min_size=1))
@examples(50)
def test_first_and_last(pairs: list[tuple[int, str]]) -> None:
    assert result(First(), pairs) == min(pairs)[1]
    assert result(Last(), pairs) == max(pairs)[1]
    records = [{"at": at, "name": name} for at, name in pairs]
    assert result(First(by="at"), records) == {"at": min(pairs)[0], "name": min(pairs)[1]}
    assert result(Last(by=1), pairs)[1] == max(name for _, name in pairs)


def test_equal_values_that_are_not_the_same() -> None:
    for items in ([1.0, 1], [1, 1.0]):
        assert same(result(Min(), items), 1.0)  # "float" comes before "int"
    for items in ([0.0, -0.0], [-0.0, 0.0]):
        assert same(result(Max(), items), -0.0)
    assert result(Top(2, by="n"), [{"n": 1, "v": "b"}, {"n": 1, "v": "a"}, {"n": 0, "v": "c"}]) == [
        {"n": 1, "v": "a"},
        {"n": 1, "v": "b"},
    ]


# ---------------------------------------------------------------------------------------------------
# Sets


@given(st.lists(values, max_size=10).map(lambda found: [*found, None]))
@examples(80)
def test_collect_gives_back_everything_in_one_order(items: list[Any]) -> None:
    found = result(Collect(), items)
    assert Counter(map(repr, found)) == Counter(map(repr, items))
    assert same(found, result(Collect(), items[::-1]))


@given(st.lists(st.one_of(st.integers(), st.text()), min_size=1))
@examples(50)
def test_the_order_of_values_is_pythons_where_it_has_one(items: list[Any]) -> None:
    found = result(Collect(), items)
    assert found == sorted(item for item in items if type(item) is int) + sorted(
        item for item in items if type(item) is str
    )
    assert result(Distinct(), items) == list(dict.fromkeys(found))
    assert result(CountDistinct(), items) == len(set(items))


def test_the_order_of_kinds() -> None:
    items: list[Any] = [{}, [1], (1,), b"", "", 2, Decimal("1.5"), 1, math.nan, True, None]
    found = result(Distinct(), items)
    assert repr(found) == repr([None, math.nan, True, 1, Decimal("1.5"), 2, "", b"", [1], (1,), {}])


def test_values_of_two_types_are_two() -> None:
    assert repr(result(Distinct(), [1, 1.0, True, 1, 0.0, -0.0])) == "[-0.0, 0.0, True, 1.0, 1]"
    assert result(CountDistinct(), [math.nan, math.nan, -math.nan]) == 1


def test_limits() -> None:
    assert result(Collect(3), "cab") == ["a", "b", "c"]
    assert result(Collect(3, overflow="truncate"), "edcbabab") == ["a", "a", "b"]
    assert result(Distinct(2), "abab") == ["a", "b"]
    for aggregator in (Collect(3), Distinct(3), CountDistinct(3), MostFrequent(1, limit=3)):
        with pytest.raises(ValueError, match=r"more than 3 (distinct )?values"):
            result(aggregator, "abcd")
        left, right = aggregator.lift("a"), aggregator.lift("b")
        more = aggregator.merge(aggregator.lift("c"), aggregator.lift("d"))
        with pytest.raises(ValueError, match=r"more than 3 (distinct )?values"):
            aggregator.merge(aggregator.merge(left, right), more)


@given(st.lists(st.text("abcd", max_size=1), min_size=1), st.integers(1, 6))
@examples(80)
def test_most_frequent(items: list[str], n: int) -> None:
    expected = sorted(Counter(items).items(), key=lambda item: (-item[1], item[0]))[:n]
    assert result(MostFrequent(n), items) == expected


# ---------------------------------------------------------------------------------------------------
# Samples


def test_a_value_is_drawn_as_often_as_its_share() -> None:
    """One that is 90 % of 10,000 is about 900 of 1,000 drawn; five standard deviations at most off."""
    items = [f"value {number}" for number in range(1000)] + ["often"] * 9000
    for seed in range(10):
        found = Counter(result(Sample(1000, seed=seed), items))
        assert abs(found.pop("often") - 900) < 5 * math.sqrt(1000 * 0.9 * 0.1)
        assert set(found.values()) == {1}, "what came once is drawn once at most"


def test_all_samples_are_equally_likely() -> None:
    """Of a, a, b, c two are drawn, in order, in 12 ways; over 6000 seeds each comes 500 times, or nearly."""
    ways = Counter("".join(pair) for pair in permutations("aabc", 2))
    seen = Counter("".join(result(Sample(2, seed=seed), "aabc")) for seed in range(6000))
    assert set(seen) == set(ways)
    for way, count in ways.items():
        expected = 500 * count
        assert abs(seen[way] - expected) < 5 * math.sqrt(expected)


def test_two_keys_draw_apart() -> None:
    """Values at the same places of their order are not drawn together."""
    left, right = (result(Sample(20), range(start, start + 1000)) for start in (1000, 5000))
    assert {value - 1000 for value in left} != {value - 5000 for value in right}


def test_a_sample_by_identity_is_uniform_over_the_distinct_values() -> None:
    """Each of 20 is in 5 of 20 with a chance of 1/4; over 2000 seeds, five standard deviations at most off."""
    items = [f"value {number}" for number in range(20)]
    items += items[:1] * 500
    seen: Counter[str] = Counter()
    for seed in range(2000):
        found = result(Sample(5, seed=seed, by=lambda value: value), items)
        assert len(set(found)) == 5
        seen.update(found)
    assert set(seen) == set(items)
    assert all(abs(count - 500) < 5 * math.sqrt(2000 * 0.25 * 0.75) for count in seen.values())


def test_a_sample_of_few_is_all_of_them() -> None:
    assert sorted(result(Sample(10), [3, 1, 2, 1])) == [1, 1, 2, 3]
    assert sorted(result(Sample(10, by=lambda value: value), [3, 1, 2, 1])) == [1, 2, 3]
    assert result(Sample(3, seed=1), range(1000)) != result(Sample(3, seed=2), range(1000))


def test_a_sample_of_too_many_distinct_values_says_what_to_do() -> None:
    with pytest.raises(ValueError, match=r"Sample: a key has more than 3 distinct values.* name in `by`"):
        result(Sample(2, limit=3), "abcd")
    assert len(result(Sample(2, limit=3), "abc" * 100)) == 2


def test_states_that_did_not_count_are_refused_by_name() -> None:
    """Earlier code kept the first n distinct values and their hashes: a state with `by` is still read."""
    old = [[7, "a"], [9, "b"]]
    for act in (Sample(2).finish, lambda state: Sample(2).merge({"a": 1}, state)):
        with pytest.raises(ValueError, match=r"made by earlier code.*totals of such states must begin anew"):
            act(old)
    with pytest.raises(ValueError, match=r"counts of all values"):
        Sample(2, by="id").finish({"a": 1})
    assert Sample(2, by=lambda value: value).finish(old) == ["a", "b"]


def test_a_sample_by_a_part_takes_what_is_alike_together() -> None:
    visits = [{"user": number % 50, "page": page} for number in range(50) for page in range(3)]
    found = result(Sample(30, by="user"), visits)
    per_user = Counter(visit["user"] for visit in found)
    assert sorted(per_user.values()) == [3] * 10
    assert {visit["user"] for visit in result(Sample(15, by="user"), visits)} < set(per_user)


# ---------------------------------------------------------------------------------------------------
# Sketches


@pytest.mark.parametrize("error", [0.1, 0.02])
def test_approx_distinct_is_as_near_as_it_says(error: float) -> None:
    """The root mean square of the relative errors, over many sets; each within four times the bound."""
    aggregator = ApproxDistinct(error)
    for size, sets in ((100, 60), (1_000, 40), (20_000, 8)):
        found = [
            result(aggregator, (f"{number} of {start}" for number in range(size))) for start in range(sets)
        ]
        errors = [abs(count - size) / size for count in found]
        assert max(errors) < 4 * error
        assert math.sqrt(statistics.fmean(item**2 for item in errors)) < error * 1.2


def test_approx_distinct_of_few_is_nearly_exact() -> None:
    aggregator = ApproxDistinct()
    for size in (1, 2, 5, 10, 30):
        found = [result(aggregator, [(start, number) for number in range(size)] * 2) for start in range(20)]
        assert statistics.median(found) == size
        assert all(abs(count - size) <= 1 for count in found)


@pytest.mark.parametrize("count", [10**5, 10**9, 10**15, 10**18])
def test_approx_distinct_of_very_many(count: int) -> None:
    """Registers drawn from the distribution that so many values would give them."""
    chance = random.Random(count)
    aggregator, size = ApproxDistinct(0.02), 4096
    errors = []
    for _ in range(30):
        # P(register <= rank) = (1 - 2**-rank / size) ** count
        shares = [-size * math.expm1(math.log(chance.random()) / count) for _ in range(size)]
        registers = bytes(min(max(math.ceil(-math.log2(share)), 0), 53) for share in shares)
        errors.append(aggregator.finish(registers) / count - 1)
    assert math.sqrt(statistics.fmean(item**2 for item in errors)) < 0.02 * 1.2
    assert abs(statistics.fmean(errors)) < 0.02 * 4 / math.sqrt(30)


def test_registers_merge_to_the_greater_of_each_two() -> None:
    chance = random.Random(1)
    left, right = (bytes(chance.choices(range(54), k=4096)) for _ in range(2))
    assert ApproxDistinct().merge(left, right) == bytes(map(max, left, right))


amounts = finite | st.floats(0.001, 1e6) | st.integers(-(10**6), 10**6)


@given(st.lists(amounts, min_size=1, max_size=100), st.sampled_from([0.3, 0.05, 0.01, 0.0001]))
@examples(200)
def test_quantiles_are_as_near_as_they_say(items: list[float], error: float) -> None:
    places = [0, 0.1, 0.5, 0.9, 0.99, 1]
    found = result(Quantiles(*places, error=error), items)
    ordered = sorted(items)
    for q, y in zip(places, found, strict=True):
        x = Fraction(ordered[int(q * (len(items) - 1))])
        assert abs(Fraction(y) - x) <= Fraction(error) * abs(x)


def test_quantiles_of_many() -> None:
    chance = random.Random(5)
    items = [chance.lognormvariate(3, 2) for _ in range(30_001)]
    found = result(Quantiles(0.5, 0.9, 0.999), items)
    ordered = sorted(items)
    for x, y in zip([ordered[15_000], ordered[27_000], ordered[29_970]], found, strict=True):
        assert abs(y - x) <= 0.01 * x


def test_quantiles_in_too_few_buckets_lose_precision_evenly() -> None:
    """100 octaves of 64 buckets into 800: an eighth as many, three levels, an error of 1 / (2 * 8 + 1)."""
    items = [2.0**octave * (1 + step / 64) for octave in range(100) for step in range(64)]
    places = [0.01, 0.3, 0.5, 0.9]
    found = result(Quantiles(*places, max_buckets=800), items)
    errors = [abs(y / items[int(q * (len(items) - 1))] - 1) for q, y in zip(places, found, strict=True)]
    assert max(errors) <= 1 / 17


def test_quantiles_of_equal_values_and_of_the_ends_are_exact() -> None:
    assert result(Quantiles(0.5, 0.9), [7] * 10) == [7.0, 7.0]
    assert result(Quantiles(0.5), [0.0, -0.0]) == 0.0
    assert result(Quantiles(0.5), range(1000)) == pytest.approx(499, rel=0.01)
    assert result(Quantiles(0, 1), [1.7976931348623157e308, -5e-324])[0] == -5e-324


@given(st.lists(st.integers(-3, 12), min_size=1))
@examples(50)
def test_histogram(items: list[int]) -> None:
    found = result(Histogram(0, 5, 10), items)
    assert found == [
        sum(item < 0 for item in items),
        sum(0 <= item < 5 for item in items),
        sum(5 <= item < 10 for item in items),
        sum(item >= 10 for item in items),
    ]


# ---------------------------------------------------------------------------------------------------
# Several at once, and one's own


def test_record_of_whole_values_and_of_parts() -> None:
    whole = Record(least=Min(), most=Max(), mean=Avg(), n=Count())
    assert list(result(whole, [3, 1, 2]).items()) == [("least", 1), ("most", 3), ("mean", 2.0), ("n", 3)]
    sales = [{"qty": 2, "price": Decimal("1.50")}, {"qty": 5, "price": Decimal("0.10")}]
    parts = Record(
        qty=Sum().of("qty"),
        mean=Avg().of("qty"),
        revenue=Sum().of(lambda sale: sale["qty"] * sale["price"]),
        dearest=Top(1, by="price").of(dict),
        n=Count(),
    )
    assert result(parts, sales) == {
        "qty": 7,
        "mean": 3.5,
        "revenue": Decimal("3.50"),
        "dearest": [sales[0]],
        "n": 2,
    }
    assert result(Record(a=Sum().of(0), b=Max().of(1)), [(1, "x"), (2, "w")]) == {"a": 3, "b": "x"}


class Longest(Aggregator):
    """Three methods, no more."""

    def lift(self, value: str) -> tuple[int, str]:
        return len(value), value

    def merge(self, left: tuple[int, str], right: tuple[int, str]) -> tuple[int, str]:
        return max(left, right)

    def finish(self, state: tuple[int, str]) -> str:
        return state[1]


class Cents(Sum):
    """A shipped one with another lift."""

    def lift(self, value: str) -> int:
        return round(float(value) * 100)


class Rounded(Quantiles):
    """A shipped one with another lift, of those that work in batches."""

    def lift(self, value: Any) -> Any:
        return super().lift(round(value))


def test_ones_own() -> None:
    assert result(Longest(), ["a", "ccc", "bb"]) == "ccc"
    assert result(Longest().of("name"), [{"name": "a"}, {"name": "bb"}]) == "bb"
    assert result(Record(longest=Longest(), n=Count()), ["a", "bb"]) == {"longest": "bb", "n": 2}
    assert result(Cents(), ["0.10", "0.20"]) == 30
    assert result(Rounded(0.5), [1.4, 1.3, 1.2]) == 1.0


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


# ---------------------------------------------------------------------------------------------------
# What is refused, and how

REFUSED: list[tuple[Aggregator, list[Any], type[Exception], str]] = [
    (Sum(), ["x"], TypeError, r"Sum: expected an int, a float or a Decimal, got 'x' \(str\)"),
    (Sum(), [{"n": 1}], TypeError, r"got {'n': 1} \(dict\): Sum\(\).of\(...\) takes a part of it"),
    (Sum(), [1, None], TypeError, r"Sum: expected an int, a float or a Decimal, got None"),
    (Sum(), [Decimal(1), "x"], TypeError, r"Sum: expected an int, a float or a Decimal, got 'x'"),
    (Sum(), [Decimal(1), 1.5], TypeError, "float"),
    (Sum(exact=True), [1.5, "x"], TypeError, r"Sum\(exact=True\): expected an int or a float, got 'x'"),
    (Sum(exact=True), [Decimal(1)], TypeError, r"Sum\(exact=True\): expected an int or a float, got Decimal"),
    (Avg(), [1, "x"], TypeError, r"Avg: expected an int, a float or a Decimal, got 'x'"),
    (Avg(exact=True), [None], TypeError, r"Avg\(exact=True\): expected an int or a float, got None"),
    (Variance(), [1, "x"], TypeError, "Variance: expected an int or a float, got 'x'"),
    (StdDev(), [Decimal(1)], TypeError, "StdDev: expected an int or a float, got Decimal"),
    (Min(), [None], TypeError, "expected a value that compares with others, got None"),
    (Min(), [1, "x"], TypeError, "not supported between"),
    (Max(), [math.nan], ValueError, "NaN"),
    (Max(), [1.0, math.nan], ValueError, "NaN"),
    (First(), [5], TypeError, r"First: expected \(order, value\) or by=..., got 5"),
    (First(by="at"), [{"when": 1}], ValueError, r"there is no 'at' in \{'when': 1\}"),
    (Max(), [{1}, {2}], TypeError, "a set has no order"),
    (Top(1, by=0), [([frozenset({1})], 2)], TypeError, "a set has no order"),
    (Min(), [datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC)], TypeError, "can't compare"),
    (Last(by="at"), [{"at": None}], TypeError, "compares with others, got None"),
    (Top(2, by=3), [(1, 2)], ValueError, r"there is no 3 in \(1, 2\)"),
    (Top(2), [1.0, math.nan], ValueError, "NaN"),
    (Top(2), [(1, math.nan)], ValueError, "NaN"),
    (Distinct(), [object()], DataTypeError, "not a type that Sluice carries"),
    (Quantiles(0.5), ["x"], TypeError, "Quantiles: expected an int, a float or a Decimal"),
    (Quantiles(0.5), [10**400], TypeError, "in the range of floats"),
    (Quantiles(0.5), [math.inf], ValueError, "expected a finite number, got inf"),
    (Histogram(1, 2), ["x"], TypeError, "Histogram: expected values that compare with 1, got 'x'"),
    (Histogram(1, 2), [math.nan], ValueError, "NaN lies in no interval"),
    (Record(total=Sum().of("price")), [{"cost": 1}], ValueError, r"there is no 'price' in \{'cost': 1\}"),
    (Record(total=Sum().of("price")), [5], ValueError, r"there is no 'price' in 5 \(int\)"),
]


@pytest.mark.parametrize(("aggregator", "items", "kind", "message"), REFUSED)
def test_wrong_values_are_refused(
    aggregator: Aggregator, items: list[Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        result(aggregator, items)
    with pytest.raises(kind, match=message):
        reduce(aggregator.merge, map(aggregator.lift, items))


def test_what_the_users_code_raises_is_left_alone() -> None:
    def pairs() -> Iterator[tuple[str, int]]:
        yield "a", 1
        raise TypeError("the user's own")

    for aggregator in (Sum(), Avg(), Min(), Quantiles(0.5), Record(n=Count())):
        with pytest.raises(TypeError, match="the user's own"):
            aggregator.absorb(defaultdict(int), pairs())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Top(0), "Top: n: expected an integer >= 1, got 0"),
        (lambda: Sample(1.5), "Sample: n: expected an integer >= 1, got 1.5"),  # type: ignore[arg-type]
        (lambda: Sample(1, seed="x"), "Sample: seed: expected an int"),  # type: ignore[arg-type]
        (lambda: Collect(overflow="drop"), "Collect: overflow: expected"),  # type: ignore[arg-type]
        (lambda: Quantiles(), "expected one or more of 0 to 1"),
        (lambda: Quantiles(99), "expected one or more of 0 to 1"),
        (lambda: Quantiles(0.5, error=0), "Quantiles: error"),
        (lambda: Quantiles(0.5, max_buckets=3), "Quantiles: max_buckets"),
        (lambda: ApproxDistinct(0.0001), "ApproxDistinct: error"),
        (lambda: Histogram(), "Histogram: expected one or more edges"),
        (lambda: Histogram(2, 1), "Histogram: expected one or more edges"),
        (lambda: Histogram(math.nan), "Histogram: expected one or more edges"),
        (lambda: Record(), "Record: expected at least one"),
        (lambda: Record(n=Count), "Record: n: expected an aggregator"),  # type: ignore[arg-type]
        (lambda: Sum().of(2.5), "expected a dict's key, a place in a tuple or a function"),  # type: ignore[arg-type]
    ],
)
def test_wrong_arguments_are_refused(make: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        make()
