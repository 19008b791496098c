"""`codec`: what goes into a column comes out of it, type for type, or is refused by name."""

from __future__ import annotations

from collections import Counter, OrderedDict, namedtuple
from datetime import date
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.codec import (
    NONES,
    PLAIN,
    TAGGED,
    TUPLES,
    Unsupported,
    decode_column,
    encode_column,
    type_names,
)
from chalicelib.core.errors import CorruptData, DataTypeError
from tests.strategies import examples, same, scalars, values


class Colour(IntEnum):
    RED = 1


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


REFUSED = [
    {1, 2},
    frozenset(),
    date(2026, 1, 1),
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
    with pytest.raises(Unsupported, match=type(bad).__name__) as refusal:
        encode_column(["fine", wrapped(bad)])
    assert "convert it first" in str(refusal.value)
    assert isinstance(refusal.value, DataTypeError)


@pytest.mark.parametrize("item", ["\ud800", ["\udfff"], ("a\ud800",), {"k": "\ud800"}, {"\ud800": 1}])
def test_a_lone_surrogate_is_refused_with_a_way_out(item: Any) -> None:
    with pytest.raises(Unsupported, match=r"surrogate.*errors: replace"):
        encode_column([item])


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
