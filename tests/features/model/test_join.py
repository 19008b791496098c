"""Joins against DuckDB: every way, several inputs, spilled sides, any cut."""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib import Job
from chalicelib.core.errors import ConfigError, InputError
from chalicelib.core.spec import InputSpec
from chalicelib.join import HOWS, Join, RecordBuffer, table
from chalicelib.stores.disk import LocalDisk
from chalicelib.testing import run_job
from tests.worlds.simulation import Simulation, spec

ROWS = st.lists(st.tuples(st.sampled_from(["a", "b", "c", ""]), st.integers(0, 3)), max_size=12)
TABLES = ("one", "two", "three")


class Pairs(Join):
    left, right = "one", "two"

    def key(self, tag: str, record: list[str]) -> Any:
        return record[0] or None  # what has no key is left out

    def value(self, tag: str, record: list[str]) -> Any:
        return f"{tag}{record[1]}"


class Three(Pairs):
    inputs = TABLES


def lines(rows: list[tuple[str, int]]) -> list[str]:
    return [f"{key},{number}" for key, number in rows]


def oracle(how: str, tables: dict[str, list[tuple[str, int]]]) -> Counter[Any]:
    """The rows of `one JOIN two JOIN three`, as DuckDB has them."""
    names = {name: _values(name, rows) for name, rows in tables.items()}
    with_ = "WITH " + ", ".join(names.values())
    first, *others = tables
    if how in ("semi", "anti"):
        joins = "".join(f" {how.upper()} JOIN {name} USING (k)" for name in others)
        found = _database().execute(f"{with_} SELECT k, {first}.v FROM {first}{joins}").fetchall()
        return Counter((key, (value, *[None] * len(others))) for key, value in found)
    kind = {"outer": "FULL OUTER"}.get(how, how.upper())
    joins = "".join(f" {kind} JOIN {name} USING (k)" for name in others)
    values = ", ".join(f"{name}.v" for name in tables)
    found = _database().execute(f"{with_} SELECT k, {values} FROM {first}{joins}").fetchall()
    return Counter((key, tuple(values)) for key, *values in found)


@cache
def _database() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


def _values(name: str, rows: list[tuple[str, int]]) -> str:
    """A common table expression with those rows that have a key."""
    listed = ", ".join([f"('{key}', '{name}{number}')" for key, number in rows if key] or ["(NULL, NULL)"])
    return f"{name} AS (SELECT * FROM (VALUES {listed}) t (k, v) WHERE k IS NOT NULL)"


@pytest.mark.parametrize("how", HOWS)
@given(ROWS, ROWS, st.sampled_from([1 << 20, 3]), st.sampled_from([1, 4]))
@settings(max_examples=25, deadline=None)
def test_two_inputs(how: str, one: list[Any], two: list[Any], split_size: int, partitions: int) -> None:
    job = type("Made", (Pairs,), {"how": how})
    rows = {"one": lines(one), "two": lines(two)}
    csv = {tag: {"format": "csv"} for tag in rows}
    found = run_job(job, rows, input=csv, split_size=split_size, partitions=partitions)
    assert Counter(found) == oracle(how, {"one": one, "two": two})


@pytest.mark.parametrize("how", [how for how in HOWS if how != "right"])
@given(ROWS, ROWS, ROWS)
@settings(max_examples=25, deadline=None)
def test_three_inputs(how: str, one: list[Any], two: list[Any], three: list[Any]) -> None:
    job = type("Made", (Three,), {"how": how})
    tables = {"one": one, "two": two, "three": three}
    csv = {tag: {"format": "csv"} for tag in tables}
    found = run_job(job, {tag: lines(rows) for tag, rows in tables.items()}, input=csv, split_size=9)
    assert Counter(found) == oracle(how, tables)


def test_rows_come_in_the_order_of_the_streamed_records() -> None:
    rows = {"two": ["a,1", "a,2"], "one": ["a,7", "b,0", "a,8"]}
    found = run_job(Pairs, rows, input={tag: {"format": "csv"} for tag in rows}, split_size=4)
    assert found == [("a", (f"one{one}", f"two{two}")) for two, one in product((1, 2), (7, 8))]


def test_row_may_leave_out_turn_or_multiply() -> None:
    class Some(Pairs):
        def row(self, key: str, left: str, right: str) -> Any:
            return None if left == "one1" else (right, key)

    class Many(Pairs):
        def row(self, key: str, left: str, right: str) -> Any:
            yield key, left
            yield key, right

    rows = {"one": ["a,1", "a,2"], "two": ["a,3"]}
    csv = {tag: {"format": "csv"} for tag in rows}
    assert run_job(Some, rows, input=csv) == [("two3", "a")]
    assert run_job(Many, rows, input=csv) == [("a", "one1"), ("a", "two3"), ("a", "one2"), ("a", "two3")]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"how": "cross"}, "how: expected one of inner, left, .* got 'cross'"),
        ({"right": "one"}, r"expected two inputs or more, each with a tag of its own, got \('one', 'one'\)"),
        ({"inputs": TABLES, "how": "right"}, "right joins two inputs"),
        ({"right": "other"}, "has the tag 'two', expected one of one, other"),
    ],
)
def test_what_is_no_join_is_told(parts: dict[str, Any], message: str) -> None:
    job = type("Made", (Pairs,), parts)
    with pytest.raises(ConfigError, match=message):
        run_job(
            job, {"one": ["a,1"], "two": ["a,1"]}, input={tag: {"format": "csv"} for tag in ("one", "two")}
        )


