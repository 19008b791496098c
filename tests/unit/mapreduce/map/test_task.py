"""`map.task`: whatever the user's mapper does wrong is told with its place; what it does right is counted."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job, Sum
from chalicelib.core.plan import Split
from chalicelib.core.ports import Loc
from chalicelib.core.spec import InputSpec
from chalicelib.job.binding import bind
from chalicelib.job.load_class import Source
from chalicelib.mapreduce.input.read_ahead import SMALL
from chalicelib.mapreduce.input.splits import cut
from chalicelib.mapreduce.map.map_only import MapOnlyTask, RowWriter
from chalicelib.mapreduce.output.text import pair_rows
from chalicelib.stores.disk import LocalDisk
from chalicelib.stores.memory import MemoryStore
from tests.worlds.simulation import Simulation, spec


def run(job: type[Job], body: bytes, scratch: Path, **figures: Any) -> Simulation:
    world = Simulation(job, spec(max_attempts=1, **figures), scratch)
    world.drop("a.txt", body)
    world.run()
    assert world.errors == []
    assert not any(scratch.iterdir()), "something was left in the scratch folder"
    return world


def failure(job: type[Job], body: bytes, scratch: Path, **figures: Any) -> str:
    output = run(job, body, scratch, **figures).output()
    assert "_SUCCESS" not in output
    return output["_FAILED"].decode()


class AtLine(Job):
    def mapper(self, _: Any, line: str) -> Any:
        if line == "bad":
            raise ValueError(f"not {line}")
        yield line, 1


@pytest.mark.parametrize("before", [0, 1, 5, 40_000], ids=lambda count: f"{count} lines before")
@pytest.mark.parametrize("split_size", [7, 1 << 20])
def test_an_error_names_the_line_s_first_byte(before: int, split_size: int, tmp_path: Path) -> None:
    if before == 40_000 and split_size == 7:
        before = 90
    good = "häß\r\n".encode() * before
    failed = failure(AtLine, good + b"bad\nmore\n", tmp_path, split_size=split_size)
    assert f"s3://in/data/a.txt, line at byte {len(good)}: ValueError: not bad" in failed
    assert 'raise ValueError(f"not {line}")' in failed


def job_with(**parts: Any) -> type[Job]:
    def mapper(self: Any, key: Any, line: Any) -> Any:
        return [(line, 1)]

    parts = {"mapper": mapper, **parts}
    if "mapper_chunk" in parts or "mapper_raw" in parts:
        del parts["mapper"]
    return type("Made", (Job,), parts)


def broken(self: Any, *args: Any) -> Any:
    raise RuntimeError("broken")


@pytest.mark.parametrize(
    ("parts", "where"),
    [
        ({"mapper_init": broken}, "job job: mapper_init: RuntimeError: broken"),
        ({"mapper_final": broken}, "job job: mapper_final: RuntimeError: broken"),
        ({"mapper": broken}, "s3://in/data/a.txt, line at byte 0: RuntimeError: broken"),
        ({"mapper_chunk": broken}, "s3://in/data/a.txt, chunk at byte 0: RuntimeError: broken"),
        ({"mapper_raw": broken}, "s3://in/data/a.txt: RuntimeError: broken"),
        ({"combiner": broken}, "sort and combine: RuntimeError: broken"),
    ],
    ids=lambda item: "" if isinstance(item, str) else next(iter(item)),
)
def test_each_step_is_named(parts: dict[str, Any], where: str, tmp_path: Path) -> None:
    failed = failure(job_with(**parts), b"one\ntwo\n", tmp_path)
    assert where in failed
    assert 'raise RuntimeError("broken")' in failed


@pytest.mark.parametrize(
    "result",
    [None, (), [], [("k", 1)], iter([("k", 1)]), (pair for pair in [("k", 1)])],
    ids=lambda result: type(result).__name__,
)
def test_a_mapper_may_return_what_can_be_iterated_or_nothing(result: Any, tmp_path: Path) -> None:
    world = run(job_with(mapper=lambda self, key, line: result), b"one\n", tmp_path)
    assert "_SUCCESS" in world.output()
    assert world.text() in (b"", b"k\t1\n")
    assert (world.text() == b"") == (result in (None, (), []))


def test_a_chunk_mapper_may_return_a_mapping(tmp_path: Path) -> None:
    world = run(job_with(mapper_chunk=lambda self, text: {"lines": text.count("\n")}), b"a\nb\n", tmp_path)
    assert world.text() == b"lines\t2\n"


def test_chunks_are_whole_lines(tmp_path: Path) -> None:
    body = b"".join(b"%d\r\n" % number for number in range(60_000)) + b"end"

    def whole(self: Any, text: str) -> Any:
        yield "first", text.split("\r\n")[0]
        yield "count", text.count("\n") + (not text.endswith("\n"))

    world = run(job_with(mapper_chunk=whole), body, tmp_path, split_size=100_001)
    rows = [line.split("\t") for line in world.text().decode().splitlines()]
    assert sum(int(value) for key, value in rows if key == "count") == 60_001
    assert all(value == "end" or 0 <= int(value) < 60_000 for key, value in rows if key == "first")


def test_a_raw_mapper_gets_the_object_s_bytes_and_its_file_goes_after_it(tmp_path: Path) -> None:
    seen: list[Path] = []

    def raw(self: Any, path: str) -> Any:
        seen.append(Path(path))
        yield Path(path).read_bytes(), Path(path).name

    world = run(job_with(mapper_raw=raw), b"\x00\xff\n\r", tmp_path, split_size=1)
    assert world.text().startswith(b"\x00\xff\\n\r\t")
    assert world.invocations["mapper"] == 1
    assert not seen[0].exists()


def test_what_was_read_and_written_is_counted(tmp_path: Path) -> None:
    body = b"a b\nc\n\nlast"

    class Words(Job):
        def mapper(self, _: Any, line: str) -> Any:
            for word in line.split():
                yield word, 1

    world = run(Words, body, tmp_path, split_size=4)
    manifest = json.loads(world.output()["_manifest.json"])
    mapped = manifest["mapped"]
    assert (mapped["records_in"], mapped["records_out"], mapped["bytes_in"]) == (4, 4, len(body))
    assert mapped["spilled"] == 0


def test_spills_are_counted_and_cleaned_away(tmp_path: Path) -> None:
    class Wide(Job):
        def mapper_chunk(self, text: str) -> Any:
            for line in text.splitlines():
                yield line, 1

        reducer = Sum()

    body = b"".join(b"%d\n" % number for number in range(50_000))
    world = run(Wide, body, tmp_path, memory_budget=1000)
    mapped = json.loads(world.output()["_manifest.json"])["mapped"]
    assert mapped["spilled"] > 50_000
    assert world.text() == b"".join(b"%d\t1\n" % number for number in sorted(range(50_000), key=str))


def test_a_mistake_that_stops_a_run_leaves_no_spill_behind(tmp_path: Path) -> None:
    class Late(Job):
        def mapper(self, _: Any, line: str) -> Any:
            if line == "bad":
                raise ValueError(line)
            yield line, 1

    failure(Late, b"fine\n" * 100_000 + b"bad\n", tmp_path, memory_budget=1)


FORMATS: dict[str, dict[str, Any]] = {
    "text": {},
    "text.gz": {},
    "csv": {"format": "csv", "header": True},
    "multiline": {"format": "csv", "multiline": True},
    "json lines": {"format": "jsonl"},
    "delimiter": {"record_delimiter": "999"},
    "whole files": {"format": "whole_file"},
    "fixed": {"format": "fixed", "record_bytes": 100},
    "pairs": {"format": "pairs"},
}


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_read_ahead_is_what_is_asked_for(name: str, tmp_path: Path) -> None:
    """A stretch that no reader asks for would be a request more. Of csv the second header is one less."""

    def mapper(_self: Any, key: Any, value: Any) -> Any:
        yield len(str(key)), len(str(value))

    chance, store, splits = random.Random(1), MemoryStore(), list[Split]()
    for number in range(2):
        lines = [b'"%097d"\n' % chance.randrange(10**96) for _ in range(3 * SMALL // 100)]
        loc, body = Loc("in", f"{number}.gz" if name.endswith(".gz") else str(number)), b"".join(lines)
        if name == "pairs":
            body = pair_rows(lines, lines)
        store.put(loc, gzip.compress(body, 1) if name.endswith(".gz") else body)
        splits += cut("in", store.head(loc), 1 << 30, False)
    assert all(split.size > SMALL for split in splits), "longer than what is fetched whole"
    found, requests = [], []
    for store.parallel_reads in (0, 4):
        task = MapOnlyTask(
            job=bind(job_with(mapper=mapper), "job", {}),
            sources={"": Source(InputSpec(url="s3://in/", **FORMATS[name]))},
            store=store,
            disk=LocalDisk(tmp_path),
            partitions=1,
            budget=1 << 20,
        )
        written: list[bytes] = []
        before = store.requests["get"]
        task.run(splits, RowWriter(pair_rows, written.append))
        requests.append(store.requests["get"] - before)
        found.append(b"".join(written))
    assert found[0] == found[1] != b""
    assert requests[0] - requests[1] == (name == "csv")
