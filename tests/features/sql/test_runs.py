"""Whole runs of jobs in SQL in the simulated cloud, against DuckDB's own answer over the whole input in one query."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.core.ports import Loc
from chalicelib.core.spec import JobSpec, SqlSpec
from chalicelib.mapreduce.output.text import FORMATS
from tests.strategies import places
from tests.worlds import simulation
from tests.worlds.simulation import IN, Simulation
from tests.worlds.tables import fill

COLUMNS = "city VARCHAR, day DATE, amount DECIMAL(12,2), n INTEGER"
MAP = "SELECT city, day, sum(amount) AS amount, sum(n) AS n, count(*) AS rows FROM input WHERE n >= 0 GROUP BY ALL"
REDUCE = "SELECT city, day, sum(amount) AS amount, sum(n) AS n, sum(rows) AS rows FROM shuffled GROUP BY ALL"
WHOLE = "SELECT city, day, sum(amount), sum(n), count(*) FROM input WHERE n >= 0 GROUP BY ALL"


def job(
    *, map: str = MAP, reduce: str = REDUCE, key: str = "city, day", order_by: str = "", **more: Any
) -> JobSpec:
    sql = SqlSpec(map=map, reduce=reduce, key=key, order_by=order_by)
    return simulation.spec("", sql=sql, **more)


def run(spec: JobSpec, files: Mapping[str, bytes], scratch: Path, **how: Any) -> Simulation:
    """A run over all files that must end well, and leave nothing on disk."""
    world = _started(spec, files, scratch, **how)
    assert world.output().get("_FAILED", b"") == b""
    assert "_SUCCESS" in world.output()
    assert list(scratch.iterdir()) == []
    return world


def failed(spec: JobSpec, files: Mapping[str, bytes], scratch: Path) -> str:
    """What the run says of its failure."""
    world = _started(spec, files, scratch)
    assert "_SUCCESS" not in world.output()
    return world.output()["_FAILED"].decode()


def _started(spec: JobSpec, files: Mapping[str, bytes], scratch: Path, **how: Any) -> Simulation:
    from msgspec.structs import replace

    world = Simulation(object, replace(spec, trigger="marker"), scratch, **how)
    for name, body in files.items():
        world.add(name, body)
    world.drop("_READY", b"")
    world.run()
    return world


def table(seed: int, rows: int) -> list[tuple[Any, ...]]:
    chance = random.Random(seed)
    cities = ["Oslo", "Rio", "größe", 'a"b', "tab\there", "back\\slash", None, "x,y"]
    return [
        (
            chance.choice(cities),
            f"2026-{chance.randint(1, 12):02d}-01",
            Decimal(chance.randint(-(10**8), 10**8)).scaleb(-2),
            chance.randint(-2, 10**6),
        )
        for _ in range(rows)
    ]


def as_csv(rows: Iterable[tuple[Any, ...]], delimiter: str = ",") -> bytes:
    def cell(value: Any) -> str:
        text = "" if value is None else str(value)
        odd = any(letter in text for letter in (delimiter, '"'))
        return '"' + text.replace('"', '""') + '"' if odd else text

    return "".join(delimiter.join(map(cell, row)) + "\n" for row in rows).encode()


def answer(rows: Iterable[tuple[Any, ...]], query: str = WHOLE) -> list[tuple[Any, ...]]:
    """DuckDB's answer over the rows as a table: no file, split or partition is between."""
    database = duckdb.connect()
    database.execute(f"CREATE TABLE input ({COLUMNS})")
    fill(database, "input", rows)
    return database.execute(query).fetchall()


def cells(rows: Iterable[tuple[Any, ...]]) -> list[tuple[str, ...]]:
    """The rows as text, as in a tsv."""
    return sorted(tuple("null" if value is None else str(value) for value in row) for row in rows)


