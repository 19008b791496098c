"""Rows of Parquet files are measured by their bytes, whatever their types, and cut so that few of them are in hand."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from chalicelib.core.spec import MIB
from chalicelib.mapreduce.input.row_batches import Batch, batches


def cut(folder: Path, select: str, rows: int, most: int = 64 * MIB, first: int = 0) -> list[Batch]:
    """The batches of a file of `rows` rows `i`, from `first` on."""
    path = folder / "made.parquet"
    with duckdb.connect() as database:
        database.execute("SET threads = 1")
        database.execute(
            f"COPY (SELECT {select} FROM range({rows}) made(i)) TO '{path}' (FORMAT parquet, COMPRESSION zstd)"
        )
        table = f"read_parquet('{path}', file_row_number=true)"
        names = [row[0] for row in database.execute(f"DESCRIBE SELECT * FROM '{path}'").fetchall()]
        return batches(database, table, names, first, rows, most)


@pytest.mark.parametrize(
    "select", ["i", "i, 'small' || i AS t", "i / 7 AS x, DATE '2026-01-01' AS d, NULL AS n"]
)
def test_ordinary_rows_are_one_batch(select: str, tmp_path: Path) -> None:
    assert cut(tmp_path, select, 30_000, first=7) == [Batch(7, 30_000)]


def test_a_text_that_a_page_holds_once_counts_for_every_row(tmp_path: Path) -> None:
    found = cut(tmp_path, f"repeat('x', {MIB}) AS t", 100)
    assert [(batch.first, batch.last) for batch in found] == [(0, 32), (32, 64), (64, 96), (96, 100)]


def test_only_where_rows_are_large_is_more_than_one_batch(tmp_path: Path) -> None:
    large = f"CASE WHEN i BETWEEN 5000 AND 5080 THEN repeat('x', {MIB}) ELSE 'x' END AS t"
    found = cut(tmp_path, large, 20_000)
    assert [(batch.first, batch.last) for batch in found] == [
        (0, 4096),
        (4096, 5031),
        (5031, 5063),
        (5063, 6144),
        (6144, 20_000),
    ]


def test_a_row_that_is_too_long_stands_alone(tmp_path: Path) -> None:
    found = cut(tmp_path, "repeat('x', CASE i WHEN 3000 THEN 50 WHEN 4095 THEN 60 ELSE 9 END) AS t", 5000, 40)
    assert found == [
        Batch(0, 2048),
        Batch(2048, 3000),
        Batch(3000, 3001, 50),
        Batch(3001, 4095),
        Batch(4095, 4096, 60),
        Batch(4096, 5000),
    ]


@pytest.mark.parametrize(
    ("value", "least"),
    [
        ("repeat('é', 50)", 100),
        ("encode(repeat('x', 100))", 100),
        ("[repeat('x', 60), NULL, repeat('x', 40)]", 100),
        ("[[repeat('x', 60)], NULL, [repeat('x', 40)]]", 100),
        ("[1, 2]", 100),
        ("{'a': 1, 'it''s': repeat('x', 100)}", 100),
        ("[{'a': [repeat('x', 100)]}]", 100),
        ("MAP {repeat('k', 60): [repeat('x', 40)]}", 100),
    ],
)
def test_values_of_every_type_are_measured(value: str, least: int, tmp_path: Path) -> None:
    found = cut(tmp_path, f"CASE WHEN i = 1 THEN {value} END AS v", 3, least - 1)
    assert [(batch.first, batch.last) for batch in found] == [(0, 1), (1, 2), (2, 3)]
    assert [batch.too_long >= least for batch in found] == [False, True, False]
