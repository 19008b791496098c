"""Records that end in bytes of the job's own choice: each once, for every delimiter, split and block."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib import Each, Job, Sum
from chalicelib.config.check import problems
from chalicelib.core.errors import InputError
from chalicelib.core.plan import Split
from chalicelib.core.ports import Loc
from chalicelib.core.spec import InputSpec, SqlSpec
from chalicelib.mapreduce.input import delimited
from chalicelib.mapreduce.input.blocks import TextBlock
from chalicelib.mapreduce.input.delimited import delimited_blocks
from chalicelib.stores.memory import MemoryStore
from chalicelib.testing import run_job
from tests.features.io.runs import failed, job_spec, run
from tests.strategies import examples

#: Some that overlap themselves, and some that do not.
DELIMITERS = [b"|", b"--", b"\n\n", b"ab", b"aba", b"aab", b"abab", b"\r\n"]


def oracle(body: bytes, delimiter: bytes) -> list[tuple[int, bytes]]:
    """(first byte, record with its delimiter), from left to right, as Python splits."""
    pieces = body.split(delimiter)
    found, at = [], 0
    for number, piece in enumerate(pieces):
        record = piece + (delimiter if number + 1 < len(pieces) else b"")
        if record:
            found.append((at, record))
        at += len(record)
    return found


def stored(body: bytes, key: str = "k.txt") -> tuple[MemoryStore, Split]:
    store = MemoryStore()
    etag = store.put(Loc("b", key), body)
    return store, Split(bucket="b", key=key, etag=etag, start=0, stop=len(body), size=len(body))


bodies = st.sampled_from(DELIMITERS).flatmap(
    lambda delimiter: st.tuples(
        st.just(delimiter),
        st.lists(st.sampled_from([delimiter, delimiter[:1], b"a", b"b", b"x"]), max_size=24).map(b"".join),
    )
)


class Chunks(MemoryStore):
    """Gives objects in chunks of few bytes."""

    size = 3

    def stream(
        self, loc: Loc, start: int = 0, stop: int | None = None, etag: str | None = None, block: int = 0
    ) -> Any:
        return super().stream(loc, start, stop, etag, self.size)


@given(bodies, st.integers(1, 5), st.lists(st.integers(1, 60), max_size=4))
@examples(400)
def test_each_record_is_in_the_split_of_its_first_byte(
    body_of: tuple[bytes, bytes], chunk: int, cuts: list[int]
) -> None:
    delimiter, body = body_of
    store = Chunks()
    store.size = chunk
    etag = store.put(Loc("b", "k"), body)
    edges = sorted({0, len(body), *(cut for cut in cuts if cut < len(body))})
    for start, stop in pairwise(edges):
        split = Split(bucket="b", key="k", etag=etag, start=start, stop=stop, size=len(body))
        blocks = list(delimited_blocks(store, split, delimiter, 1 << 20))
        wanted = [(at, record) for at, record in oracle(body, delimiter) if start <= at < stop]
        assert b"".join(block.data for block in blocks) == b"".join(record for _, record in wanted)
        assert [block.offset for block in blocks][:1] == [at for at, _ in wanted][:1]
        for one, two in pairwise(blocks):
            assert one.offset + len(one.data) == two.offset
            assert two.offset in [at for at, _ in wanted], "blocks are of whole records"


def test_a_run_of_delimiters_longer_than_what_is_looked_at_first_is_settled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(delimited, "_BACK", 8)
    body = b"x" + b"\n" * 1001 + b"y\n\nz"
    store, whole = stored(body)
    for start in (500, 501, 1000, 1001, 1002, 1003):
        (*_, last) = delimited_blocks(store, replace(whole, start=start), b"\n\n", 1 << 20)
        assert last.data.endswith(b"z")
        found = list(delimited_blocks(store, replace(whole, start=start), b"\n\n", 1 << 20))
        wanted = [(at, record) for at, record in oracle(body, b"\n\n") if at >= start]
        assert found[0].offset == wanted[0][0]
        assert b"".join(block.data for block in found) == b"".join(record for _, record in wanted)
    with pytest.raises(
        InputError, match=r"the 100 bytes before byte 498 are input\.record_delimiter over and over"
    ):
        list(delimited_blocks(store, replace(whole, start=500), b"\n\n", 100))


@pytest.mark.parametrize("chunk", [1, 4, 1 << 17])
@pytest.mark.parametrize("cut", [0, 3, 9, 25])
def test_a_record_that_is_too_long_is_told_and_passed_over(chunk: int, cut: int) -> None:
    body = b"ab--" + b"x" * 20 + b"--cd--" + b"y" * 11
    store = Chunks()
    store.size = chunk
    etag = store.put(Loc("b", "k"), body)
    told: list[tuple[int, int]] = []
    found = b""
    for start, stop in ((0, cut), (cut, len(body))):
        if start == stop:
            continue
        split = Split(bucket="b", key="k", etag=etag, start=start, stop=stop, size=len(body))
        blocks = delimited_blocks(store, split, b"--", 10, lambda _e, at, data: told.append((at, data[0])))
        found += b"".join(block.data for block in blocks)
    assert found == b"ab--cd--"
    assert told == [(4, ord("x")), (30, ord("y"))]
    whole = Split(bucket="b", key="k", etag=etag, start=0, stop=len(body), size=len(body))
    with pytest.raises(InputError, match=r"k: record at byte 4: longer than input.max_record_bytes \(10\)"):
        list(delimited_blocks(store, whole, b"--", 10))


def test_a_byte_order_mark_is_no_part_of_the_first_record() -> None:
    store, whole = stored("\ufeffa|b".encode())
    assert list(delimited_blocks(store, whole, b"|", 99)) == [TextBlock(3, b"a|"), TextBlock(5, b"b")]
    kept = list(delimited_blocks(store, whole, b"|", 99, keep_mark=True))
    assert kept == [TextBlock(0, "\ufeffa|".encode()), TextBlock(5, b"b")]


# -- whole jobs ------------------------------------------------------------------------------------------

PARAGRAPHS = "to be\nor not\n\nto be\n\n\nthat is\n\n\n\nthe question: § ä\n"


class Paragraphs(Job):
    def mapper(self, _: None, paragraph: Any) -> Iterator[Any]:
        if paragraph == "refuse":
            raise ValueError("no paragraph")
        yield paragraph, self.input.offset

    reducer = Sum()


class Counted(Job):
    def mapper_chunk(self, text: str) -> Any:
        if "refuse" in text:
            raise ValueError("no paragraph")
        return Each([paragraph for paragraph in text.split("\n\n") if paragraph], 1)

    reducer = Sum()


@pytest.mark.parametrize("split_size", [1, 2, 3, 7, 1000])
def test_paragraphs(split_size: int) -> None:
    given_input = {"record_delimiter": "\n\n"}
    wanted = sorted(
        (record.decode().removesuffix("\n\n"), at) for at, record in oracle(PARAGRAPHS.encode(), b"\n\n")
    )
    assert run_job(Paragraphs, PARAGRAPHS, input=given_input, split_size=split_size) == wanted
    assert ("\nthat is", 21) in wanted
    counted = run_job(Counted, PARAGRAPHS, input=given_input, split_size=split_size)
    assert counted == sorted((text, 1) for text, _ in wanted if text)


def test_bytes_and_encodings() -> None:
    found = run_job(Paragraphs, b"\xff\x00;\xe4", input={"record_delimiter": "\0;", "encoding": "bytes"})
    assert found == [(b"\xe4", 3), (b"\xff", 0)]
    latin = "ä§b§".encode("latin-1")
    assert run_job(Paragraphs, latin, input={"record_delimiter": "§", "encoding": "latin-1"}) == [
        ("b", 2),
        ("ä", 0),
    ]


def given_input(**figures: Any) -> InputSpec:
    return InputSpec(url="s3://in/data/", record_delimiter="\n\n", **figures)


@pytest.mark.parametrize("job", [Paragraphs, Counted])
@pytest.mark.parametrize("split_size", [6, 1000])
def test_a_run_with_bad_records_and_a_compressed_object(
    job: type[Job], split_size: int, tmp_path: Path
) -> None:
    spec = job_spec(
        given_input(),
        split_size=split_size,
        partitions=1,
        bad_records={"policy": "quarantine", "max_fraction": 1.0},
    )
    body = (PARAGRAPHS + "\nrefuse\n\nlast").encode()
    world = run(job, spec, {"a.txt": body, "b.txt.gz": gzip.compress(body)}, tmp_path)
    rows = [row.split(b"\t")[0] for row in world.text().splitlines()]
    wanted = {record.removesuffix(b"\n\n") for _, record in oracle(body, b"\n\n")} - {b"refuse"}
    assert sorted(rows) == sorted(
        record.replace(b"\n", b"\\n") for record in wanted if record or job is Paragraphs
    )


def test_what_fails_names_the_record(tmp_path: Path) -> None:
    said = failed(Paragraphs, job_spec(given_input()), {"a.txt": b"a\n\nrefuse\n\nb"}, tmp_path)
    assert "s3://in/data/a.txt, record at byte 3: ValueError: no paragraph" in said


@pytest.mark.parametrize(
    ("figures", "text"),
    [
        (
            {"format": "csv"},
            "only text has records that end as you like, got input.format: csv; leave it out",
        ),
        ({"comment": "#"}, "comments are lines, and there are none; leave it out, or input.comment"),
        (
            {"encoding": "shift_jis"},
            "in shift_jis its bytes may be part of other characters; expected utf-8, bytes, or an encoding of one byte"
            " a character",
        ),
        ({"encoding": "ascii", "record_delimiter": "§"}, "'\\xa7' cannot be written in ascii"),
    ],
)
def test_what_does_not_go_together(figures: dict[str, Any], text: str) -> None:
    given_here = InputSpec(**{"url": "s3://in/data/", "record_delimiter": "\n\n", **figures})
    assert ("input.record_delimiter", text) in problems(job_spec(given_here), "a", places=False)


def test_lines_are_neither_counted_nor_queried_where_there_are_none() -> None:
    found = problems(job_spec(given_input(), split_lines=3), "a", places=False)
    assert [(key, text.partition(",")[0]) for key, text in found] == [
        ("input.record_delimiter", "split_lines counts lines")
    ]
    sql = replace(job_spec(given_input()), job="", sql=SqlSpec(map="SELECT 1"))
    assert ("input.record_delimiter", "a job in SQL reads lines; leave it out") in problems(
        sql, "a", places=False
    )
    assert problems(job_spec(given_input(), map_tasks=3), "a", places=False) == []
