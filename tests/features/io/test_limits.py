"""`input.max_record_bytes`: what is longer is a bad record, wherever it stands, and never fills the memory."""

from __future__ import annotations

import base64
import bz2
import gzip
import json
import lzma
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import Job, Sum
from chalicelib.core.errors import InputError
from chalicelib.core.plan import Split
from chalicelib.core.ports import Loc
from chalicelib.core.spec import BadRecordsSpec, InputSpec
from chalicelib.mapreduce.input.blocks import line_blocks
from chalicelib.mapreduce.input.rows import rows_of_stream
from chalicelib.mapreduce.input.splits import cut
from chalicelib.mapreduce.shuffle.zstd import ZstdCompressor
from chalicelib.stores.memory import MemoryStore
from tests.strategies import examples
from tests.worlds.simulation import Simulation, spec

MIB = 1 << 20


class Chunked(MemoryStore):
    """Streams in chunks of a given size, as a network might."""

    def __init__(self, chunk: int) -> None:
        super().__init__()
        self.chunk = chunk

    def stream(self, *args: Any, **kwargs: Any) -> Iterator[bytes]:
        return super().stream(*args, **(kwargs | {"block": self.chunk}))


def read(
    store: MemoryStore, split: Split, limit: int
) -> tuple[list[tuple[int, bytes]], list[tuple[int, bytes]]]:
    """(lines with their offsets, long lines with their offsets and beginnings)."""
    long: list[tuple[int, bytes]] = []
    lines = []
    for block in line_blocks(store, split, limit, lambda _error, at, data: long.append((at, data))):
        at = block.offset
        for line in block.data.splitlines(keepends=True):
            lines.append((at, line))
            at += len(line)
    return lines, long


@given(
    st.lists(st.integers(0, 12), max_size=12),
    st.booleans(),
    st.integers(1, 8),
    st.integers(1, 9),
    st.integers(1, 40),
)
@examples(300)
def test_long_lines_are_told_once_and_the_others_stay_whatever_the_splits_and_chunks(
    lengths: list[int], newline_at_end: bool, limit: int, chunk: int, split_size: int
) -> None:
    body = b"\n".join(b"x" * length for length in lengths) + (b"\n" if newline_at_end else b"")
    store = Chunked(chunk)
    store.put(Loc("b", "k"), body)
    (info,) = store.list(Loc("b", ""))
    lines: list[tuple[int, bytes]] = []
    long: list[tuple[int, bytes]] = []
    for split in cut("b", info, split_size, True):
        some, told = read(store, split, limit)
        lines += some
        long += told
    expected: list[tuple[int, bytes]] = []
    at = 0
    for line in body.splitlines(keepends=True):
        expected.append((at, line))
        at += len(line)
    assert lines == [(at, line) for at, line in expected if len(line.rstrip(b"\n")) <= limit]
    refused = [(at, line) for at, line in expected if len(line.rstrip(b"\n")) > limit]
    assert [at for at, _ in long] == [at for at, _ in refused]
    for (_, told_line), (_, line) in zip(long, refused, strict=True):
        assert line.startswith(told_line)
        assert len(told_line) > limit


def test_a_line_without_an_end_is_read_once_by_many_splits() -> None:
    """Each split reads its own bytes and little more, not on to the end of the object."""
    body = b"x" * (4 * MIB)
    store = Chunked(1 << 14)
    store.put(Loc("b", "k"), body)
    (info,) = store.list(Loc("b", ""))
    read_bytes = 0
    plain = store.stream

    class Counted:
        def stream(self, *args: Any, **kwargs: Any) -> Iterator[bytes]:
            nonlocal read_bytes
            for chunk in plain(*args, **kwargs):
                read_bytes += len(chunk)
                yield chunk

    for split in cut("b", info, MIB // 16, True):
        assert list(line_blocks(Counted(), split, 1024, lambda *_: None)) == []  # type: ignore[arg-type]
    assert read_bytes < 2 * len(body)


def zstd(data: bytes) -> bytes:
    return ZstdCompressor(level=1).compress(data, ZstdCompressor.FLUSH_FRAME)


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lambda data: lzma.compress(data, preset=1),
    ".zst": zstd,
}


def stored_bomb(extension: str, content: bytes) -> tuple[MemoryStore, Split]:
    store, body = MemoryStore(), PACKERS[extension](content)
    assert len(body) < len(content) // 100
    etag = store.put(Loc("b", f"k{extension}"), body)
    return store, Split(bucket="b", key=f"k{extension}", etag=etag, start=0, stop=len(body), size=len(body))


