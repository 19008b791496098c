"""`runfile`: pairs come back in any chunking, and no damage goes unnoticed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import chain, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.errors import CorruptData
from chalicelib.mapreduce.shuffle.run_file import BLOCK_PAIRS, RunWriter, read_blocks
from tests.strategies import examples, same, values

columns = st.lists(st.tuples(st.integers(0, 9), values), max_size=5)


def written(pieces: dict[int, list[tuple[Any, Any]]], partitions: int) -> tuple[bytes, tuple[int, ...]]:
    out = bytearray()
    writer = RunWriter(out.extend, partitions)
    for partition, pairs in sorted(pieces.items()):
        writer.add(partition, [key for key, _ in pairs], [value for _, value in pairs])
    return bytes(out), writer.finish()


def chunked(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def pairs_of(chunks: Any) -> list[tuple[Any, Any]]:
    return list(
        chain.from_iterable(zip(keys, got, strict=True) for keys, got in read_blocks(chunks, "w/x.run"))
    )


@given(st.dictionaries(st.integers(0, 4), columns), st.integers(1, 400))
@examples(150)
@pytest.mark.slow
def test_each_partition_comes_back_alone_and_in_any_chunking(
    pieces: dict[int, list[tuple[Any, Any]]], size: int
) -> None:
    data, offsets = written(pieces, 5)
    assert offsets[0] == 0
    assert offsets[-1] == len(data)
    for partition, (start, stop) in enumerate(pairwise(offsets)):
        found = pairs_of(chunked(data[start:stop], size))
        assert same(found, pieces.get(partition, []))
        assert (start == stop) == (not pieces.get(partition))


def test_large_pieces_are_cut_into_blocks_and_keep_their_order() -> None:
    count = 2 * BLOCK_PAIRS + 1
    data, _ = written({0: [(number, str(number)) for number in range(count)]}, 1)
    blocks = list(read_blocks(chunked(data, 1000), "x"))
    assert [len(keys) for keys, _ in blocks] == [BLOCK_PAIRS, BLOCK_PAIRS, 1]
    assert [key for keys, _ in blocks for key in keys] == list(range(count))


def test_several_adds_to_one_partition_follow_each_other() -> None:
    out = bytearray()
    writer = RunWriter(out.extend, 3)
    writer.add(1, ["a"], [1])
    writer.add(1, ["b"], [2])
    assert writer.pairs == 2
    offsets = writer.finish()
    assert offsets == (0, 0, len(out), len(out))
    assert pairs_of([bytes(out)]) == [("a", 1), ("b", 2)]


def test_partitions_must_ascend() -> None:
    writer = RunWriter(lambda data: None, 3)
    writer.add(2, ["a"], [1])
    with pytest.raises(ValueError, match="partition 1 after 2"):
        writer.add(1, ["a"], [1])


SAMPLE, _ = written({0: [("key", 1), ("word", 2)], 1: [("z", 3)]}, 2)


@pytest.mark.parametrize("bit", range(8))
def test_every_flipped_bit_is_noticed(bit: int) -> None:
    for place in range(len(SAMPLE)):
        damaged = bytearray(SAMPLE)
        damaged[place] ^= 1 << bit
        with pytest.raises(CorruptData, match=r"w/x\.run"):
            pairs_of([bytes(damaged)])


def test_every_truncation_is_noticed() -> None:
    whole = pairs_of([SAMPLE])
    ends = []
    for stop in range(len(SAMPLE)):
        with suppress(CorruptData):
            ends.append(pairs_of([SAMPLE[:stop]]))
    # Only a cut between two frames cannot be seen by the file itself; the marker's offsets tell it.
    assert ends == [[], whole[:2]]