def tsv(text: bytes) -> list[tuple[str, ...]]:
    """The rows of a tsv, by its rules."""

    def plain(cell: str) -> str:
        out, letters = "", iter(cell)
        for letter in letters:
            out += {"t": "\t", "n": "\n", "\\": "\\"}[next(letters)] if letter == "\\" else letter
        return out

    return sorted(tuple(map(plain, line.split("\t"))) for line in text.decode().split("\n")[:-1])


ROWS = table(1, 600)
HALVES = {"1.csv": as_csv(ROWS[:350]), "2.csv": as_csv(ROWS[350:])}
CSV = {"format": "csv", "columns": COLUMNS}


@pytest.mark.parametrize("split_size", [1500, 6_000, 1 << 20])
@pytest.mark.parametrize("partitions", [1, 5, 64])
def test_the_answer_is_duckdbs_for_any_split_and_partitions(
    split_size: int, partitions: int, tmp_path: Path
) -> None:
    spec = job(input=CSV, split_size=split_size, partitions=partitions)
    world = run(spec, HALVES, tmp_path)
    assert tsv(world.text()) == cells(answer(ROWS))


def test_the_bytes_are_the_same_for_any_number_of_tasks_and_reducers(tmp_path: Path) -> None:
    texts = set()
    for split_size in (4000, 7_000, 1 << 20):
        for reduce_size in (1, 5000, 1 << 30):
            spec = job(input=CSV, split_size=split_size, reduce_size=reduce_size, partitions=16)
            world = run(spec, HALVES, tmp_path)
            texts.add(world.text())
    assert len(texts) == 1


