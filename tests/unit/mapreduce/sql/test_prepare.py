"""What is wrong with a job in SQL is said before its first task, in one sentence that names the query."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest

from chalicelib.core.errors import ConfigError, InputError
from chalicelib.core.plan import SqlTables
from chalicelib.core.ports import Loc
from chalicelib.core.spec import JobSpec, SqlSpec
from chalicelib.mapreduce.input.duckdb import opened, threads
from chalicelib.mapreduce.sql import prepare
from chalicelib.stores.disk import LocalDisk
from chalicelib.stores.memory import MemoryStore
from tests.worlds import simulation

ROOT = Path(__file__).resolve().parents[4]


def job(map: str, reduce: str = "FROM shuffled", key: str = "", order_by: str = "", **more: Any) -> JobSpec:
    more = {"input": {"format": "csv", "columns": "a INTEGER, b VARCHAR"}, **more}
    return simulation.spec("", sql=SqlSpec(map=map, reduce=reduce, key=key, order_by=order_by), **more)


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        (job("SELEKT a FROM input"), "job j: sql.map: Parser Error: syntax error"),
        (job("SELECT c FROM input"), 'job j: sql.map: Binder Error: Referenced column "c" not found'),
        (job("SELECT a FROM inputs"), "job j: sql.map: Catalog Error: Table with name inputs"),
        (job("SELECT a FROM input", "SELECT b FROM shuffled"), "job j: sql.reduce: Binder Error"),
        (job("SELECT a FROM inputs"), "inputs.*[(]there is FROM input[)]"),
        (job("SELECT a FROM input", "SELECT a FROM input"), "sql.reduce: .*[(]there is FROM shuffled[)]"),
        (job("FROM input", order_by="c"), "job j: sql.order_by: Binder Error"),
        (job("FROM input", key="a, c"), "sql.key: no column c in the result of sql.map, which has a, b"),
        (job("SELECT a, b AS A FROM input"), "sql.map: two columns are named a: name one of them with AS"),
        (job("SELECT {'x': a::HUGEINT} AS s FROM input"), "sql.map: column s is STRUCT.x HUGEINT., which"),
        (job("SELECT 1; SELECT 2"), "sql.map: expected one SELECT statement, got SELECT, SELECT"),
        (job("INSTALL httpfs"), "sql.map: expected one SELECT statement, got "),
        (job("-- nothing"), "sql.map: expected one SELECT statement, got nothing"),
        (job("FROM input", "DROP TABLE shuffled"), "sql.reduce: expected one SELECT statement, got DROP"),
        (job("FROM input", input={"format": "csv", "columns": "a INTEGR"}), "input.columns: Catalog Error"),
    ],
)
def test_mistakes_are_named(spec: JobSpec, wanted: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=wanted):
        prepare.check("j", spec, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_semicolon_or_a_comment_at_the_end_is_no_mistake(tmp_path: Path) -> None:
    prepare.check("j", job("SELECT a FROM input;", "SELECT a FROM shuffled -- all", key="a"), tmp_path)


def tables(spec: JobSpec, body: bytes, tmp_path: Path, key: str = "x") -> SqlTables:
    store = MemoryStore()
    store.put(Loc("in", key), body)
    runtime: Any = SimpleNamespace(store=store, disk=LocalDisk(tmp_path))
    found = [("in", store.head(Loc("in", key)))]
    return prepare.prepare(runtime, "j", spec, found, lambda *_: spec.input)


def test_undeclared_columns_are_found_out(tmp_path: Path) -> None:
    spec = job("FROM input", input={"format": "csv", "header": True})
    found = tables(spec, b"\xef\xbb\xbfId,The name,day\n1,x,2026-01-02\n2,y,2026-01-03\n", tmp_path)
    assert found.input == (("Id", "BIGINT"), ("The name", "VARCHAR"), ("day", "DATE"))
    assert found.shuffled == found.input
    spec = job("SELECT n.x FROM input", input={"format": "jsonl"})
    assert tables(spec, b'{"n": {"x": 1.5}}\n', tmp_path).shuffled == (("x", "DOUBLE"),)
    spec = job("FROM input", input={"format": "csv", "delimiter": "|"})
    assert tables(spec, b"1|a\n2|b\n", tmp_path).input == (("column0", "BIGINT"), ("column1", "VARCHAR"))


def test_parquet_says_its_columns_by_its_last_bytes_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    duckdb.connect().execute(
        f"COPY (SELECT range AS n, 'x' AS t FROM range(100000)) TO '{path}' (FORMAT parquet)"
    )
    body = path.read_bytes()
    path.unlink()
    spec = job("SELECT t, sum(n) AS s FROM input GROUP BY 1", input={"format": "parquet"})
    hollow = bytes(len(body) - 2000) + body[-2000:]
    assert tables(spec, hollow, tmp_path).shuffled == (("t", "VARCHAR"), ("s", "HUGEINT"))
    with pytest.raises(InputError, match="s3://in/x: not a Parquet file"):
        tables(spec, b"a,b\n1,2\n" * 10, tmp_path)


def test_what_cannot_be_found_out_must_be_declared(tmp_path: Path) -> None:
    spec = job("FROM input", input={"format": "csv"})
    with pytest.raises(InputError, match=r"declare input\.columns"):
        tables(spec, b"", tmp_path)
    with pytest.raises(
        InputError, match=r"s3://in/x: its columns cannot be found out: declare input.columns"
    ):
        tables(job("FROM input", input={"format": "jsonl"}), b"{{{\n", tmp_path)


# -- the database --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET threads = 8",
        "SET enable_external_access = true",
        "SELECT * FROM read_csv('/etc/hosts')",
        "SELECT * FROM glob('/*')",
        "COPY (SELECT 1) TO '{0}/outside'",
        "ATTACH '{0}/outside.db'",
    ],
)
def test_queries_are_shut_in(query: str, tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    with opened(inside, 1 << 28, 1, {}) as database:
        database.execute(f"COPY (SELECT 1) TO '{inside}/x.csv'")
        with pytest.raises(duckdb.Error):
            database.execute(query.format(tmp_path)).fetchall()
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]


def test_memory_and_threads_are_those_of_the_function(tmp_path: Path) -> None:
    assert [threads(memory) for memory in (128, 1769, 3537, 3538, 10_240)] == [1, 1, 1, 2, 5]
    with opened(tmp_path, 300 << 20, 2, {}) as database:
        setting = "SELECT current_setting('memory_limit'), current_setting('threads')"
        assert database.execute(setting).fetchall() == [("300.0 MiB", 2)]


@pytest.mark.slow
def test_what_does_not_fit_into_the_memory_is_spilled(tmp_path: Path) -> None:
    with opened(tmp_path, 128 << 20, 1, {}) as database:
        many = "SELECT md5(range::VARCHAR) AS k, range AS n FROM range(4000000)"
        database.execute(f"CREATE TABLE sorted AS {many} ORDER BY k")
        assert database.execute("SELECT count(*), count(DISTINCT n) > 0 FROM sorted").fetchone() == (
            4000000,
            True,
        )


def test_other_jobs_do_not_import_duckdb(tmp_path: Path) -> None:
    """Nor do the modules that all jobs import."""
    (tmp_path / "x.txt").write_text("a b a\n")
    code = f"""
import sys
sys.argv = ["run.py", "wordcount", {str(tmp_path / "x.txt")!r}, "--output", {str(tmp_path / "out")!r}]
from scripts.run import main
assert main() == 0
loaded = [name for name in sys.modules if "duckdb" in name or name.startswith("chalicelib.mapreduce.sql")]
assert loaded == [], loaded
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)


def test_without_duckdb_one_sentence_says_what_to_install(tmp_path: Path) -> None:
    code = f"""
import sys
sys.modules["duckdb"] = None
sys.argv = ["run.py", "tpch_q6_sql", {str(ROOT / "sluice.yml")!r}, "--output", {str(tmp_path / "out")!r}]
from scripts.run import main
from scripts.console.terminal import run_main
sys.exit(run_main(main))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode != 0
    assert "pip install -r requirements-sql.txt" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
