"""`reading`: every line in exactly one split, whatever the lines, the splits and the blocks."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.errors import InputChanged, InputError
from chalicelib.core.plan import Split
from chalicelib.core.ports import Loc
from chalicelib.mapreduce.input.blocks import (
    LOOK_AHEAD,
    TextBlock,
    decode_text,
    line_blocks,
    split_lines,
    whole_object,
)
from chalicelib.mapreduce.input.compression import BLOCK, compression
from chalicelib.mapreduce.input.splits import cut
from chalicelib.stores.memory import MemoryStore
from tests.strategies import examples

LOC = Loc("b", "k.txt")


def stored(body: bytes, loc: Loc = LOC) -> tuple[MemoryStore, Split]:
    store = MemoryStore()
    etag = store.put(loc, body)
    return store, Split(bucket=loc.bucket, key=loc.key, etag=etag, start=0, stop=len(body), size=len(body))


def split_at(split: Split, start: int, stop: int) -> Split:
    return Split(bucket=split.bucket, key=split.key, etag=split.etag, start=start, stop=stop, size=split.size)


def line_starts(body: bytes) -> list[int]:
    return (
        [0, *(place + 1 for place, byte in enumerate(body) if byte == 10 and place + 1 < len(body))]
        if body
        else []
    )


def check_split(store: MemoryStore, split: Split, body: bytes) -> None:
    """The blocks of a split are the lines that begin in it, at their true offsets."""
    starts = [start for start in line_starts(body) if split.start <= start < split.stop]
    if not starts:
        assert list(line_blocks(store, split)) == []
        return
    end = body.find(b"\n", starts[-1]) + 1 or len(body)
    blocks = list(line_blocks(store, split))
    assert b"".join(block.data for block in blocks) == body[starts[0] : end]
    at = starts[0]
    for block in blocks:
        assert block.offset == at
        assert block.data.endswith(b"\n") or at + len(block.data) == len(body)
        at += len(block.data)


@given(
    st.lists(st.sampled_from([b"\n", b"\r\n", b"a", b"bc", "€".encode()]), max_size=30).map(b"".join),
    st.data(),
)
@examples(200)
def test_any_range_has_the_lines_that_begin_in_it(body: bytes, data: st.DataObject) -> None:
    store, whole = stored(body)
    start = data.draw(st.integers(0, max(len(body) - 1, 0)))
    stop = data.draw(st.integers(start + 1, max(len(body), start + 1)))
    check_split(store, split_at(whole, start, min(stop, len(body))), body)


EDGE_SIZES = [1, LOOK_AHEAD - 1, LOOK_AHEAD, LOOK_AHEAD + 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7]


@pytest.mark.parametrize("length", EDGE_SIZES)
@pytest.mark.parametrize("size", [BLOCK // 2, BLOCK, BLOCK + 1, 2 * BLOCK])
def test_lines_about_as_long_as_blocks(length: int, size: int) -> None:
    """One line of this length between short ones, which crosses blocks, look-ahead and splits."""
    body = b"a\n" * 7 + b"x" * length + b"\n" + b"b\n" * 11 + b"y" * (length // 2)
    store, _ = stored(body)
    (info,) = store.list(Loc("b", ""))
    for split in cut("b", info, size, True):
        check_split(store, split, body)


def test_blocks_are_of_bounded_size() -> None:
    body = b"0123456789\n" * 100_000
    store, whole = stored(body)
    sizes = [len(block.data) for block in line_blocks(store, whole)]
    assert sum(sizes) == len(body)
    assert max(sizes) <= BLOCK + 11


def test_a_split_reads_little_more_than_itself() -> None:
    body = b"0123456789\n" * 100_000
    store, whole = stored(body)
    asked: list[tuple[int, int]] = []
    plain = store.stream

    class Spy:
        def stream(self, loc: Loc, start: int, stop: int, etag: str, block: int) -> object:
            asked.append((start, stop))
            return plain(loc, start, stop, etag, block)

    list(line_blocks(Spy(), split_at(whole, 500_000, 600_000)))  # type: ignore[arg-type]
    assert asked == [(499_999, 600_000 + LOOK_AHEAD)]


@pytest.mark.parametrize("change", ["overwritten", "deleted"])
def test_another_object_than_was_planned_is_refused(change: str) -> None:
    store, split = stored(b"one\ntwo\n")
    if change == "overwritten":
        store.put(LOC, b"one\ntwo\n")
    else:
        store.delete("b", ["k.txt"])
    for read in (line_blocks, whole_object):
        with pytest.raises(InputChanged, match=r"s3://b/k\.txt: was overwritten or deleted"):
            list(read(store, split))


def test_a_compressed_object_that_changed_is_changed_not_damaged() -> None:
    loc = Loc("b", "k.gz")
    store, split = stored(gzip.compress(b"one\n"), loc)
    store.put(loc, gzip.compress(b"two\n"))
    with pytest.raises(InputChanged):
        list(line_blocks(store, split))


def test_offsets_of_a_compressed_object_count_unpacked_bytes() -> None:
    body = b"".join(b"line %d\n" % number for number in range(60_000))
    store, split = stored(gzip.compress(body), Loc("b", "k.gz"))
    at = 0
    for block in line_blocks(store, split):
        assert (block.offset, block.data) == (at, body[at : at + len(block.data)])
        at += len(block.data)
    assert at == len(body)
    assert b"".join(whole_object(store, split)) == body


@pytest.mark.parametrize(
    ("key", "extension"),
    [
        ("a.gz", ".gz"),
        ("a.tar.bz2", ".bz2"),
        ("a.xz", ".xz"),
        ("a.zst", ".zst"),
        ("gz", None),
        ("a.gzip", None),
    ],
)
def test_compression_is_known_by_the_key(key: str, extension: str | None) -> None:
    assert compression(key) == extension


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("\n", [""]),
        ("a", ["a"]),
        ("a\n", ["a"]),
        ("a\r\n\r\nb", ["a", "", "b"]),
        ("a\r\r\n", ["a\r"]),
        ("a\x0bb\u2028c\x85d\n", ["a\x0bb\u2028c\x85d"]),
    ],
)
def test_lines_end_at_newlines_and_nowhere_else(text: str, lines: list[str]) -> None:
    assert split_lines(text) == lines
    assert split_lines(text.encode()) == [line.encode() for line in lines]


def test_what_is_no_text_is_named_with_object_and_byte(tmp_path: Path) -> None:
    block = TextBlock(1000, b"fine\n\xffoops\n")
    with pytest.raises(
        InputError, match=r"s3://b/k: byte 1005: b'\\xffoops\\n' is not valid utf-8.*errors: replace"
    ):
        decode_text(block, "utf-8", "strict", "s3://b/k")
    assert decode_text(block, "utf-8", "replace", "") == "fine\n\ufffdoops\n"
    assert decode_text(block, "latin-1", "strict", "") == "fine\nÿoops\n"
