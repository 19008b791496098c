"""Jobs in SQL over several inputs: joined as DuckDB joins the whole tables, however the input is cut."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.config.check import problems
from chalicelib.core.errors import ConfigError
from chalicelib.core.spec import InputSpec, JobSpec, SqlSpec
from chalicelib.mapreduce.sql import prepare
from tests.features.sql.test_runs import cells, tsv
from tests.worlds import simulation
from tests.worlds.simulation import Simulation
from tests.worlds.tables import fill

SALES = InputSpec(
    tag="sales",
    url="s3://in/data/sales/",
    format="csv",
    columns="shop INTEGER, day DATE, amount DECIMAL(12,2)",
    map="SELECT shop AS id, day, sum(amount) AS amount FROM input GROUP BY ALL",
)
SHOPS = InputSpec(
    tag="shops",
    url="s3://in/data/shops/",
    format="jsonl",
    columns="id INTEGER, city VARCHAR",
    map="SELECT id, city FROM input",
)
REDUCE = """
    SELECT coalesce(shops.id, sales.id) AS id, city, sum(amount) AS amount, count(amount) AS days
    FROM (SELECT id, day, sum(amount) AS amount FROM sales GROUP BY ALL) sales
    FULL JOIN shops ON sales.id = shops.id GROUP BY ALL
"""
WHOLE = REDUCE.replace("FROM sales", "FROM (SELECT shop AS id, day, amount FROM sales)")

Rows = list[tuple[Any, ...]]


def job(*inputs: InputSpec, key: str = "id", reduce: str = REDUCE, **more: Any) -> JobSpec:
    given = inputs or (SALES, SHOPS)
    sql = SqlSpec(key=key, reduce=reduce, map=more.pop("map", ""), order_by=more.pop("order_by", ""))
    found = simulation.spec("", sql=sql, trigger="marker", **more)
    return replace(found, input=given[0], more_inputs=given[1:])


def tables(seed: int, size: int) -> tuple[Rows, Rows]:
    """Sales and shops: some shops sell nothing, some that sell are not known."""
    chance = random.Random(seed)
    sales = [
        (
            chance.randrange(30),
            f"2026-01-{chance.randint(1, 9):02d}",
            Decimal(chance.randrange(10**6)).scaleb(-2),
        )
        for _ in range(size)
    ]
    shops = [(number, chance.choice(["Oslo", "größe", 'a"b', "x,y", None])) for number in range(5, 40)]
    return sales, shops


def files(sales: Rows, shops: Rows) -> dict[str, bytes]:
    half = len(sales) // 2
    rows = [",".join(map(str, row)) + "\n" for row in sales]
    documents = [json.dumps({"id": number, "city": city}) + "\n" for number, city in shops]
    return {
        "sales/1.csv": "".join(rows[:half]).encode(),
        "sales/2.csv": "".join(rows[half:]).encode(),
        "shops/all.jsonl": "".join(documents).encode(),
    }


def run(spec: JobSpec, given: dict[str, bytes], scratch: Path, **how: Any) -> Simulation:
    world = Simulation(object, spec, scratch, **how)
    for name, body in given.items():
        world.add(name, body)
    world.drop("sales/_READY", b"")
    world.run()
    assert world.output().get("_FAILED", b"") == b""
    assert list(scratch.iterdir()) == []
    return world


def answer(sales: Rows, shops: Rows, query: str = WHOLE) -> Rows:
    """DuckDB's answer over whole tables."""
    database = duckdb.connect()
    database.execute(f"CREATE TABLE sales ({SALES.columns})")
    database.execute(f"CREATE TABLE shops ({SHOPS.columns})")
    fill(database, "sales", sales)
    fill(database, "shops", shops)
    return database.execute(query).fetchall()


