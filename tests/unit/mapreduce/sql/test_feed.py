"""What DuckDB reads is what is in the object: every line once, whatever the split and the bytes in it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.errors import InputChanged, InputError
from chalicelib.core.plan import Split
from chalicelib.core.ports import Loc
from chalicelib.core.spec import InputSpec
from chalicelib.mapreduce.input.duckdb import opened
from chalicelib.mapreduce.input.splits import cut
from chalicelib.mapreduce.sql.feed import Feed, Lines, locate
from chalicelib.mapreduce.sql.tables import MAX_LINE, TEXT_COLUMNS, scan
from chalicelib.stores.memory import MemoryStore
from tests.strategies import examples

ROWS = (("a", "INTEGER"), ("b", "VARCHAR"))
ODD_LINES = st.lists(st.text(alphabet="ab\x01\x02\r\x00\t\"'\\é\ufeff, ", max_size=6), max_size=20)


def spec(**figures: Any) -> InputSpec:
    return InputSpec(url="s3://in/", **figures)


def put(store: MemoryStore, body: bytes, key: str = "x.txt", split_size: int = 1 << 30) -> list[Split]:
    store.put(Loc("in", key), body)
    return list(cut("in", store.head(Loc("in", key)), split_size, splittable=True))


def read(
    input_spec: InputSpec,
    columns: Sequence[tuple[str, str]],
    store: MemoryStore,
    splits: Sequence[Split],
    folder: Path,
    query: str = "SELECT * FROM input",
) -> list[tuple[Any, ...]]:
    fifo = folder / "fifo"
    os.mkfifo(fifo)
    with opened(folder, 1 << 28, 1, {}) as database:
        database.execute(f"CREATE VIEW input AS {scan(input_spec, tuple(columns), [str(fifo)])}")
        with Feed(fifo, Lines(input_spec, tuple(columns), store).of(splits)):
            rows: list[tuple[Any, ...]] = database.execute(query).fetchall()
    return rows


def lines_of(body: bytes) -> list[str]:
    """What a line is, said once more: newlines end lines, and a carriage return before one is part of the end."""
    lines = body.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return [line.removesuffix(b"\r").decode() for line in lines]


@examples(40)
@given(lines=ODD_LINES, ends=st.sampled_from(["\n", "\r\n"]), closed=st.booleans(), size=st.integers(1, 30))
@pytest.mark.slow
def test_each_line_of_text_is_read_once_as_it_is(
    lines: list[str], ends: str, closed: bool, size: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = (ends.join(lines) + (ends if closed else "")).lstrip(
        "\ufeff"
    )  # what begins a file is no part of a line
    body = text.encode()
    store, folder = MemoryStore(), tmp_path_factory.mktemp("feed")
    found = [
        row[0]
        for split in put(store, body, split_size=size)
        for row in read(spec(), TEXT_COLUMNS, store, [split], folder)
    ]
    assert found == lines_of(body)


def test_splits_of_several_objects_follow_each_other_even_without_a_last_newline(tmp_path: Path) -> None:
    store = MemoryStore()
    splits = [*put(store, b"a\nb", "1"), *put(store, b"", "2"), *put(store, b"\xef\xbb\xbfc\n\n", "3")]
    assert read(spec(), TEXT_COLUMNS, store, splits, tmp_path) == [("a",), ("b",), ("c",), ("",)]


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.slow
def test_a_header_is_no_row_and_comments_are_none(size: int, tmp_path: Path) -> None:
    store = MemoryStore()
    body = b'\xef\xbb\xbfA,b\r\n1,x\r\n#2,y\r\n\r\n3,"q,""q"\r\n4,'
    rows = [
        row
        for split in put(store, body, split_size=size)
        for row in read(spec(format="csv", header=True, comment="#"), ROWS, store, [split], tmp_path)
    ]
    assert rows == [(1, "x"), (3, 'q,"q'), (4, None)]


def test_a_header_that_names_other_columns_is_refused(tmp_path: Path) -> None:
    store = MemoryStore()
    splits = put(store, b"b,a\n1,2\n")
    with pytest.raises(InputError, match=r"s3://in/x.txt: its header is b, a; expected a, b"):
        read(spec(format="csv", header=True), ROWS, store, splits, tmp_path)


def test_a_quoted_newline_needs_multiline(tmp_path: Path) -> None:
    store = MemoryStore()
    splits = put(store, b'1,"a\nb"\n2,c\r\n')
    with pytest.raises(InputError, match=r"s3://in/x.txt: between bytes 0 and 13: .* input.multiline: true"):
        read(spec(format="csv"), ROWS, store, splits, tmp_path)
    rows = read(spec(format="csv", multiline=True), ROWS, store, put(store, b'1,"a\nb"\n2,c\n'), tmp_path)
    assert rows == [(1, "a\nb"), (2, "c")]


def test_quotes_inside_a_field_are_text(tmp_path: Path) -> None:
    store = MemoryStore()
    rows = read(spec(format="csv"), ROWS, store, put(store, b'1,5" pipe\n2,6" pipe\n3,7" x\n'), tmp_path)
    assert rows == [(1, '5" pipe'), (2, '6" pipe'), (3, '7" x')]


def test_other_encodings_become_utf8(tmp_path: Path) -> None:
    store = MemoryStore()
    splits = put(store, "größe\n".encode("latin-1"))
    assert read(spec(encoding="latin-1"), TEXT_COLUMNS, store, splits, tmp_path) == [("größe",)]
    assert read(spec(errors="replace"), TEXT_COLUMNS, store, splits, tmp_path) == [("gr\ufffd\ufffde",)]


def test_json_lines_are_read_by_declared_columns(tmp_path: Path) -> None:
    store = MemoryStore()
    splits = put(store, b'{"a": 1, "b": "x", "c": 2}\r\n\n{"b": "y\\n"}', split_size=9)
    rows = [row for split in splits for row in read(spec(format="jsonl"), ROWS, store, [split], tmp_path)]
    assert rows == [(1, "x"), (None, "y\n")]


def test_a_line_that_duckdb_would_lose_is_refused(tmp_path: Path) -> None:
    store = MemoryStore()
    longest = b"a" * (MAX_LINE // 2 - 1) + b"\n"
    query = "SELECT length(line) FROM input"
    splits = put(store, b"b\n" + longest)
    assert read(spec(), TEXT_COLUMNS, store, splits, tmp_path, query) == [(1,), (MAX_LINE // 2 - 1,)]
    with pytest.raises(InputError, match=r"s3://in/x.txt: line at byte 2: longer than \d+ bytes"):
        read(spec(), TEXT_COLUMNS, store, put(store, b"b\naa" + longest), tmp_path, query)


def test_a_query_that_wants_no_more_rows_leaves_nothing_behind(tmp_path: Path) -> None:
    store = MemoryStore()
    splits = put(store, b"line\n" * 1_000_000)
    assert read(spec(), TEXT_COLUMNS, store, splits, tmp_path, "SELECT * FROM input LIMIT 1") == [("line",)]
    assert read(spec(), TEXT_COLUMNS, store, splits, tmp_path, "SELECT 1") == [(1,)]
    assert not (tmp_path / "fifo").exists()


def test_what_goes_wrong_while_feeding_is_raised_and_no_result_given(tmp_path: Path) -> None:
    store = MemoryStore()
    splits = put(store, b"line\n" * 100)
    store.put(Loc("in", "x.txt"), b"other\n" * 100)
    with pytest.raises(InputChanged, match="overwritten"):
        read(spec(), TEXT_COLUMNS, store, splits, tmp_path)


@pytest.mark.parametrize(
    ("row", "place"), [(1, "line at byte 4"), (2, "line at byte 8"), (3, "line at byte 0")]
)
def test_a_row_is_found_again(row: int, place: str) -> None:
    store = MemoryStore()
    splits = [*put(store, b"a,b\n1,x\n2,y\n", "1"), *put(store, b"3,z", "2")]
    lines = Lines(spec(format="csv", header=False), ROWS, store)
    where = locate(lines, splits, row + 1)
    assert where == f"s3://in/{2 if row == 3 else 1}, {place}"


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("multiline", [False, True])
def test_carriage_returns_end_lines_or_are_inside_quotes(multiline: bool, size: int, tmp_path: Path) -> None:
    store = MemoryStore()
    body = (
        b'\xef\xbb\xbf#no\r\nA,b\r\n1,"x\ry"\r\n2,"z"\r'
        if not multiline
        else b'A,b\r\n1,"x\r\ny"\r\n2,"z\r"\r'
    )
    given = spec(format="csv", header=True, comment="" if multiline else "#", multiline=multiline)
    splits = put(store, body, split_size=1000 if multiline else size)
    rows = [row for split in splits for row in read(given, ROWS, store, [split], tmp_path)]
    assert rows == ([(1, "x\r\ny"), (2, "z\r")] if multiline else [(1, "x\ry"), (2, "z")])


@pytest.mark.parametrize("multiline", [False, True])
def test_a_carriage_return_outside_quotes_is_told(multiline: bool, tmp_path: Path) -> None:
    store = MemoryStore()
    splits = put(store, b'1,x\r\n2,y\rz\n3,"w"\n')
    with pytest.raises(
        InputError, match=r"in/x.txt: between bytes 0 and 17: a carriage return outside quotes"
    ):
        read(spec(format="csv", multiline=multiline), ROWS, store, splits, tmp_path)
