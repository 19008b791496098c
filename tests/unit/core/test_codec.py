"""`codec`: what goes into a column comes out of it, type for type, or is refused by name."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter, OrderedDict, namedtuple
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import msgpack

from chalicelib.core.codec import (
    DATES,
    DATETIMES,
    DECIMALS,
    DICTS,
    FROZENSETS,
    LIST_PLACES,
    MAX_NONES,
    MIXED,
    NONES,
    PLAIN,
    SETS,
    SOME_LISTS,
    SOME_TUPLES,
    TAGGED,
    TIMES,
    TUPLE_PLACES,
    TUPLES,
    WORDS,
    Unsupported,
    decode_column,
    encode_column,
    type_names,
)
from chalicelib.core.errors import CorruptData, DataTypeError
from tests.strategies import examples, same, scalars, values


class Colour(IntEnum):
    RED = 1


class Moment(datetime):
    """A datetime of another type, as pandas and freezegun have them."""


class Named(str):
    """A text of another type."""


Point = namedtuple("Point", "x y")


@given(st.lists(values, max_size=6))
@examples(300)
def test_a_column_comes_back_type_for_type(column: list[Any]) -> None:
    assert same(decode_column(*encode_column(column)), column)


@given(st.lists(scalars.map(lambda item: (item,)) | st.tuples(scalars, scalars), max_size=6))
@examples(100)
def test_a_column_of_tuples_comes_back(column: list[Any]) -> None:
    assert same(decode_column(*encode_column(column)), column)


@pytest.mark.parametrize(
    ("column", "shape"),
    [
        ([], PLAIN),
        (["a", "b"], PLAIN),
        ([1, 2.5, None, True, b"x"], PLAIN),
        ([[1], {"a": [2]}], PLAIN),
        ([None, None], NONES),
        ([("a", 1)], TUPLES),
        ([2**64 - 1, -(2**63)], PLAIN),
        ([2**64], TAGGED),
        ([("a", ("b", 1))], TAGGED),
        ([[("a", 1)]], TAGGED),
        ([{1: 2}], PLAIN),
        ([{(1, 2): 3}], TAGGED),
        ([[float("nan")]], PLAIN),
        ([Decimal("1.10")], TAGGED),
        ([(2**80,)], TAGGED),
    ],
    ids=repr,
)
def test_the_cheapest_shape_that_is_exact(column: list[Any], shape: int) -> None:
    found, body = encode_column(column)
    assert same(decode_column(found, body), column)
    assert found == shape


@given(
    st.lists(values, min_size=1, max_size=3).flatmap(lambda some: st.lists(st.sampled_from(some), min_size=8))
)
@examples(100)
def test_a_long_column_comes_back_type_for_type(column: list[Any]) -> None:
    assert same(decode_column(*encode_column(column)), column)


D = Decimal
#: A column by its repeated items, and the shape that it is written in.
TAKEN_APART = [
    ([D("1.10"), D("1.1"), D("-0"), D("NaN"), D("1E+400"), D("sNaN12")], DECIMALS),
    ([(D("1.5"), 1), (D("2"), 7)], TUPLE_PLACES),
    ([("a", ("b", 1)), ("c", ("d", 2.5))], TUPLE_PLACES),
    ([[3, (D("1"), 3), [0, 1.5, 2.5, {7: 2}]], [1, (D("2"), 1), [4.5]]], LIST_PLACES),
    ([(2**80, 1)], TUPLE_PLACES),
    ([(), (1, ()), (D("1"),)], SOME_TUPLES),
    ([[], [(1, 2)], [("x",), None]], SOME_LISTS),
    ([{}, {(1, 2): 3}, {"a": D("1"), 2: [(1,)]}], DICTS),
    ([None, D("1"), 2.5, (1, 2), [(1,)], {"a": ()}], MIXED),
    ([date.min, date.max, date(2026, 2, 28)], DATES),
    ([datetime(2026, 2, 28, 23, 59, 59, 999999), datetime.max], DATETIMES),
    ([datetime(2026, 3, 1, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC)], DATETIMES),
    (
        [datetime(2026, 10, 25, 2, fold=1), datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=2), "CEST"))],
        DATETIMES,
    ),
    ([time(23, 59), time(0, 0, 0, 1, fold=1), time(1, tzinfo=timezone(timedelta(minutes=-90)))], TIMES),
    ([set(), {1}, {2**80}, {("a", date(2026, 1, 1))}], SETS),
    ([frozenset(), frozenset({1}), frozenset({frozenset({1.5})})], FROZENSETS),
    ([D("1"), {"a"}, frozenset({1}), date(2026, 1, 1), {date(2026, 1, 1): time(1)}], MIXED),
    ([2**64, 1], TAGGED),
    ([(((((((((1,),),),),),),),),)], TUPLE_PLACES),
]


@pytest.mark.parametrize(("items", "shape"), TAKEN_APART, ids=lambda case: repr(case)[:40])
def test_a_long_column_is_taken_apart(items: list[Any], shape: int) -> None:
    column = items * 8
    found, body = encode_column(column)
    assert [repr(item) for item in decode_column(found, body)] == [repr(item) for item in column]
    assert found == shape


@pytest.mark.parametrize("item", [case[0] for case in TAKEN_APART], ids=lambda case: repr(case)[:40])
def test_what_is_taken_apart_shares_nothing(item: Any) -> None:
    first, *rest = decode_column(*encode_column([[item, [item]]] * 8))
    before = repr(rest)
    first[1].append("changed")
    assert repr(rest) == before


def test_the_column_of_one_value_never_changes() -> None:
    """States of `Distinct` and others hold such columns, and totals keep states for ever."""
    assert encode_column([("a", D("1.50"))]) == (TAGGED, b"\x91\xc7\x09\x01\x92\xa1a\xd6\x031.50")
    assert encode_column([[2**64]]) == (TAGGED, b"\x91\x91\xc7\x14\x0218446744073709551616")
    assert encode_column([None]) == (NONES, b"\x01\0\0\0")
    assert encode_column([date(2026, 2, 28)]) == (TAGGED, b"\x91\xc7\x0a\x072026-02-28")
    assert encode_column([{1, "a"}]) == (TAGGED, b"\x91\xd6\x05\x92\x01\xa1a")


def test_columns_of_several_kinds_are_what_they_were() -> None:
    """Of kinds that were always carried, the bytes that they always had."""
    shape, body = encode_column([None, D("1")] * 4)
    assert shape == MIXED
    assert len(msgpack.decode(body)) == 6


def test_a_set_is_the_same_bytes_in_every_process() -> None:
    """Python puts text in sets in another order in each."""
    column = [
        {f"word {n}" for n in range(50)},
        frozenset({("a", n, date(2026, 1, 1 + n)) for n in range(20)}),
    ]
    code = (
        "from datetime import date; from chalicelib.core.codec import encode_column;"
        f"print([encode_column(column)[1].hex() for column in ([{column!r}][0], [{column!r}][0] * 9)])".replace(
            "datetime.date", "date"
        )
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert found == {f"{[encode_column(some)[1].hex() for some in (column, column * 9)]}\n".encode()}


@pytest.mark.parametrize("zone", [ZoneInfo("Europe/Oslo"), ZoneInfo("UTC")], ids=str)
def test_a_zone_with_rules_is_refused_with_a_way_out(zone: ZoneInfo) -> None:
    for wrapped in (datetime(2026, 3, 29, 2, tzinfo=zone), {time(1, tzinfo=zone)}):
        with pytest.raises(Unsupported, match=r"zone that has rules.*astimezone"):
            encode_column([wrapped] * 9)


def _parts(*columns: tuple[int, bytes]) -> bytes:
    return msgpack.encode(list(columns))


def _of(*items: Any) -> tuple[int, bytes]:
    return PLAIN, msgpack.encode(list(items))


@pytest.mark.parametrize(
    ("shape", "body"),
    [
        (DECIMALS, msgpack.encode(["1", "x"])),
        (DATES, msgpack.encode(["2026-02-30"])),
        (DATES, msgpack.encode(["2026-02-28~1"])),
        (DATETIMES, msgpack.encode(["2026-02-28T00:00~2"])),
        (TIMES, msgpack.encode(["12:00~1name of no zone"])),
        (SETS, _parts(_of(2), _of(1))),
        (SETS, _parts(_of(1), _of([1]))),
        (TUPLE_PLACES, _parts(_of(1, 2), _of(1))),
        (LIST_PLACES, _parts(_of(1, 2), _of(1))),
        (TUPLE_PLACES, _parts((NONES, MAX_NONES.to_bytes(4, "little")))),
        (SOME_LISTS, _parts(_of(2, 1), _of(1, 2))),
        (SOME_TUPLES, _parts(_of(1), _of(1), _of(1))),
        (SOME_LISTS, _parts(_of(3, -1), _of(1, 2))),
        (SOME_LISTS, _parts()),
        (DICTS, _parts(_of(1), _of(1))),
        (DICTS, _parts(_of(1), _of([1]), _of(1))),
        (MIXED, _parts(_of(0, 1), _of(1, 2), _of())),
        (MIXED, _parts(_of(0, 7), _of(1))),
        (MIXED, _parts(_of("a"), _of(1))),
        (11, _parts(_of(1))),
    ],
)
def test_parts_that_make_no_column_are_corrupt(shape: int, body: bytes) -> None:
    with pytest.raises(CorruptData):
        decode_column(shape, body)


def test_columns_in_columns_end_somewhere() -> None:
    shape, body = _of(1)
    for _ in range(2000):
        shape, body = TUPLE_PLACES, _parts((shape, body))
    with pytest.raises(CorruptData, match="depth"):
        decode_column(shape, body)


REFUSED = [
    timedelta(1),
    datetime(2026, 1, 1, tzinfo=ZoneInfo("UTC")),
    Moment(2026, 1, 1),
    Fraction(1, 2),
    object(),
    Colour.RED,
    Named("x"),
    Point(1, 2),
    Counter("aab"),
    OrderedDict(a=1),
    bytearray(b"x"),
    1j,
]


@pytest.mark.parametrize("bad", REFUSED, ids=lambda bad: type(bad).__name__)
@pytest.mark.parametrize(
    "wrapped",
    [lambda bad: bad, lambda bad: [bad], lambda bad: (bad,), lambda bad: {"k": bad}, lambda bad: [[(bad,)]]],
    ids=["bare", "in list", "in tuple", "in dict", "deep"],
)
def test_another_type_is_refused_by_name_wherever_it_hides(bad: Any, wrapped: Any) -> None:
    with pytest.raises(Unsupported, match=type(bad).__name__):
        encode_column([wrapped(1)] * 9 + [wrapped(bad)])
    with pytest.raises(Unsupported, match=type(bad).__name__) as refusal:
        encode_column(["fine", wrapped(bad)])
    assert "convert it first" in str(refusal.value)
    assert isinstance(refusal.value, DataTypeError)


@pytest.mark.parametrize("item", ["\ud800", ["\udfff"], ("a\ud800",), {"k": "\ud800"}, {"\ud800": 1}])
def test_a_lone_surrogate_is_refused_with_a_way_out(item: Any) -> None:
    with pytest.raises(Unsupported, match=r"surrogate.*errors: replace"):
        encode_column([item])
    with pytest.raises(Unsupported, match=r"surrogate.*errors: replace"):
        encode_column([Decimal(1), (1, (2, 3))] * 9 + [item])


@pytest.mark.parametrize(
    ("shape", "body"),
    [
        (PLAIN, b"\xc1"),
        (PLAIN, b"\x01"),
        (TUPLES, b"\x91\x01"),
        (TAGGED, b"\x91\xc7\x01\x09x"),
        (9, b""),
        (PLAIN, b""),
    ],
)
def test_bytes_that_are_no_column_are_corrupt(shape: int, body: bytes) -> None:
    with pytest.raises(CorruptData):
        decode_column(shape, body)


def test_type_names_are_for_people() -> None:
    assert type_names([1, "a", 2]) == "int and str"


@pytest.mark.parametrize("different", [1, 20, 256, 257, 5000])
def test_text_that_comes_again_comes_back(different: int) -> None:
    column = [f"word-{number % different}" for number in range(8192)]
    shape, body = encode_column(column)
    assert shape == (WORDS if different <= 256 else PLAIN)
    decoded = decode_column(shape, body)
    assert same(decoded, column)
    if shape == WORDS:
        assert len({id(item) for item in decoded}) == different
        assert len(body) < 8192 + 16 * different


def test_words_that_are_not_there_are_no_column() -> None:
    for damaged in (["a"], b"\x00\x01"), (["a"], [0]), ([1], b"\x00"), ([], b"\x00"):
        with pytest.raises(CorruptData, match="does not decode"):
            decode_column(WORDS, msgpack.encode(damaged))


def test_invalid_text_among_words_is_told() -> None:
    with pytest.raises(Unsupported, match="lone surrogate"):
        encode_column(["a", "\ud800"] * 300)


@pytest.mark.parametrize("shape", [SOME_TUPLES, SOME_LISTS, SETS])
def test_lengths_below_zero_are_refused_though_their_sum_fits(shape: int) -> None:
    parts = [(PLAIN, msgpack.encode(column)) for column in ([3, -1], [1, 2])]
    with pytest.raises(CorruptData):
        decode_column(shape, msgpack.encode(parts))
