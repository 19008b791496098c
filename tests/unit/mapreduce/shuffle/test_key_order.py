"""`order`: which keys are carried, and the sort that keeps ties."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given

from chalicelib.core.errors import DataTypeError
from chalicelib.mapreduce.shuffle.key_order import (
    check_keys,
    in_order,
    sort_keys,
    sort_order,
    sort_pairs,
    type_names,
)
from tests.strategies import examples, key_lists

OSLO = timezone(timedelta(hours=1))


@given(key_lists)
@examples(150)
def test_carried_keys_pass_and_sort_stably(keys: list[Any]) -> None:
    check_keys(keys)
    pairs = [(key, number) for number, key in enumerate(keys)]
    expected = pairs if None in keys else sorted(pairs, key=lambda pair: pair[0])
    sort_pairs(pairs)
    assert pairs == expected


def test_distinct_keys_sort() -> None:
    for keys, ordered in ((["b", "ä", "a"], ["a", "b", "ä"]), ([None], [None]), ([], [])):
        sort_keys(keys)
        assert keys == ordered


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ([["a"]], "list"),
        ([{"a": 1}], "dict"),
        ([{1}], "set"),
        ([Decimal(1)], "Decimal"),
        (["a", ["b"]], "list"),
        ([("a", ["b"])], "list"),
        ([("a", {1: 2})], "dict"),
    ],
)
def test_a_key_of_another_type_is_named_with_its_type(keys: list[Any], named: str) -> None:
    with pytest.raises(DataTypeError, match=f"{named}.*convert it first"):
        check_keys(keys)


@pytest.mark.parametrize(
    "keys",
    [
        [date(2026, 1, 1), datetime(2026, 1, 1)],
        ["a", 1],
        [1, 1.0],
        [True, 1],
        [None, "a"],
        ["a", b"a"],
        [("a",), "a"],
    ],
    ids=repr,
)
def test_two_types_are_refused_with_a_sample_of_each(keys: list[Any]) -> None:
    with pytest.raises(DataTypeError) as refusal:
        check_keys(keys)
    for key in keys:
        assert f"{key!r} ({type(key).__name__})" in str(refusal.value)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ([datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC)], "without a zone.*in UTC"),
        ([time(1, tzinfo=UTC), time(1)], "without a zone.*in UTC"),
        ([datetime(2026, 1, 1, tzinfo=OSLO)], "another zone.*astimezone"),
        ([("a", datetime(2026, 1, 1, tzinfo=OSLO))], "another zone"),
        ([("a", (1, (time(1, tzinfo=OSLO),)))], "another zone"),
        ([datetime(2026, 1, 1, tzinfo=ZoneInfo("UTC"))], "another zone"),
        ([frozenset({1})], "set has no order.*sorted"),
        ([("a", frozenset({1}))], "set has no order"),
        ([("a", ("b", frozenset({1})))], "set has no order"),
        ([("a", ("b", [{1}]))], "set has no order"),
    ],
)
def test_what_has_no_order_of_its_own_is_no_key(keys: list[Any], told: str) -> None:
    with pytest.raises(DataTypeError, match=told):
        check_keys(keys)


def test_keys_with_and_without_a_zone_are_of_two_types() -> None:
    some = [datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC), time(1), date(2026, 1, 1), 1]
    assert type_names(some) == {
        "datetime without a zone",
        "datetime in UTC",
        "time without a zone",
        "date",
        "int",
    }


@pytest.mark.parametrize("keys", [[float("nan")], [0.5, float("nan")], [("a", float("nan"))]])
def test_nan_is_no_key(keys: list[Any]) -> None:
    with pytest.raises(DataTypeError, match="NaN"):
        check_keys(keys)


@pytest.mark.parametrize(
    "keys", [[("a", 1), ("a", "b")], [("a", None), ("a", 1)], [(1, (2,)), (1, 2)]], ids=repr
)
def test_tuples_that_do_not_compare_show_their_shapes(keys: list[Any]) -> None:
    for sort in (lambda: sort_keys(list(keys)), lambda: sort_pairs([(key, 0) for key in keys])):
        with pytest.raises(DataTypeError, match="do not compare") as refusal:
            sort()
        assert all(repr(key) in str(refusal.value) for key in keys)


@pytest.mark.parametrize("firsts", [1, 3, 5000])
@pytest.mark.parametrize(
    "kind", [str, int, lambda number: str(number).encode(), float, lambda number: (number,)]
)
@pytest.mark.parametrize("odd", [None, (7,), (7, 8, 9)])
def test_many_pairs_sort_as_tuples_do(firsts: int, kind: Any, odd: Any) -> None:
    random = Random(firsts)
    keys = [(kind(random.randrange(firsts)), kind(random.randrange(3000))) for _ in range(6000)]
    if odd:
        keys[1234] = tuple(map(kind, odd))
    expected = sorted(range(len(keys)), key=keys.__getitem__)
    assert sort_order(keys) == expected
    some = list(range(5999, 0, -1))
    assert sort_order(keys, some) == sorted(some, key=keys.__getitem__)
    ordered = list(keys)
    sort_keys(ordered)
    assert ordered == [keys[number] for number in expected]


def test_many_pairs_that_do_not_compare_are_told() -> None:
    keys: list[Any] = [("a", number * 7919 % 6000) for number in range(6000)]
    keys[4321] = ("a", "x")
    with pytest.raises(DataTypeError, match="do not compare"):
        sort_keys(list(keys))
    with pytest.raises(DataTypeError, match="do not compare"):
        sort_order(keys)


def test_in_order() -> None:
    for keys in ([], ["a"], [1, 1, 2], [(1, "a"), (1, "b")]):
        assert in_order(keys)
    for keys in ([2, 1], [None, None], [(1, "a"), (1, 1)]):
        assert not in_order(keys)
