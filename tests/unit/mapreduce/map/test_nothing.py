"""A mapper that returns None maps what it was given to nothing: in every mode, and whatever becomes of bad records."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job
from chalicelib.core.spec import InputSpec
from chalicelib.job.binding import bind
from chalicelib.job.load_class import Source
from chalicelib.mapreduce.map import chunks, pairs, parquet_rows, text_records, whole_objects
from chalicelib.mapreduce.map.map_only import MapOnlyTask, RowWriter
from chalicelib.mapreduce.map.open_split import OpenSplit, Step
from chalicelib.mapreduce.shuffle.run_file import RunWriter
from chalicelib.stores.disk import LocalDisk
from tests.unit.mapreduce.map.opened import Opened

Steps = Callable[[OpenSplit], Iterator[Step]]


class Nothing(Job):
    def mapper(self, *given: Any) -> Any:
        return None


class NoChunk(Job):
    def mapper_chunk(self, text: Any) -> Any:
        return None


class NoFile(Job):
    def mapper_raw(self, path: str) -> Any:
        return None


def typed_pairs() -> bytes:
    found = io.BytesIO()
    writer = RunWriter(found.write, 1)
    writer.add(0, ["a", "b"], [1, 2])
    writer.finish()
    return found.getvalue()


def parquet(folder: Path) -> bytes:
    duckdb = pytest.importorskip("duckdb")
    path = folder / "x.parquet"
    duckdb.sql("SELECT * FROM range(3) AS of(n)").write_parquet(str(path))
    return path.read_bytes()


MODES: dict[str, tuple[type[Job], Steps, dict[str, Any], Any]] = {
    "records": (Nothing, text_records.steps, {}, b"a\nb\n"),
    "rows": (Nothing, text_records.steps, {"format": "csv"}, b"a,1\nb,2\n"),
    "documents": (Nothing, text_records.steps, {"format": "jsonl"}, b"1\n2\n"),
    "rows of several lines": (
        Nothing,
        whole_objects.quoted_rows,
        {"format": "csv", "multiline": True},
        b"a,1\n",
    ),
    "chunks": (NoChunk, chunks.steps, {}, b"a\nb\n"),
    "typed pairs": (Nothing, pairs.steps, {"format": "pairs"}, typed_pairs()),
    "parquet": (Nothing, parquet_rows.steps, {"format": "parquet"}, parquet),
    "whole objects": (Nothing, whole_objects.steps, {"format": "whole_file"}, b"a"),
    "whole chunks": (NoChunk, whole_objects.steps, {"format": "whole_file"}, b"a"),
    "files": (NoFile, whole_objects.steps, {}, b"a"),
}


@pytest.mark.parametrize("policy", ["fail", "quarantine"])
@pytest.mark.parametrize("mode", MODES)
def test_none_is_nothing(mode: str, policy: str, tmp_path: Path) -> None:
    job, steps, settings, body = MODES[mode]
    data = body(tmp_path) if callable(body) else body
    opened = Opened(job, data, tmp_path, policy=policy, **settings)
    assert opened.read(steps)[0] == []
    assert opened.bad == []
    assert opened.counted[0] > 0


def test_so_it_is_without_a_shuffle(tmp_path: Path) -> None:
    written: list[bytes] = []
    opened = Opened(Nothing, b"a\nb\n").split
    task = MapOnlyTask(
        job=bind(Nothing, "job", {}),
        sources={"": Source(InputSpec(url="s3://in/"))},
        store=opened.store,
        disk=LocalDisk(tmp_path),
        partitions=1,
        budget=1 << 20,
    )
    task.run([opened.split], RowWriter(lambda keys, _: repr(keys).encode(), written.append))
    assert written == []
    assert task.records == 2