@pytest.mark.parametrize("budget", [1, 500, 1 << 20])
def test_held_records_come_again_and_again(budget: int, tmp_path: Path) -> None:
    """Beyond the budget they lie in a file, and what comes out is the same."""
    records = [[f"text {number}", number, None] for number in range(1000)]
    buffer = RecordBuffer(budget, LocalDisk(tmp_path))
    for record in records:
        buffer.add(record)
    assert [list(buffer.records) for _ in range(3)] == [records] * 3
    halted = iter(buffer.records)
    assert [next(halted) for _ in range(10)] == records[:10]
    assert list(buffer.records) == records
    assert len(buffer._recent) < len(records) or budget == 1 << 20
    buffer.close()
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------------------------------------------
# Side files as tables


@pytest.mark.parametrize(
    ("name", "body", "how", "expected"),
    [
        ("a.csv", 'x,"1,5"\ny,2\n', {}, {"x": "1,5", "y": "2"}),
        ("a.tsv", "x\t1\n\ny\t2\n", {"format": "tsv"}, {"x": "1", "y": "2"}),
    ],
)
def test_a_table_of_rows(name: str, body: str, how: dict[str, Any], expected: Any, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(body)
    assert table(path, key=lambda row: row[0], value=lambda row: row[1], **how) == expected


def test_tables_of_other_kinds(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("k,v\nx,1\n")
    assert table(tmp_path / "a.csv", key=lambda row: row["k"], header=True) == {"x": {"k": "x", "v": "1"}}
    (tmp_path / "a.jsonl").write_text('{"k": "x", "v": [1]}\n\n{"k": "y", "v": []}\n')
    found = table(tmp_path / "a.jsonl", key=lambda row: row["k"], value=lambda row: row["v"], format="jsonl")
    assert found == {"x": [1], "y": []}
    import gzip

    (tmp_path / "a.txt.gz").write_bytes(gzip.compress("ä\r\nb".encode()))
    assert table(tmp_path / "a.txt.gz", key=str, value=len, format="text") == {"ä": 1, "b": 1}


@pytest.mark.parametrize(
    ("body", "how", "message"),
    [
        ("x,1\nx,2\n", {}, "record 2: key 'x' comes twice"),
        ('"x,1\n', {}, "not the csv that was expected"),
        ("{\n", {"format": "jsonl"}, "not the jsonl that was expected"),
        ("k,v\nx\n", {"header": True}, "not the csv that was expected"),
    ],
)
def test_a_bad_table_is_told(body: str, how: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(body)
    with pytest.raises(InputError, match=message):
        table(path, key=lambda row: row[0] if isinstance(row, list) else row["k"], **how)


def test_a_broadcast_join() -> None:
    class Named(Job):
        def mapper_init(self) -> Any:
            self.names = table(self.file("names.csv"), key=lambda row: row[0], value=lambda row: row[1])

        def mapper(self, _: Any, row: list[str]) -> Any:
            if row[0] in self.names:
                yield self.names[row[0]], int(row[1])

    files = {"names.csv": "1,one\n2,two\n"}
    assert run_job(Named, ["1,5", "3,0", "2,6"], input={"format": "csv"}, files=files) == [
        ("one", 5),
        ("two", 6),
    ]
    with pytest.raises(ConfigError, match=r"names\.csv.*add it to files"):
        run_job(Named, ["1,5"], input={"format": "csv"})


# ---------------------------------------------------------------------------------------------------
# On the engine


def world(job: type[Job], tmp_path: Path, **how: Any) -> Simulation:
    """A run over two inputs in folders of their own, all of whose bodies are told by one manifest."""
    figures = {name: how.pop(name) for name in ("memory_budget", "partitions", "split_size") if name in how}
    job_spec = replace(
        spec(trigger="marker", output={"format": "jsonl"}, **figures),
        input=InputSpec(tag="one", url="s3://in/data/one/", format="csv"),
        more_inputs=(InputSpec(tag="two", url="s3://in/data/two/", format="csv"),),
    )
    return Simulation(job, job_spec, tmp_path, **how)


@pytest.mark.parametrize("budget", [None, 2000])
@pytest.mark.parametrize("seed", [None, 4])
@pytest.mark.parametrize("how", ["inner", "left", "outer", "anti"])
def test_a_run_with_a_hot_key(how: str, budget: int | None, seed: int | None, tmp_path: Path) -> None:
    """With little memory the held records of the hot key go to disk; the rows and their order are the same."""
    one = [("hot" if number % 2 else f"k{number}", number) for number in range(300)]
    two = [("hot" if number % 5 == 0 else f"k{number * 2}", number) for number in range(200)]
    job = type("Made", (Pairs,), {"how": how})
    running = world(
        job,
        tmp_path,
        memory_budget=budget,
        partitions=3,
        split_size=1000,
        seed=seed,
        duplicates=seed is not None,
        kill_at=(45, 80) if seed else (),
    )
    running.add("one/a.csv", "\n".join(lines(one)).encode())
    running.add("two/a.csv", "\n".join(lines(two)).encode())
    running.drop("all.manifest", b"data/two/\ndata/one/\n")
    running.run()
    rows = [json.loads(line) for line in running.text().splitlines()]
    found = Counter((row["key"], tuple(row["value"])) for row in rows)
    assert found == oracle(how, {"one": one, "two": two})
    if how != "anti":
        hot = [(row["value"][0], row["value"][1]) for row in rows if row["key"] == "hot"]
        lefts = [f"one{number}" for key, number in one if key == "hot"]
        rights = [f"two{number}" for key, number in two if key == "hot"]
        assert hot == [(left, right) for right, left in product(rights, lefts)]
