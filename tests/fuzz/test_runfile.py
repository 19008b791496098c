"""Run files from nowhere: damage is noticed, however it is done, in bounded memory."""

from __future__ import annotations

import random
import struct
import tracemalloc
from typing import Any
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.codec import MAX_NONES, decode_column, encode_column
from chalicelib.core.errors import CorruptData
from chalicelib.mapreduce.shuffle.run_file import RunWriter, read_blocks
from chalicelib.mapreduce.shuffle.zstd import ZstdCompressor
from tests.fuzz.damage import damaged, or_refused
from tests.strategies import examples, same, values


def written(*groups: list[tuple[Any, Any]]) -> bytes:
    out = bytearray()
    writer = RunWriter(out.extend, 1)
    for pairs in groups:
        writer.add(0, [key for key, _ in pairs], [value for _, value in pairs])
    return bytes(out)


GROUPS = ([("key", 1), ("word", [1, 2])], [("z", (3, None))], [("zz", {"a": b"x"})])
WHOLE = written(*GROUPS)


def pairs_of(data: bytes, chunk: int, size: int | None = None) -> list[Any]:
    chunks = (data[at : at + chunk] for at in range(0, len(data), chunk))
    return [
        pair for keys, found in read_blocks(chunks, "w/x.run", size) for pair in zip(keys, found, strict=True)
    ]


@given(st.binary(max_size=200), st.integers(1, 50))
@examples(300)
def test_any_bytes(data: bytes, chunk: int) -> None:
    if data:
        with pytest.raises(CorruptData, match=r"^w/x\.run: "):
            pairs_of(data, chunk)


@given(damaged(WHOLE), st.integers(1, 80))
@examples(500)
def test_what_was_changed_is_noticed_or_is_whole_frames(data: bytes, chunk: int) -> None:
    """Frames lost or doubled as a whole are frames; that there are as many bytes as were committed tells."""
    found = or_refused(lambda: pairs_of(data, chunk, len(WHOLE)), "w/x.run: ", CorruptData)
    assert found is None or same(found, [pair for group in GROUPS for pair in group])


def frame(raw: bytes, pairs: int) -> bytes:
    """A frame that is right in all that is checked before its columns are read."""
    payload = ZstdCompressor(level=1).compress(raw, ZstdCompressor.FLUSH_FRAME)
    return struct.pack("<4I", len(payload), crc32(payload), pairs, len(raw)) + payload


@given(st.binary(max_size=60), st.integers(0, 5))
@examples(400)
def test_a_frame_of_any_content(raw: bytes, pairs: int) -> None:
    """Nobody but an attacker writes a right checksum around wrong columns; that is no crash either."""
    found = or_refused(lambda: pairs_of(frame(raw, pairs), 1 << 16), "w/x.run: ", CorruptData)
    assert found is None or len(found) == pairs


@given(
    st.integers(0, 12),
    st.one_of(
        st.binary(max_size=60),
        st.lists(values, max_size=4).map(lambda items: encode_column(items)[1]).flatmap(damaged),
        st.lists(values, max_size=3).map(lambda items: encode_column(items * 8)[1]).flatmap(damaged),
    ),
)
@examples(500)
def test_a_column_of_anything(shape: int, body: bytes) -> None:
    found = or_refused(lambda: decode_column(shape, body), "column", CorruptData)
    assert found is None or isinstance(found, list)


@pytest.mark.parametrize("shape", range(11))
@pytest.mark.parametrize(
    "body", [b"\x91" * 200_000, b"\xdd\xff\xff\xff\xff", b"\xff" * 8, b"\xff\xff\xff\xff"]
)
def test_nesting_without_end_and_lengths_beyond_reason(shape: int, body: bytes) -> None:
    with pytest.raises(CorruptData, match=f"a column of shape {shape} does not decode"):
        decode_column(shape, body)


def test_long_columns_of_nothing_come_back() -> None:
    for count in (MAX_NONES, MAX_NONES + 1):
        assert decode_column(*encode_column([None] * count)) == [None] * count


def test_a_frame_that_unpacks_to_more_than_it_says_is_not_unpacked() -> None:
    payload = ZstdCompressor(level=1).compress(bytes(64 << 20), ZstdCompressor.FLUSH_FRAME)
    data = struct.pack("<4I", len(payload), crc32(payload), 1, 5000) + payload
    tracemalloc.start()
    with pytest.raises(CorruptData, match="expected 5000"):
        pairs_of(data, 1 << 20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


@pytest.mark.parametrize("bit", range(8))
def test_a_flipped_bit_of_a_length_does_not_make_it_read_on(bit: int) -> None:
    """The rest of the partition may be gigabytes: it must not be collected before the damage is seen."""
    taken = 0

    def endless() -> Any:
        nonlocal taken
        head = bytearray(WHOLE)
        head[3] ^= 1 << bit
        yield bytes(head)
        while True:
            taken += 1
            assert taken < 300, "reads on and on"
            yield bytes(1 << 17)

    with pytest.raises(CorruptData, match=r"^w/x\.run: "):
        list(read_blocks(endless(), "w/x.run"))


def test_a_large_frame_in_small_chunks_costs_linear_time() -> None:
    """Each byte is copied a few times at most, not once for every chunk that follows."""
    value = random.Random(1).randbytes(200_000)
    data = written([("a", value)])
    copied = 0

    class Counting(bytes):
        def __add__(self, other: bytes) -> bytes:
            nonlocal copied
            copied += len(self)
            return Counting(bytes(self) + other)

    chunks = (Counting(data[at : at + 64]) for at in range(0, len(data), 64))
    ((keys, found),) = read_blocks(chunks, "x")
    assert (keys, found) == (["a"], [value])
    assert copied <= 4 * len(data)


def test_a_stretch_that_was_cut_between_two_frames_is_noticed() -> None:
    short = written(*GROUPS[:2])
    assert WHOLE.startswith(short)
    with pytest.raises(CorruptData, match=f"expected {len(WHOLE)} bytes of the run file, got {len(short)}"):
        pairs_of(short, 1000, len(WHOLE))
