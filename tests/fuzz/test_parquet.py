"""Parquet files that were damaged: read, or refused with their name, and never by an error of somebody else's."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given

from chalicelib.core.errors import InputError
from chalicelib.core.plan import Split
from chalicelib.core.ports import Loc
from chalicelib.core.spec import InputSpec
from chalicelib.mapreduce.input.parquet import LongRow, read_groups
from chalicelib.stores.disk import LocalDisk
from chalicelib.stores.memory import MemoryStore
from tests.fuzz.damage import damaged, or_refused
from tests.strategies import examples

QUERY = """
SELECT i AS id, ['Oslo', 'Rio', NULL, 'größe'][i % 4 + 1] AS city, i / 8 AS x, (i % 500)::DECIMAL(12, 2) AS price,
    DATE '2026-01-01' + (i % 60)::INTEGER AS day, encode('b' || i) AS raw, {'a': i, 'b': [i, 1]} AS nested
FROM range(3000) made(i)
"""
SPEC = InputSpec(url="s3://in/", format="parquet")


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("parquet") / "good.parquet"
    with duckdb.connect() as database:
        database.execute("SET threads = 1")
        database.execute(f"COPY ({QUERY}) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 2048)")
    return path.read_bytes()


def rows(body: bytes, folder: Path) -> Iterator[dict[str, Any]]:
    store, loc = MemoryStore(), Loc("in", "data/a.parquet")
    etag = store.put(loc, body)
    split = Split(bucket="in", key=loc.key, etag=etag, start=0, stop=len(body), size=len(body))
    for _, lists in read_groups(store, split, SPEC, LocalDisk(folder), folder):
        for some in lists:
            assert not isinstance(some, LongRow)
            yield from some


def checked(body: bytes, folder: Path) -> list[dict[str, Any]] | None:
    found = or_refused(lambda: list(rows(body, folder)), "s3://in/data/a.parquet: ", InputError)
    for path in folder.iterdir():
        path.unlink()
    return found


def test_the_whole_file_is_read(good: bytes, tmp_path: Path) -> None:
    assert [row["id"] for row in rows(good, tmp_path)] == list(range(3000))


@pytest.mark.parametrize("seed", range(100))
def test_flipped_bytes_of_data_and_contents(good: bytes, seed: int, tmp_path: Path) -> None:
    chance, body = random.Random(seed), bytearray(good)
    contents = len(good) - 8 - int.from_bytes(good[-8:-4], "little")
    for _ in range(chance.randint(1, 4)):
        begin, end = (contents, len(good) - 8) if chance.random() < 0.7 else (4, contents)
        body[chance.randrange(begin, end)] = chance.randrange(256)
    found = checked(bytes(body), tmp_path)
    assert found is None or len(found) > 0


def test_any_damage(good: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("read")

    @given(damaged(good))
    @examples(100)
    def read(body: bytes) -> None:
        if body:
            checked(body, folder)

    read()


def test_a_damaged_row_group_is_named(good: bytes, tmp_path: Path) -> None:
    """Its first page says that it is of another length than it is."""
    with duckdb.connect() as database:
        (tmp_path / "whole").write_bytes(good)
        begin = "min(coalesce(dictionary_page_offset, data_page_offset))"
        contents = f"parquet_metadata('{tmp_path}/whole') WHERE row_group_id = 1"
        (place,) = database.execute(f"SELECT {begin} FROM {contents}").fetchone() or (0,)
    body = good[:place] + b"\xff" * 40 + good[place + 40 :]
    with pytest.raises(InputError, match=rf"a\.parquet: row group 1, at byte {place}: cannot be read: "):
        list(rows(body, tmp_path))
