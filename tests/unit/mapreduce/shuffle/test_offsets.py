"""Packed offsets: the same numbers, in few bytes, and nothing else is taken for them."""

from __future__ import annotations

from itertools import accumulate
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.errors import CorruptData
from chalicelib.mapreduce.shuffle.offsets import pack, unpack
from tests.fuzz.damage import damaged
from tests.strategies import examples

ASCENDING = st.lists(st.integers(0, 1 << 62), min_size=1, max_size=40).map(sorted)


@given(ASCENDING)
def test_they_come_back(offsets: list[int]) -> None:
    assert unpack(pack(offsets), len(offsets) - 1) == tuple(offsets)
    assert unpack(tuple(offsets), len(offsets) - 1) == tuple(offsets), "as earlier versions wrote them"


@pytest.mark.parametrize(("full", "most"), [(4096, 2.6), (100, 0.25), (1, 0.02), (0, 0.02)])
def test_they_take_little(full: int, most: float) -> None:
    """Bytes for each partition of 4 096, of which some have about 16 KB."""
    random = Random(4)
    sizes = [0] * 4096
    for partition in random.sample(range(4096), full):
        sizes[partition] = random.randint(8_000, 24_000)
    assert len(pack([0, *accumulate(sizes)])) <= most * 4096


@pytest.mark.parametrize(
    "offsets", [(), (0,), (0, 1), (0, 1, 2, 3), b"", pack((0, 1)), pack((0, 1, 2, 3)), pack((0,) * 9_999)]
)
def test_others_than_expected_are_refused(offsets: bytes | tuple[int, ...]) -> None:
    with pytest.raises(CorruptData, match="expected 3"):
        unpack(offsets, 2)


@given(damaged(pack((0, 70_000, 1 << 40))))
@examples(300)
def test_damaged_ones_are_refused_or_numbers(offsets: bytes) -> None:
    try:
        found = unpack(offsets, 2)
    except CorruptData:
        return
    assert len(found) == 3
    assert min(found) >= 0
