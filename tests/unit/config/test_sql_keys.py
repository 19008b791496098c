"""How a job in SQL is written, and what may not stand beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.config.load import load_job
from chalicelib.config.show import format_config
from chalicelib.core.errors import ConfigError
from chalicelib.core.spec import JobSpec

PLACES = """
work: {url: "s3://working/"}
output: {url: "s3://output/"}
"""


def load(tmp_path: Path, text: str, *overrides: str) -> JobSpec:
    (tmp_path / "jobs").mkdir(exist_ok=True)
    (tmp_path / "jobs" / "j.yml").write_text(text + PLACES)
    loaded = load_job("j", root=tmp_path, overrides=overrides, require_cloud=True)
    shown = format_config(loaded)
    (tmp_path / "jobs" / "j.yml").write_text(shown)  # what is shown is a job's file again
    assert load_job("j", root=tmp_path, require_cloud=True).spec == loaded.spec
    return loaded.spec


def test_columns_and_keys_may_be_text_or_yaml(tmp_path: Path) -> None:
    query = 'sql: {map: "SELECT 1", key: [a, "b c"]}\n'
    spec = load(
        tmp_path,
        'input: {url: "s3://input/", format: csv, columns: {a: BIGINT, b c: "DECIMAL(15,2)"}}\n' + query,
    )
    assert spec.input.columns == '"a" BIGINT, "b c" DECIMAL(15,2)'
    assert spec.sql.keys == ("a", "b c")
    assert spec.job == ""
    query = "sql:\n  map: SELECT 1\n  key: a, b c\n"
    spec = load(tmp_path, 'input:\n  url: "s3://input/"\n  format: csv\n  columns: a BIGINT, b INT\n' + query)
    assert spec.input.columns == "a BIGINT, b INT"
    assert spec.sql.keys == ("a", "b c")
    assert spec.sql.reduce == "SELECT * FROM shuffled"


SQL = 'input: {url: "s3://input/", format: csv}\nsql: {map: "SELECT 1", key: a}\n'


@pytest.mark.parametrize(
    ("text", "override", "wanted"),
    [
        (SQL + "job: a:A\n", "", "sql.map: a job is either a class or SQL"),
        (SQL, "output.sorted=true", "output.sorted: a job in SQL is sorted as a whole by sql.order_by"),
        ('input: {url: "s3://input/"}\n', "", r"job: missing; expected `module:Class`"),
        ('input: {url: "s3://input/"}\njob: a:A\nsql: {key: a}\n', "", "sql.map: missing; expected a query"),
        (
            'input: {url: "s3://input/"}\njob: a:A\n',
            "input.columns=a INT",
            "input.columns: only parquet and jobs in SQL",
        ),
        (
            'input: {url: "s3://input/"}\njob: a:A\n',
            "output.header=true",
            "output.header: only csv has a header",
        ),
        (
            'input: {url: "s3://input/"}\njob: a:A\n',
            "output.columns=a",
            "output.columns: only csv and parquet have named columns",
        ),
        (SQL, "input.format=fixed", "input.format: fixed is not a table"),
        (SQL, "output.format=text", "output.format: expected tsv, csv, jsonl or parquet"),
        (SQL, "output.by=a", "output.by: a job in SQL names its columns"),
        (SQL, "input.type=A", "input.type: a job in SQL has no class"),
        (SQL, "input.encoding=bytes", "input.encoding: a job in SQL reads text"),
        (SQL, "bad_records.policy=quarantine", "bad_records.policy: a job in SQL stops at the first"),
        (SQL + "partitions: 4\n", "sql.key=", "partitions: without sql.key all rows meet"),
        (SQL + "partitions: 4\n", "sql.order_by=a", "partitions: sql.order_by sorts all rows"),
        (SQL, "memory.mapper=256", "memory.mapper: DuckDB needs 512 MB, got 256"),
        (SQL.replace("key: a", "key: {a: b}"), "", "sql.key: expected names, as a list or with commas"),
        (SQL.replace("csv", "csv, columns: [a]"), "", "input.columns: expected column definitions"),
    ],
)
def test_what_does_not_go_together(text: str, override: str, wanted: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=wanted):
        load(tmp_path, text, *([override] if override else []))


def test_format_text_has_no_columns_to_declare(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"input\.columns: text has one column, line; leave it out"):
        load(tmp_path, SQL, "input.format=text", "input.columns=a INT")
