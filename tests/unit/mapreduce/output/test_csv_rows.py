"""Results as csv: rows that other programs read back."""

from __future__ import annotations

import csv
import io
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.spec import OutputSpec
from chalicelib.mapreduce.output.csv_rows import CsvRows, header_row
from tests.strategies import examples, text, values

any_text = st.one_of(
    text, st.lists(st.sampled_from(["\t", "\n", "\\", ",", '"', "\r", "ß", "\x00"]), max_size=6).map("".join)
)
pair_lists = st.lists(st.tuples(any_text, any_text), max_size=5)


def output(**figures: Any) -> OutputSpec:
    return OutputSpec(url="s3://out/", format="csv", **figures)


def read(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline="")))


def test_csv_reads_back_with_a_column_for_each_part() -> None:
    body = CsvRows(output())(["a", 'q"uote', "new\nline"], [1, (2, "x,y"), [3, None]])
    assert read(body) == [["a", "1"], ['q"uote', "2", "x,y"], ["new\nline", "3", ""]]


@given(pair_lists, pair_lists)
@examples(60)
def test_where_blocks_end_does_not_matter(one: list[Any], two: list[Any]) -> None:
    for figures in ({}, {"header": True}):
        whole, apart = CsvRows(output(**figures)), CsvRows(output(**figures))
        both = [[pair[place] for pair in one + two] for place in (0, 1)]
        pieces = [apart([key for key, _ in pairs], [value for _, value in pairs]) for pairs in (one, two)]
        assert whole(*both) == b"".join(pieces)


@given(values.filter(lambda value: not isinstance(value, dict)))
@examples(150)
def test_everything_that_is_carried_can_be_written(value: Any) -> None:
    assert CsvRows(output())(["k"], [value]).endswith(b"\n")


def test_a_dict_names_the_columns() -> None:
    rows = CsvRows(output(header=True))
    assert read(rows(["a", "b"], [{"n": 1, "kind": "x"}, {"kind": "y", "n": 2}])) == [
        ["key", "n", "kind"], ["a", "1", "x"], ["b", "2", "y"],
    ]  # fmt: skip
    assert read(rows(["c"], [{"n": 3, "kind": b"z"}])) == [["c", "3", "z"]], "one header in a part"


def test_the_header_of_a_part_without_rows_is_what_was_declared() -> None:
    assert header_row(output(columns="shop, n BIGINT")) == b"shop,n\n"
    assert header_row(output()) == b""
