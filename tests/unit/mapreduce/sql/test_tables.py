"""The shuffle changes no value, and equal keys meet wherever they come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from chalicelib.core.errors import ConfigError
from chalicelib.mapreduce.input.duckdb import literal
from chalicelib.mapreduce.sql.tables import PARTITION, check_storable, partitioned, restored, stored

#: A value of each kind that Parquet would change, or that is large enough to show it.
VALUES = {
    "HUGEINT": "99999999999999999999999999999999999999::HUGEINT",
    "UHUGEINT": "340282366920938463463374607431768211455::UHUGEINT",
    "BIGINT": "9007199254740993",
    "DECIMAL(38,4)": "9999999999999999999999999999999999.9999::DECIMAL(38,4)",
    "DOUBLE": "0.1::DOUBLE + 0.2::DOUBLE",
    "FLOAT": "0.1::FLOAT",
    "INTERVAL": "INTERVAL '1 year 2 months 3 days 00:00:00.000001'",
    "TIMESTAMP": "TIMESTAMP '2026-11-21 03:04:05.678901'",
    "TIMESTAMP_NS": "TIMESTAMP_NS '2026-11-21 03:04:05.678901234'",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ '2026-11-21 03:04:05.678901+02'",
    "TIME WITH TIME ZONE": "TIMETZ '03:04:05.678901+02'",
    "TIME": "TIME '23:59:59.999999'",
    "BIT": "'010110'::BIT",
    "BLOB": r"'\x00\xFFab'::BLOB",
    "UUID": "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::UUID",
    "VARCHAR": "'a' || chr(0) || 'é'",
    "BOOLEAN": "true",
    "DATE": "DATE '-infinity'",
    "VARCHAR[]": "['a', NULL, '']",
    "STRUCT(a INTEGER, b VARCHAR[])": "{'a': 1, 'b': ['x']}",
    "MAP(VARCHAR, INTEGER)": "MAP {'k': 1}",
    "JSON": """'{"a": 1}'::JSON""",
}


@pytest.mark.parametrize(("kind", "value"), VALUES.items(), ids=VALUES)
def test_every_kind_of_value_comes_back_as_it_was(kind: str, value: str, tmp_path: Path) -> None:
    database = duckdb.connect()
    database.execute("SET TimeZone = 'UTC'")
    database.execute(f"CREATE TABLE before AS SELECT {value} AS v UNION ALL SELECT NULL")
    (row,) = database.execute("DESCRIBE before").fetchall()
    columns = ((row[0], row[1]),)
    assert row[1] == kind
    check_storable("sql.map", columns)
    file = literal(str(tmp_path / "x.parquet"))
    database.execute(f"COPY (SELECT {stored(columns)} FROM before) TO {file} (FORMAT parquet)")
    database.execute(f"CREATE TABLE after AS SELECT {restored(columns)} FROM read_parquet({file})")
    assert database.execute("DESCRIBE after").fetchall()[0][1] == kind
    different = "SELECT count(*) FROM (FROM before EXCEPT ALL FROM after)"
    assert database.execute(different).fetchone() == (0,)
    texts = "SELECT v::VARCHAR FROM {} ORDER BY ALL"
    assert (
        database.execute(texts.format("before")).fetchall()
        == database.execute(texts.format("after")).fetchall()
    )


@pytest.mark.parametrize("kind", ["STRUCT(a HUGEINT)", "INTERVAL[]", "MAP(VARCHAR, BIT)", "UNION(a INTEGER)"])
def test_a_kind_that_would_change_is_refused(kind: str) -> None:
    with pytest.raises(ConfigError, match=r"sql.map: column v is .*: cast it"):
        check_storable("sql.map", (("v", kind),))


def partitions(value: str, kind: str, keys: int = 1, count: int = 64) -> set[Any]:
    columns = tuple((f"k{number}", kind) for number in range(keys))
    select = "SELECT " + ", ".join(f"{value} AS {name}" for name, _ in columns)
    database = duckdb.connect()
    database.execute("SET TimeZone = 'UTC'")
    query = partitioned(select, columns, tuple(name for name, _ in columns), count)
    return {row[0] for row in database.execute(f'SELECT "{PARTITION}" FROM ({query})').fetchall()}


def test_partitions_are_the_same_on_every_engine() -> None:
    """From the definition: the first seven hexadecimal digits of the key's MD5, by Python's own."""
    from hashlib import md5

    for word in ("", "a", "größe", "x" * 100):
        assert partitions(f"'{word}'", "VARCHAR", count=1000) == {
            int(md5(word.encode()).hexdigest()[:7], 16) % 1000
        }
    text = md5(b"7\x1f7").hexdigest()[:7]
    assert partitions("7", "INTEGER", keys=2, count=4096) == {int(text, 16) % 4096}


def test_equal_numbers_meet() -> None:
    assert partitions("0.0::DOUBLE", "DOUBLE") == partitions("-0.0::DOUBLE", "DOUBLE")
    assert partitions("1.50::DECIMAL(5,2)", "DECIMAL(5,2)") == partitions("1.5::DECIMAL(5,2)", "DECIMAL(5,2)")


def test_keys_spread_over_all_partitions() -> None:
    assert partitions("unnest(range(2000))", "BIGINT", count=64) == set(range(64))
