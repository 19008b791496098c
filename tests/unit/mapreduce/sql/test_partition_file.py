"""Frames around stretches: what was written comes back, or an error does."""

from __future__ import annotations

from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.errors import CorruptData
from chalicelib.mapreduce.sql.partition_file import END, each_file, frames_of, payloads

BODY = bytes(range(256)) * 40


@pytest.fixture(scope="module")
def framed() -> bytes:
    return b"".join(frames_of(BytesIO(BODY)))


@given(step=st.integers(1, 11_000))
def test_frames_come_back_from_chunks_of_any_size(framed: bytes, step: int) -> None:
    chunks = [framed[at : at + step] for at in range(0, len(framed), step)]
    assert b"".join(payloads(chunks, len(framed), "here")) == BODY


def test_a_large_file_takes_several_frames() -> None:
    body = BODY * 1000
    frames = list(frames_of(BytesIO(body)))
    assert len(frames) == 3
    joined = b"".join(frames)
    assert b"".join(payloads([joined], len(joined), "here")) == body
    with pytest.raises(CorruptData, match="here: expected"):
        list(payloads([frames[0]], len(joined), "here"))


@given(at=st.integers(0, len(BODY) + 7), bit=st.integers(0, 7))
def test_any_flipped_bit_is_found(framed: bytes, at: int, bit: int) -> None:
    damaged = bytearray(framed)
    damaged[at] ^= 1 << bit
    with pytest.raises(CorruptData, match="here"):
        list(payloads([bytes(damaged)], len(framed), "here"))


@given(cut=st.integers(0, len(BODY) + 7))
def test_a_missing_end_is_found(framed: bytes, cut: int) -> None:
    with pytest.raises(CorruptData, match="here"):
        list(payloads([framed[:cut]], len(framed), "here"))


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_several_files_are_told_apart_however_they_arrive(size: int) -> None:
    bodies = [BODY, b"x", BODY[:9]]
    framed = b"".join(b"".join((*frames_of(BytesIO(body)), END)) for body in bodies)
    chunks = [framed[at : at + size] for at in range(0, len(framed), size)]
    assert [b"".join(file) for file in each_file(chunks, len(framed), "here")] == bodies


@pytest.mark.parametrize("size", range(1, 12))
def test_a_file_of_several_frames_is_one_wherever_a_chunk_ends(size: int) -> None:
    framed = b"".join((*frames_of(BytesIO(b"ab")), *frames_of(BytesIO(b"cd")), END))
    chunks = [framed[at : at + size] for at in range(0, len(framed), size)]
    assert [b"".join(file) for file in each_file(chunks, len(framed), "here")] == [b"abcd"]


def test_a_file_alone_needs_no_end() -> None:
    framed = b"".join(frames_of(BytesIO(BODY)))
    assert [b"".join(file) for file in each_file([framed], len(framed), "here")] == [BODY]