@settings(max_examples=6, deadline=None)
@given(
    seed=st.integers(0, 99),
    size=st.integers(0, 60),
    split_size=st.integers(150, 3000),
    partitions=st.integers(1, 9),
)
def test_a_join_is_duckdbs_however_the_input_is_cut(
    seed: int, size: int, split_size: int, partitions: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    sales, shops = tables(seed, size)
    spec = job(split_size=split_size, partitions=partitions)
    world = run(spec, files(sales, shops), tmp_path_factory.mktemp("run"))
    assert tsv(world.text()) == cells(answer(sales, shops))


def test_kills_change_no_byte(tmp_path: Path) -> None:
    """Several splits of both inputs in one task."""
    given = files(*tables(7, 200))
    spec = job(split_size=4500, partitions=3)
    calm = run(spec, given, tmp_path)
    assert len(calm.text()) > 500
    for kill in range(10, calm.calls, max(1, calm.calls // 4)):
        assert run(spec, given, tmp_path, kill_at=(kill,), duplicates=True, seed=kill).text() == calm.text()


def test_parquet_beside_lines(tmp_path: Path) -> None:
    """The smaller table is Parquet, whose columns are its own, and the one query serves both inputs."""
    sales, shops = tables(3, 80)
    path = tmp_path / "shops.parquet"
    database = duckdb.connect()
    database.execute(f"CREATE TABLE shops ({SHOPS.columns})")
    fill(database, "shops", shops)
    database.execute(f"COPY shops TO '{path}' (FORMAT parquet)")
    given = files(sales, shops) | {"shops/all.parquet": path.read_bytes()}
    del given["shops/all.jsonl"]
    path.unlink()
    bare = replace(SALES, columns=SALES.columns.replace("shop", "id"), map="")
    parquet = replace(SHOPS, format="parquet", columns="", map="")
    spec = job(bare, parquet, map="SELECT * FROM input", split_size=1000, partitions=4)
    assert tsv(run(spec, given, tmp_path).text()) == cells(answer(sales, shops))


def test_a_whole_order_over_a_join(tmp_path: Path) -> None:
    sales, shops = tables(5, 90)
    world = run(job(order_by="amount DESC, id", split_size=900), files(sales, shops), tmp_path)
    amounts = [
        Decimal(line.split("\t")[2]) for line in world.text().decode().splitlines() if "null" not in line
    ]
    assert len(amounts) > 10
    assert amounts == sorted(amounts, reverse=True)


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        (
            job(SALES, replace(SHOPS, map="SELECT city FROM input")),
            "no column id in the result of input.shops.map",
        ),
        (
            job(SALES, replace(SHOPS, map="SELECT id::VARCHAR AS id, city FROM input")),
            "sql.key: id is INTEGER of sales, VARCHAR of shops: cast it to one type in the map queries",
        ),
        (job(SALES, replace(SHOPS, map="SELECT nothing FROM input")), "input.shops.map: .*nothing"),
        (job(SALES, replace(SHOPS, columns="id SOMETHING")), "input.shops.columns: "),
        (job(reduce="FROM shuffled"), "sql.reduce: .*shuffled"),
        (job(SALES, replace(SHOPS, map="DROP TABLE input")), "input.shops.map: expected one SELECT"),
    ],
)
def test_mistakes_are_named(spec: JobSpec, wanted: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=wanted):
        prepare.check("j", spec, tmp_path)


@pytest.mark.parametrize(
    ("spec", "key", "wanted"),
    [
        (
            job(key=""),
            "sql.key",
            "missing; expected the columns in which rows of several inputs have to agree",
        ),
        (
            job(SALES, replace(SHOPS, map="")),
            "input.shops.map",
            "missing; expected a query over the table `input`",
        ),
        (job(SALES), "input.map", "there is one input: write its query as sql.map"),
        (job(SALES, replace(SHOPS, format="fixed")), "input.shops.format", "fixed is not a table"),
    ],
)
def test_what_does_not_go_together_is_told(spec: JobSpec, key: str, wanted: str) -> None:
    found = {problem.key: problem.text for problem in problems(spec, "j")}
    assert found[key].startswith(wanted)