def test_there_are_several_reducers_in_that_test(tmp_path: Path) -> None:
    world = run(job(input=CSV, reduce_size=1, partitions=16), HALVES, tmp_path)
    assert world.invocations["reducer"] > 4


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 99), split_size=st.integers(150, 3000), partitions=st.integers(1, 9))
def test_any_table_and_any_split(
    seed: int, split_size: int, partitions: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rows = table(seed, 40)
    spec = job(input=CSV, split_size=split_size, partitions=partitions)
    world = run(spec, {"x": as_csv(rows)}, tmp_path_factory.mktemp("run"))
    assert tsv(world.text()) == cells(answer(rows))


def test_rows_of_a_partition_are_sorted_by_the_key(tmp_path: Path) -> None:
    world = run(job(input=CSV, partitions=1, key="day, city"), HALVES, tmp_path)
    found = [line.split("\t")[:2] for line in world.text().decode().split("\n")[:-1]]
    assert found == sorted(found, key=lambda row: (row[1], row[0] == "null", row[0]))
    assert len(found) > 50


def test_decimal_sums_are_exact(tmp_path: Path) -> None:
    rows = [("a", "2026-01-01", Decimal("9999999999.99"), 1), ("a", "2026-01-01", Decimal("0.01"), 1)] * 100
    spec = job(input=CSV, split_size=500, partitions=3)
    assert tsv(run(spec, {"x": as_csv(rows)}, tmp_path).text()) == [
        ("a", "2026-01-01", "1000000000000.00", "200", "200")
    ]


def test_sums_beyond_64_bits_are_exact(tmp_path: Path) -> None:
    """sum() of integers is a HUGEINT, which Parquet would round to a double."""
    body = b"9223372036854775807\n" * 99 + b"1\n"
    spec = job(
        input={"format": "csv", "columns": "n BIGINT"},
        map="SELECT sum(n) AS n FROM input",
        reduce="SELECT sum(n) AS n FROM shuffled",
        key="",
        split_size=500,
    )
    assert run(spec, {"x": body}, tmp_path).text() == b"%d\n" % (9223372036854775807 * 99 + 1)


def test_without_a_key_all_rows_meet(tmp_path: Path) -> None:
    spec = job(
        input=CSV,
        key="",
        map="SELECT n FROM input",
        reduce="SELECT count(*) c, max(n) m FROM shuffled",
        split_size=5000,
    )
    assert run(spec, HALVES, tmp_path).text() == b"600\t%d\n" % max(row[3] for row in ROWS)


def test_a_query_over_nothing_still_answers(tmp_path: Path) -> None:
    spec = job(
        input=CSV,
        key="",
        map="SELECT n FROM input WHERE n > 2000000",
        reduce="SELECT count(*) c FROM shuffled",
    )
    assert run(spec, HALVES, tmp_path).text() == b"0\n"
    keyed = job(
        input=CSV, map="SELECT n FROM input WHERE n > 2000000", reduce="FROM shuffled", key="n", partitions=4
    )
    assert run(keyed, HALVES, tmp_path).text() == b""


def test_the_whole_result_is_sorted_by_order_by(tmp_path: Path) -> None:
    spec = job(input=CSV, order_by="amount DESC", split_size=5000)
    world = run(spec, HALVES, tmp_path)
    amounts = [Decimal(line.split("\t")[2]) for line in world.text().decode().split("\n")[:-1]]
    assert amounts == sorted((row[2] for row in answer(ROWS)), reverse=True)


def test_input_may_be_named_twice(tmp_path: Path) -> None:
    """A FIFO can be read once; such a query sees a table."""
    spec = job(
        input=CSV,
        map="SELECT a.city, count(*) AS rows FROM input a JOIN (SELECT min(n) AS n FROM input) b USING (n) GROUP BY 1",
        reduce="SELECT city, sum(rows) FROM shuffled GROUP BY 1",
        key="city",
    )
    least = min(row[3] for row in ROWS)
    wanted: dict[str, int] = {}
    for row in ROWS:
        if row[3] == least:
            wanted[row[0]] = wanted.get(row[0], 0) + 1
    assert tsv(run(spec, {"x": as_csv(ROWS)}, tmp_path).text()) == cells(wanted.items())


def test_a_recursive_query_may_read_input_again_and_again(tmp_path: Path) -> None:
    steps = "SELECT 1 AS i UNION ALL SELECT i + 1 FROM r, input WHERE i < n"
    text = f"WITH RECURSIVE r AS ({steps}) SELECT max(i) AS i FROM r"
    spec = job(input={"format": "csv", "columns": "n INTEGER"}, map=text, reduce="FROM shuffled", key="")
    assert run(spec, {"x": b"5\n"}, tmp_path).text() == b"5\n"


def test_params_are_variables(tmp_path: Path) -> None:
    spec = job(
        input=CSV,
        key="",
        map="SELECT count(*) AS c FROM input WHERE city = getvariable('place')",
        reduce="SELECT sum(c) FROM shuffled",
        params={"place": 'a"b'},
    )
    assert run(spec, HALVES, tmp_path).text() == b"%d\n" % sum(row[0] == 'a"b' for row in ROWS)


# -- formats -------------------------------------------------------------------------------------------


def test_columns_come_from_a_header_and_the_first_object(tmp_path: Path) -> None:
    header = b"city,day,amount,n\n"
    files = {name: header + body for name, body in HALVES.items()} | {"0.csv": b""}
    map_query = MAP.replace("sum(amount)", "sum(amount::DECIMAL(12,2))")
    spec = job(input={"format": "csv", "header": True}, map=map_query, split_size=5000, partitions=7)
    assert tsv(run(spec, files, tmp_path).text()) == cells(answer(ROWS))


def test_pipes_tabs_and_gzip(tmp_path: Path) -> None:
    wanted = cells(answer(ROWS))
    pipes = job(input={**CSV, "delimiter": "|"}, split_size=5000, partitions=3)
    assert tsv(run(pipes, {"x": as_csv(ROWS, "|")}, tmp_path).text()) == wanted
    tabs = job(input={**CSV, "format": "tsv"}, split_size=5000, partitions=3)
    assert tsv(run(tabs, {"x.gz": gzip.compress(as_csv(ROWS, "\t"))}, tmp_path).text()) == wanted


@pytest.mark.parametrize("columns", [COLUMNS, ""])
def test_json_lines(columns: str, tmp_path: Path) -> None:
    names = ("city", "day", "amount", "n")
    body = b"".join(
        json.dumps(dict(zip(names, (*row[:2], str(row[2]), row[3]), strict=True))).encode() + b"\n"
        for row in ROWS
    )
    map_query = MAP.replace("sum(amount)", "sum(amount::DECIMAL(12,2))")
    spec = job(input={"format": "jsonl", "columns": columns}, map=map_query, split_size=5000, partitions=3)
    assert tsv(run(spec, {"x.jsonl": body}, tmp_path).text()) == cells(answer(ROWS))


def test_parquet_in_and_out(tmp_path: Path) -> None:
    files = {}
    for number, rows in enumerate((ROWS[:200], ROWS[200:])):
        database = duckdb.connect()
        database.execute(f"CREATE TABLE input ({COLUMNS})")
        fill(database, "input", rows)
        path = tmp_path / "made.parquet"
        database.execute(f"COPY input TO '{path}' (FORMAT parquet)")
        files[f"{number}.parquet"] = path.read_bytes()
        path.unlink()
    spec = job(input={"format": "parquet"}, output={"format": "parquet"}, partitions=4, reduce_size=1)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    world = run(spec, files, scratch)
    parts = [body for key, body in sorted(world.output().items()) if key.endswith(".parquet")]
    assert len(parts) > 1
    paths = []
    for number, body in enumerate(parts):
        (tmp_path / f"part-{number}").write_bytes(body)
        paths.append(str(tmp_path / f"part-{number}"))
    found = duckdb.connect().execute(f"FROM read_parquet({paths})").fetchall()
    assert cells(found) == cells(answer(ROWS))
    manifest = json.loads(world.output()["_manifest.json"])
    assert manifest["records"] == len(found)
    assert manifest["mapped"]["records_in"] == len(ROWS)


def test_text_has_one_column(tmp_path: Path) -> None:
    spec = job(
        input={},
        map="SELECT unnest(string_split(line, ' ')) AS word FROM input",
        reduce="SELECT word, count(*) FROM shuffled GROUP BY 1",
        key="word",
        split_size=3,
        partitions=2,
    )
    text = b"a b a\r\n\nnull \\ c\nb"
    found = tsv(run(spec, {"x": text}, tmp_path).text())
    assert found == sorted([("", "1"), ("\\", "1"), ("a", "2"), ("b", "2"), ("c", "1"), ("null", "1")])


def test_csv_and_jsonl_out(tmp_path: Path) -> None:
    values = "SELECT 'a,b' AS t, NULL AS z, 1.50::DECIMAL(5,2) AS d, true AS b, '' AS e"
    spec = job(input={}, map=values, reduce="FROM shuffled", key="", output={"format": "csv"})
    assert run(spec, {"x": b"1"}, tmp_path).text() == b'"a,b",,1.50,true,""\n'
    spec = job(input={}, map=values, reduce="FROM shuffled", key="", output={"format": "jsonl"})
    assert json.loads(run(spec, {"x": b"1"}, tmp_path).text()) == {
        "t": "a,b",
        "z": None,
        "d": 1.5,
        "b": True,
        "e": "",
    }
    spec = job(input={}, map=values, reduce="FROM shuffled", key="")
    assert run(spec, {"x": b"1"}, tmp_path).text() == b"a,b\tnull\t1.50\ttrue\t\n"


def test_tsv_is_that_of_python_jobs(tmp_path: Path) -> None:
    """Of text, integers, decimals, truth values and NULL."""
    words = ["", "a", "tab\t", "line\nend", "back\\slash", "\\n", '"quoted"', "größe\r", "null", "\x00"]
    for kind, values in {
        "VARCHAR": [*words, None],
        "HUGEINT": [0, -1, 2**63, 10**30, None],
        "DECIMAL(20,3)": [
            Decimal("1.500"),
            Decimal("-0.001"),
            Decimal("0.000"),
            Decimal("12345678901234567.890"),
        ],
        "BOOLEAN": [True, False, None],
    }.items():
        literals = ", ".join(
            "NULL"
            if value is None
            else "'" + str(value).replace("'", "''").replace("\0", "' || chr(0) || '") + "'"
            for value in values
        )
        rows = f"SELECT unnest(range({len(values)})) AS i, unnest([{literals}])::{kind} AS v FROM input"
        world = run(job(input={}, map=rows, reduce="FROM shuffled", key=""), {"x": b"1"}, tmp_path)
        assert world.text() == FORMATS["tsv"](range(len(values)), values), kind


# -- faults --------------------------------------------------------------------------------------------


def test_duplicates_and_any_order_change_nothing(tmp_path: Path) -> None:
    spec = job(input=CSV, split_size=7_000, partitions=4, reduce_size=1)
    calm = run(spec, HALVES, tmp_path).text()
    for seed in range(3):
        assert run(spec, HALVES, tmp_path, seed=seed, duplicates=True).text() == calm


@pytest.mark.parametrize("before", [True, False])
def test_a_kill_at_any_call_changes_nothing(before: bool, tmp_path: Path) -> None:
    spec = job(input=CSV, split_size=9_000, partitions=2)
    calm = run(spec, HALVES, tmp_path)
    for call in places(calm.calls, 20):
        world = run(spec, HALVES, tmp_path, kill_at=[call], before=before)
        assert world.text() == calm.text(), f"killed at call {call}"


def test_a_bad_row_is_named_with_its_object_and_byte(tmp_path: Path) -> None:
    good = b"Oslo,2026-01-01,1.00,1\n" * 50
    body = good + b"Oslo,2026-01-01,1.00,many\n" + good
    text = failed(job(input=CSV, split_size=100), {"1": good, "2": body}, tmp_path)
    assert f"{IN.url}2, line at byte {len(good)}: " in text
    assert "Could not convert string \"many\" to 'INTEGER'" in text
    text = failed(job(input=CSV), {"2": good + b"Oslo,2026-01-01\n"}, tmp_path)
    assert f"{IN.url}2, line at byte {len(good)}: " in text
    assert "Expected Number of Columns: 4 Found: 2" in text


def test_a_query_that_fails_is_named(tmp_path: Path) -> None:
    text = failed(
        job(input=CSV, map="SELECT city, day, error('no ' || city) AS x FROM input", reduce="FROM shuffled"),
        HALVES,
        tmp_path,
    )
    assert "job job: sql.map: " in text
    assert "no " in text
    text = failed(job(input=CSV, reduce="SELECT city, error('no') AS x FROM shuffled"), HALVES, tmp_path)
    assert "job job: sql.reduce: " in text


def test_a_query_can_reach_nothing_but_its_tables(tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("1\n")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    for query in (f"SELECT * FROM read_csv('{secret}')", "SELECT * FROM read_csv('https://127.0.0.1:9/x')"):
        text = failed(job(input=CSV, map=query, reduce="FROM shuffled", key=""), HALVES, scratch)
        assert "sql.map" in text
        assert "disabled by configuration" in text or "httpfs" in text


def test_a_flipped_bit_in_a_run_file_is_found(tmp_path: Path) -> None:
    spec = job(input=CSV, partitions=1)
    world = Simulation(object, spec, tmp_path)

    def run_files() -> list[str]:
        return [key for key in world.objects() if key.endswith(".run")]

    def damage() -> None:
        (key,) = run_files()
        loc = Loc(*key.split("/", 1))
        body = bytearray(world.memory.get(loc))
        body[len(body) // 2] ^= 4
        world.memory.put(loc, bytes(body))

    world.when(lambda: any(key.endswith("reduce/plan.json") for key in world.objects()), damage)
    world.drop("x", as_csv(ROWS))
    world.run()
    failure = world.output()["_FAILED"].decode()
    assert "checksum" in failure
    assert run_files()[0].split("/", 1)[1] in failure
