"""Carriage returns and byte order marks mean one thing: whatever the format, the policy and the splits."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job
from chalicelib.core.errors import InputError
from chalicelib.core.plan import Split
from chalicelib.core.ports import Loc
from chalicelib.core.spec import BadRecordsSpec, InputSpec
from chalicelib.mapreduce.input.blocks import line_blocks
from chalicelib.mapreduce.input.rows import rows_of_stream
from chalicelib.mapreduce.map import chunks, text_records, whole_objects
from chalicelib.mapreduce.shuffle.zstd import ZstdCompressor
from chalicelib.stores.memory import MemoryStore
from chalicelib.testing import run_job
from tests.features.io.runs import failed, job_spec, run
from tests.unit.mapreduce.map.opened import Lines, Opened

MARK = b"\xef\xbb\xbf"


class Records(Job):
    """Each record with the byte at which it begins."""

    def mapper(self, _: Any, record: Any) -> Any:
        yield self.input.offset, json.dumps(record)


def records(body: bytes, split_size: int = 1000, **settings: Any) -> list[tuple[int, Any]]:
    found = run_job(Records, body, input=settings, split_size=split_size)
    return [(offset, json.loads(text)) for offset, text in found]


# -- carriage returns -------------------------------------------------------------------------------------

ODD = b'1,2\ra\n3,"4"\r\n5\r,6\r\r\n"7\r8",9\n'
ODD_ROWS = [["1", "2\ra"], ["3", "4"], ["5\r", "6\r"], ["7\r8", "9"]]


@pytest.mark.parametrize("policy", ["fail", "quarantine"])
@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_a_carriage_return_inside_a_line_is_a_character(policy: str, delimiter: str) -> None:
    form = {",": "csv", "\t": "tsv"}[delimiter]
    opened = Opened(Lines, ODD.replace(b",", delimiter.encode()), policy=policy, format=form)
    assert [key for key, _ in opened.read(text_records.steps)[0]] == ODD_ROWS
    assert opened.bad == []


@pytest.mark.parametrize("split_size", [1, 5, 9, 1000])
def test_it_is_one_however_the_object_is_cut(split_size: int) -> None:
    assert [row for _, row in records(ODD, split_size, format="csv")] == ODD_ROWS


@pytest.mark.parametrize("chunk", [1, 2, 7, 1000])
def test_it_is_one_in_rows_of_several_lines(chunk: int) -> None:
    spec = InputSpec(url="s3://in/", format="csv", multiline=True)
    body = ODD + b'"a\r\nb\rc",d\r\n'
    pieces = (body[at : at + chunk] for at in range(0, len(body), chunk))
    assert [row for rows in rows_of_stream(spec, pieces, "") for row in rows] == [
        *ODD_ROWS,
        ["a\r\nb\rc", "d"],
    ]


@pytest.mark.parametrize("more", [b"1,2\n", b'1,"2"\n', b""])
@pytest.mark.parametrize("form", ["csv", "tsv"])
def test_in_a_header_it_is_an_error_with_object_and_byte(form: str, more: bytes, tmp_path: Path) -> None:
    spec = job_spec(InputSpec(url="s3://in/data/", format=form, header=True))
    told = failed(Records, spec, {"a.csv": b"x\r,y\r\n" + more}, tmp_path)
    assert "s3://in/data/a.csv: the header at byte 0: holds a carriage return that ends no line" in told


def test_a_bad_header_sets_its_object_aside(tmp_path: Path) -> None:
    spec = job_spec(
        InputSpec(url="s3://in/data/", format="csv", header=True),
        bad_records=BadRecordsSpec(policy="quarantine", max_fraction=1.0),
    )
    world = run(Records, spec, {"a.csv": b"x\r,y\n1,2\n", "b.csv": b"x,y\n3,4\n"}, tmp_path)
    assert world.text() == b'4\t{"x": "3", "y": "4"}\n'


# -- headers ----------------------------------------------------------------------------------------------


PACKED: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda body: ZstdCompressor().compress(body, ZstdCompressor.FLUSH_FRAME),
}


@pytest.mark.parametrize("suffix", PACKED)
@pytest.mark.parametrize("rows", [1, 200_000])
def test_the_header_of_a_packed_object_is_unpacked(suffix: str, rows: int) -> None:
    body = MARK + b"x,y\n" + b"1,2\n" * rows
    opened = Opened(Lines, PACKED[suffix](body), key=f"a.csv{suffix}", format="csv", header=True)
    found = [key for key, _ in opened.read(text_records.steps)[0]]
    assert found == [{"x": "1", "y": "2"}] * rows


@pytest.mark.parametrize("split_size", [1, 6, 1000])
def test_the_header_is_the_first_line_that_is_no_comment(split_size: int) -> None:
    body = b"# of today\n#x\nx,y\n1,2\n#3,4\n5,6\n"
    found = records(body, split_size, format="csv", header=True, comment="#")
    assert found == [(18, {"x": "1", "y": "2"}), (27, {"x": "5", "y": "6"})]


# -- byte order marks -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "settings", "expected"),
    [
        (b"one\ntwo\n", {}, [(3, "one"), (7, "two")]),
        (b"#no\ntwo\n", {"comment": "#"}, [(7, "two")]),
        (b'"a",b\n1,2\n', {"format": "csv"}, [(3, ["a", "b"]), (9, ["1", "2"])]),
        (b'"x",y\n1,2\n', {"format": "csv", "header": True}, [(9, {"x": "1", "y": "2"})]),
        (b"x\ty\r\n1\t2\r\n", {"format": "tsv", "header": True}, [(8, {"x": "1", "y": "2"})]),
        (b"1\n[2]\n", {"format": "jsonl"}, [(3, 1), (5, [2])]),
        (b"", {}, []),
        (b"one\n" + MARK + b"two\n", {}, [(3, "one"), (7, "\ufefftwo")]),
    ],
)
@pytest.mark.parametrize("split_size", [1, 2, 3, 4, 5, 7, 1000])
def test_a_byte_order_mark_is_left_out_at_the_beginning_alone(
    body: bytes, settings: dict[str, Any], expected: Any, split_size: int
) -> None:
    assert records(MARK + body, split_size, **settings) == expected


def test_a_mark_belongs_to_an_object_and_not_to_its_later_splits() -> None:
    store = MemoryStore()
    body = b"one\n" + MARK + b"two\n"
    etag = store.put(Loc("b", "k"), body)
    split = Split(bucket="b", key="k", etag=etag, start=4, stop=len(body), size=len(body))
    assert [block.data for block in line_blocks(store, split)] == [MARK + b"two\n"]


def test_it_is_left_out_of_chunks_and_of_whole_text() -> None:
    class Text(Job):
        def mapper_chunk(self, text: str) -> Any:
            return [(text, 1)]

    assert Opened(Text, MARK + b"one\n").read(chunks.steps)[0] == [("one\n", 1)]
    assert Opened(Text, MARK + b"one\n", format="whole_file").read(whole_objects.steps)[0] == [("one\n", 1)]


@pytest.mark.parametrize("chunk", [1, 2, 4, 1000])
def test_it_is_left_out_of_rows_of_several_lines(chunk: int) -> None:
    spec = InputSpec(url="s3://in/", format="csv", multiline=True, header=True)
    for body in (MARK + b'"x"\n"1\n2"\n', b"\n", b"", MARK):
        pieces = (body[at : at + chunk] for at in range(0, len(body), chunk))
        rows = [row for rows in rows_of_stream(spec, pieces, "") for row in rows]
        assert rows == ([{"x": "1\n2"}] if b"x" in body else [])


@pytest.mark.parametrize(("form", "steps"), [("text", chunks.steps), ("whole_file", whole_objects.steps)])
def test_bytes_are_as_they_are(form: str, steps: Any) -> None:
    class Bytes(Job):
        def mapper_chunk(self, data: bytes) -> Any:
            return [(data, 1)]

    opened = Opened(Bytes, MARK + b"one\n", format=form, encoding="bytes")
    assert opened.read(steps)[0] == [(MARK + b"one\n", 1)]


def test_what_is_set_aside_beside_a_mark_is_the_line_alone() -> None:
    opened = Opened(Lines, MARK + b"bad\ngood\n", policy="quarantine")
    assert [key for key, _ in opened.read(text_records.steps)[0]] == ["good"]
    assert opened.bad == [(3, 1, "bad\n")]


def test_what_is_no_text_is_named_with_its_byte_behind_a_mark() -> None:
    with pytest.raises(InputError, match="byte 6: "):
        Opened(Lines, MARK + b"one\xff\n").read(text_records.steps)
