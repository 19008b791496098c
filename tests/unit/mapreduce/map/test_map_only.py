"""Rows written as they come: in blocks, in order, only those that `having` keeps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job
from chalicelib.core.errors import DataTypeError
from chalicelib.core.ports import Loc
from chalicelib.core.spec import InputSpec
from chalicelib.job.binding import bind
from chalicelib.job.job import Each
from chalicelib.job.load_class import Source
from chalicelib.mapreduce.input.splits import cut
from chalicelib.mapreduce.map.map_only import MapOnlyTask, RowWriter
from chalicelib.mapreduce.shuffle.run_file import BLOCK_BYTES, BLOCK_PAIRS, SOME_PAIRS
from chalicelib.stores.disk import LocalDisk
from chalicelib.stores.memory import MemoryStore


def rows(keys: Sequence[Any], values: Sequence[Any]) -> bytes:
    return "".join(f"{key}={value}\n" for key, value in zip(keys, values, strict=True)).encode()


def test_pairs_are_written_in_blocks_of_one_size() -> None:
    written: list[bytes] = []
    writer = RowWriter(rows, written.append)
    count = 2 * BLOCK_PAIRS + 5
    for start in range(0, count, 1000):
        writer.add((number, 1) for number in range(start, min(start + 1000, count)))
    assert [block.count(b"\n") for block in written] == [BLOCK_PAIRS] * 2
    size = len(rows(range(count), [1] * count))
    assert writer.finish() == (0, size)
    assert b"".join(written) == rows(range(count), [1] * count)
    assert writer.pairs == count
    with pytest.raises(DataTypeError, match="expected"):
        writer.add(iter(["x"]))  # type: ignore[list-item]


@pytest.mark.parametrize("value", ["x" * 100_000, {"a": ["x" * 100_000]}], ids=["text", "held by others"])
def test_long_rows_wait_by_their_bytes_not_by_the_thousand(value: Any) -> None:
    made = written = most = 0

    def pairs() -> Iterator[tuple[int, Any]]:
        nonlocal made, most
        for number in range(1000):
            made += 1
            most = max(most, made - written)
            yield number, value

    def taken(data: bytes) -> None:
        nonlocal written
        written += data.count(b"\n")

    writer = RowWriter(rows, taken)
    writer.add(pairs())
    writer.finish()
    assert written == 1000
    assert most * 100_000 <= BLOCK_BYTES + SOME_PAIRS * 100_000, "held, as if all 8 192 were small"


def test_a_task_keeps_what_having_keeps(tmp_path: Path) -> None:
    class Even(Job):
        shuffle = False

        def mapper_chunk(self, text: str) -> Any:
            return Each(map(int, text.split()), "x")

        def having(self, key: int, value: str) -> bool:
            return key % 2 == 0

    store = MemoryStore()
    store.put(Loc("in", "a"), b"".join(b"%d\n" % number for number in range(9)))
    task = MapOnlyTask(
        job=bind(Even, "job", {}),
        sources={"": Source(InputSpec(url="s3://in/"))},
        store=store,
        disk=LocalDisk(tmp_path),
        partitions=1,
        budget=1,
    )
    written: list[bytes] = []
    assert (
        task.run(list(cut("in", store.head(Loc("in", "a")), 4, True)), RowWriter(rows, written.append))
        is None
    )
    assert b"".join(written) == b"".join(b"%d=x\n" % number for number in range(0, 9, 2))
    assert (task.records, task.bytes) == (9, 18)
    assert list(tmp_path.iterdir()) == []
