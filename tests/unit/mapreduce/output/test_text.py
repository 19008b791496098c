"""`writing`: rows that other programs read back."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.mapreduce.output.text import FORMATS, _json_column, to_json
from tests.strategies import examples, scalars, text, values

tsv, jsonl = FORMATS["tsv"], FORMATS["jsonl"]
any_text = st.one_of(
    text, st.lists(st.sampled_from(["\t", "\n", "\\", "n", "t", "\r", "ß", "\x00"]), max_size=6).map("".join)
)


def unescaped(cell: str) -> str:
    found, at = "", 0
    while at < len(cell):
        if cell[at] == "\\":
            found += {"n": "\n", "t": "\t", "\\": "\\"}[cell[at + 1]]
            at += 2
        else:
            found += cell[at]
            at += 1
    return found


any_bytes = st.one_of(
    st.binary(max_size=6), st.lists(st.sampled_from([b"\t", b"\n", b"\\", b"n", b"\xff", b"a"])).map(b"".join)
)


@given(st.lists(st.tuples(any_bytes, any_bytes), max_size=6), st.sampled_from([bytes, int, float, None]))
@examples(150)
def test_bytes_of_any_kind_come_back_from_tsv(pairs: list[tuple[bytes, bytes]], kind: Any) -> None:
    """As keys beside bytes, numbers and a mixture: latin-1 is text with one character a byte."""
    wanted: list[Any] = [
        value if kind is bytes or (kind is None and number % 2) else (kind or int)(number)
        for number, (_, value) in enumerate(pairs)
    ]
    body = tsv([key for key, _ in pairs], wanted).decode("latin-1")
    rows = [tuple(map(unescaped, line.split("\t"))) for line in body.split("\n")[:-1]]
    shown = [value.decode("latin-1") if type(value) is bytes else str(value) for value in wanted]
    assert rows == [(key.decode("latin-1"), text) for (key, _), text in zip(pairs, shown, strict=True)]


@given(st.lists(st.floats(), max_size=6))
@examples(150)
def test_floats_come_back_from_tsv(numbers: list[float]) -> None:
    rows = tsv(["k"] * len(numbers), numbers).decode().splitlines()
    assert list(map(repr, numbers)) == [repr(float(row.partition("\t")[2])) for row in rows]


@given(st.lists(st.tuples(any_text, any_text), max_size=6))
@examples(150)
def test_text_of_any_kind_comes_back_from_tsv(pairs: list[tuple[str, str]]) -> None:
    body = tsv([key for key, _ in pairs], [value for _, value in pairs]).decode()
    rows = [tuple(map(unescaped, line.split("\t"))) for line in body.split("\n")[:-1]]
    assert rows == pairs


@given(
    st.lists(st.tuples(any_text, any_text), max_size=5), st.lists(st.tuples(any_text, any_text), max_size=5)
)
@examples(60)
def test_where_blocks_end_does_not_matter(one: list[Any], two: list[Any]) -> None:
    for rows in (tsv, jsonl):
        both = [[pair[place] for pair in one + two] for place in (0, 1)]
        apart = b"".join(
            rows([key for key, _ in pairs], [value for _, value in pairs]) for pairs in (one, two)
        )
        assert rows(*both) == apart


@given(values)
@examples(150)
def test_everything_that_is_carried_can_be_written(value: Any) -> None:
    for rows in (tsv, jsonl):
        body = rows(["k"], [value])
        assert body.endswith(b"\n")
        assert body.count(b"\n") == 1, "one record, one line"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1, "1"), (-(2**70), str(-(2**70))), (0.5, "0.5"), (True, "true"), (None, "null"),
        (float("inf"), "inf"), (float("nan"), "nan"),
        ("a\tb", "a\\tb"), (b"a\tb\xff", None), ((1, "a"), '[1,"a"]'), ([1, [2]], "[1,[2]]"),
        ({"a": 1}, '{"a":1}'), ({1: (2,)}, '{"1":[2]}'),
        (date(2026, 2, 28), "2026-02-28"), (datetime(2026, 2, 28, tzinfo=UTC), "2026-02-28T00:00:00+00:00"),
        ([time(1, 2)], '["01:02:00"]'), ({date(2026, 2, 28): {"b", "a"}}, '{"2026-02-28":["a","b"]}'),
        ({2, (1, "x"), "y"}, '[2,"y",[1,"x"]]'), (frozenset(), "[]"),
        (Decimal("1.10"), "1.10"), ("ß", "ß"), (["ß\n"], '["ß\\n"]'),
    ],
)  # fmt: skip
def test_tsv_cells(value: Any, written: str | None) -> None:
    expected = b"a\\tb\xff" if written is None else written.encode()
    assert tsv([value], ["v"]) == expected + b"\tv\n"
    assert tsv(["k", "k"], [value, "mixed"]) == b"k\t" + expected + b"\nk\tmixed\n"


with_text_keys = st.recursive(
    scalars | st.decimals(-(10**9), 10**9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.lists(inner).map(tuple) | st.dictionaries(text, inner, max_size=3)
    ),
    max_leaves=5,
)


def said(item: Any) -> Any:
    """What JSON can say of a value."""
    if isinstance(item, float | Decimal):
        return float(item) if math.isfinite(item) else None
    if isinstance(item, bytes):
        return item.decode(errors="backslashreplace")
    if isinstance(item, list | tuple):
        return list(map(said, item))
    return {key: said(part) for key, part in item.items()} if isinstance(item, dict) else item


def refuse(constant: str) -> Any:
    raise AssertionError(f"{constant} is no JSON")


@given(with_text_keys)
@examples(200)
def test_jsonl_is_json_that_says_the_same(value: Any) -> None:
    assert json.loads(to_json(value), parse_constant=refuse) == said(value)


def test_jsonl_is_json_a_line() -> None:
    keys, held = ["a\nb", None, 3, (1, "x")], [1, [2.5], {"k": None}, float("nan")]
    rows = [json.loads(line) for line in jsonl(keys, held).splitlines()]
    assert rows == [
        {"key": "a\nb", "value": 1}, {"key": None, "value": [2.5]}, {"key": 3, "value": {"k": None}},
        {"key": [1, "x"], "value": None},
    ]  # fmt: skip


def test_bytes_in_json_are_text_with_escapes() -> None:
    assert to_json([b"ok", b"\xff"]) == b'["ok","\\\\xff"]'


@given(
    st.lists(
        values | st.dictionaries(st.text(max_size=2), scalars | st.decimals(allow_nan=False), max_size=3),
        max_size=6,
    )
)
@examples(150)
def test_a_column_of_json_is_its_items(column: list[Any]) -> None:
    assert _json_column(column) == list(map(to_json, column))


@pytest.mark.parametrize(
    "item", [2**64, b"\xff", Decimal("NaN"), float("inf"), {1: 2}, (Decimal("1.50"), -0.0)]
)
def test_one_item_without_a_word_changes_no_other(item: Any) -> None:
    column = [{"n": 1, "q": [Decimal("1.0")]}, {"n": item}, [item], {"n": "\n"}]
    assert _json_column(column) == list(map(to_json, column))