def peak_of(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("extension", PACKERS)
def test_what_unpacks_to_much_is_streamed(extension: str) -> None:
    store, split = stored_bomb(extension, (b"0" * 99 + b"\n") * 100_000)
    total = 0

    def work() -> None:
        nonlocal total
        total = sum(len(block.data) for block in line_blocks(store, split))

    assert peak_of(work) < 4 * MIB
    assert total == 10_000_000


@pytest.mark.parametrize("extension", PACKERS)
def test_what_unpacks_to_one_endless_line_is_refused_in_bounded_memory(extension: str) -> None:
    store, split = stored_bomb(extension, bytes(24 * MIB))

    def work() -> None:
        with pytest.raises(
            InputError, match=rf"s3://b/k{extension}: line at byte 0: longer than input.max_rec"
        ):
            list(line_blocks(store, split, MIB))

    assert peak_of(work) < 8 * MIB


def test_an_xz_file_may_not_ask_for_all_the_memory_there_is() -> None:
    """Its header, of a few bytes, says how large a dictionary to keep."""
    few = lzma.compress(
        b"a\n",
        filters=[
            {"id": lzma.FILTER_LZMA2, "dict_size": 200 * MIB, "mode": lzma.MODE_FAST, "mf": lzma.MF_HC3}
        ],
    )
    store = MemoryStore()
    etag = store.put(Loc("b", "k.xz"), few)
    split = Split(bucket="b", key="k.xz", etag=etag, start=0, stop=len(few), size=len(few))
    with pytest.raises(InputError, match=r"s3://b/k\.xz: not a whole \.xz file; .*[Mm]emory usage limit"):
        list(line_blocks(store, split))


@pytest.mark.parametrize("extension", PACKERS)
@pytest.mark.parametrize("damage", ["", "garbage", "flipped", "cut"])
def test_of_several_streams_in_one_object_none_is_lost(extension: str, damage: str) -> None:
    """As `cat a.gz b.gz` and parallel packers write them."""
    first, second = PACKERS[extension](b"one\n" * 5000), PACKERS[extension](b"two\n" * 5000)
    second = {
        "": second,
        "garbage": second + b"no stream",
        "flipped": bytes([second[0] ^ 1]) + second[1:],
        "cut": second[:-7],
    }[damage]
    store, body = MemoryStore(), first + second
    etag = store.put(Loc("b", f"k{extension}"), body)
    split = Split(bucket="b", key=f"k{extension}", etag=etag, start=0, stop=len(body), size=len(body))
    if damage:
        with pytest.raises(InputError, match=rf"s3://b/k{extension}: not a whole {extension} file"):
            list(line_blocks(store, split))
    else:
        assert (
            b"".join(block.data for block in line_blocks(store, split)) == b"one\n" * 5000 + b"two\n" * 5000
        )


def test_zeros_between_and_after_streams_of_xz_are_padding() -> None:
    store, body = MemoryStore(), lzma.compress(b"one\n") + bytes(8) + lzma.compress(b"two\n") + bytes(400_000)
    etag = store.put(Loc("b", "k.xz"), body)
    split = Split(bucket="b", key="k.xz", etag=etag, start=0, stop=len(body), size=len(body))
    assert b"".join(block.data for block in line_blocks(store, split)) == b"one\ntwo\n"


def test_a_row_with_an_open_quote_is_refused_in_bounded_memory() -> None:
    fields = InputSpec(url="s3://in/", format="csv", multiline=True, max_record_bytes=MIB)
    chunks = (
        b'a,"' + b"x" * 99_997 if number == 0 else b"y" * 50_000 + b"\n" * 50_000 for number in range(400)
    )

    def work() -> None:
        with pytest.raises(InputError, match=r"s3://b/k: .*a row is longer than input.max_record_bytes"):
            list(rows_of_stream(fields, chunks, "s3://b/k"))

    assert peak_of(work) < 16 * MIB


def test_rows_up_to_the_limit_are_whole() -> None:
    fields = InputSpec(url="s3://in/", format="csv", multiline=True, max_record_bytes=400_000)
    row = b'a,"' + b"x" * 150_000 + b"\n" + b"y" * 150_000 + b'"\n'
    (rows,) = rows_of_stream(fields, iter([row * 5]), "s3://b/k")
    assert [len(field) for field in rows[0]] == [1, 300_001]
    assert rows == [rows[0]] * 5


class Words(Job):
    def mapper(self, _: Any, line: str) -> Any:
        for word in line.split():
            yield word, 1

    reducer = Sum()


class Sizes(Job):
    def mapper(self, key: str, body: str) -> Any:
        yield key, len(body)


BODY = b"a b\n" * 100 + b"L" * 5000 + b"\n" + b"c\n" + b"M" * 20_000


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
@pytest.mark.parametrize("split_size", [64, 1000, 1 << 20])
def test_under_quarantine_a_long_line_is_a_bad_record(name: str, split_size: int, tmp_path: Path) -> None:
    bad = BadRecordsSpec(policy="quarantine", max_fraction=0.5)
    job_spec = spec(split_size=split_size, bad_records=bad, input={"max_record_bytes": 1000})
    simulation = Simulation(Words, job_spec, tmp_path)
    simulation.drop(name, gzip.compress(BODY) if name.endswith(".gz") else BODY)
    simulation.run()
    rows = (line.split("\t") for line in simulation.text().decode().splitlines())
    assert {word: int(number) for word, number in rows} == Counter({"a": 100, "b": 100, "c": 1})
    manifest = json.loads(simulation.output()["_manifest.json"])
    found = [
        json.loads(line)
        for key in manifest["quarantine"]
        for line in simulation.memory.get(Loc("work", key)).splitlines()
    ]
    assert sorted(record["offset"] for record in found) == [400, 5403]
    assert {base64.b64decode(record["record"])[:1] for record in found} == {b"L", b"M"}
    assert all("max_record_bytes (1000)" in record["error"] for record in found)


@pytest.mark.parametrize("split_size", [64, 1 << 20])
def test_under_fail_it_is_named(split_size: int, tmp_path: Path) -> None:
    simulation = Simulation(Words, spec(split_size=split_size, input={"max_record_bytes": 1000}), tmp_path)
    simulation.drop("a.txt", BODY)
    simulation.run()
    told = simulation.output()["_FAILED"].decode()
    assert "s3://in/data/a.txt: line at byte 400: longer than input.max_record_bytes (1000)" in told


def test_a_whole_file_is_a_record_too(tmp_path: Path) -> None:
    bad = BadRecordsSpec(policy="quarantine", max_fraction=0.6)
    fields = {"format": "whole_file", "max_record_bytes": 1000}
    simulation = Simulation(Sizes, spec(bad_records=bad, trigger="marker", input=fields), tmp_path)
    simulation.add("bomb.gz", gzip.compress(bytes(10 * MIB)))
    simulation.add("fine.gz", gzip.compress(bytes(1000)))
    simulation.drop("_READY", b"")
    simulation.run()
    assert simulation.text() == b"s3://in/data/fine.gz\t1000\n"
    assert json.loads(simulation.output()["_manifest.json"])["bad"] == 1


class OnDisk(Job):
    def mapper_raw(self, path: str) -> Any:
        yield Path(path).name, Path(path).stat().st_size


def test_an_object_on_local_disk_may_be_large_but_not_unpack_to_more_than_the_limit(tmp_path: Path) -> None:
    bad = BadRecordsSpec(policy="quarantine", max_fraction=0.6)
    job_spec = spec(
        bad_records=bad, trigger="marker", input={"format": "whole_file", "max_record_bytes": 1000}
    )
    simulation = Simulation(OnDisk, job_spec, tmp_path)
    simulation.add("bomb.gz", gzip.compress(bytes(10 * MIB)))
    simulation.add("fine.gz", gzip.compress(bytes(1000)))
    simulation.add("large.bin", bytes(50_000))
    simulation.drop("_READY", b"")
    simulation.run()
    assert simulation.text() == b"object-fine.gz\t1000\nobject-large.bin\t50000\n"
    assert json.loads(simulation.output()["_manifest.json"])["bad"] == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "key",
    ["../up.txt", "a/../../up.txt", "x/" + "n" * 300, "x/" + "😀" * 200, "a b\n\t;$(touch x)", "%2e%2e%2fup"],
)
def test_whatever_an_objects_name_is_its_file_stays_in_the_scratch_folder(key: str, tmp_path: Path) -> None:
    seen: list[Path] = []

    class Looks(Job):
        def mapper_raw(self, path: str) -> Any:
            seen.append(Path(path))
            yield Path(path).read_text(), 1

    scratch = tmp_path / "outer" / "scratch"
    scratch.mkdir(parents=True)
    simulation = Simulation(Looks, spec(trigger="marker", input={"format": "whole_file"}), scratch)
    simulation.add(key, b"body")
    simulation.drop("_READY", b"")
    simulation.run()
    assert simulation.text() == b"body\t1\n"
    (path,) = seen
    assert path.resolve().is_relative_to(scratch)
    assert [item.name for item in tmp_path.rglob("*")] == ["outer", "scratch"]
