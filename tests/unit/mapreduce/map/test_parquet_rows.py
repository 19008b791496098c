"""Rows of Parquet files: row group after row group, on from any edge, bad ones known by their group."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from chalicelib import Job
from chalicelib.mapreduce.map import parquet_rows
from tests.unit.mapreduce.map.opened import Opened


class Rows(Job):
    def mapper(self, _: Any, row: dict[str, Any]) -> Any:
        if row["n"] == 2050:
            raise ValueError("no")
        return [(row["n"], 1)]


@pytest.fixture(scope="module")
def body(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("parquet") / "a.parquet"
    with duckdb.connect() as database:
        database.execute("SET threads = 1")
        database.execute(
            f"COPY (SELECT range AS n FROM range(5000)) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 2048)"
        )
    return path.read_bytes()


def test_an_attempt_goes_on_at_any_edge(body: bytes, tmp_path: Path) -> None:
    opened = Opened(Rows, body, tmp_path, policy="quarantine", format="parquet")
    pairs, edges = opened.read(parquet_rows.steps)
    assert [key for key, _ in pairs] == [number for number in range(5000) if number != 2050]
    assert opened.counted[0] == 5000
    groups = sorted({edge[0] for edge in edges if edge})[:-1]
    assert len(groups) == 3
    assert [(offset, text) for offset, _, text in opened.bad] == [(groups[1], "{'n': 2050}")]
    for start, skip, first in ((groups[0], 100, 100), (groups[1], 2, 2050), (groups[2], 0, 4096)):
        rest = Opened(Rows, body, tmp_path, start=start, skip=skip, policy="quarantine", format="parquet")
        wanted = [number for number in range(first, 5000) if number != 2050]
        assert [key for key, _ in rest.read(parquet_rows.steps)[0]] == wanted
    assert list(tmp_path.iterdir()) == []
