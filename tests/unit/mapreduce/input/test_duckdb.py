"""DuckDB's own words for a full disk are told like ours."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from chalicelib.core.errors import DiskError, JobCodeError
from chalicelib.mapreduce.input.duckdb import blamed, refuse_full_disk


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the device is Linux's")
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_file_that_does_not_fit(form: str) -> None:
    query = f"COPY (SELECT * FROM range(1000)) TO '/dev/full' (FORMAT {form})"
    with pytest.raises(DiskError, match=r"no space left on the local disk: .*ephemeral"), blamed("sql.map"):
        duckdb.connect().execute(query)


def test_memory_that_may_not_be_spilled(tmp_path: Path) -> None:
    database = duckdb.connect(config={"threads": 1, "memory_limit": "60MB"})
    database.execute(f"SET temp_directory = '{tmp_path}'")
    database.execute("SET max_temp_directory_size = '1MB'")
    rows = "SELECT range::VARCHAR || repeat('x', 25) AS a, random() AS b FROM range(3000000)"
    query = f"CREATE TABLE t AS {rows} ORDER BY b"
    with pytest.raises(DiskError, match="no space left on the local disk"), blamed("sql.map"):
        database.execute(query)
    database.close()


def test_other_errors_stay_what_they_are() -> None:
    refuse_full_disk(duckdb.Error("no such table"))
    with pytest.raises(JobCodeError, match=r"^sql.map: Catalog Error"), blamed("sql.map"):
        duckdb.connect().execute("FROM nowhere")
