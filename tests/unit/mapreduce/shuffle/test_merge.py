"""`merge` is the stable sort of the runs put one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.mapreduce.shuffle.merge import groups, merge
from chalicelib.mapreduce.shuffle.run_file import BLOCK_PAIRS, Block
from tests.strategies import examples, key_lists

Pair = tuple[Any, Any]


@st.composite
def runs_of_blocks(draw: st.DrawFn) -> list[list[list[Pair]]]:
    """Sorted runs, each cut into blocks of any size, some of them empty."""
    keys = draw(key_lists)
    runs: list[list[Pair]] = [[] for _ in range(draw(st.integers(1, 4)))]
    for number, key in enumerate(keys):
        runs[draw(st.integers(0, len(runs) - 1))].append((key, number))
    if None not in keys:
        runs = [sorted(run, key=lambda pair: pair[0]) for run in runs]
    cut = []
    for run in runs:
        blocks, start = [], 0
        while start < len(run):
            stop = start + draw(st.integers(0, 3))
            blocks.append(run[start:stop])
            start = stop
        cut.append(blocks)
    return cut


def as_blocks(blocks: list[list[Pair]]) -> Iterator[Block]:
    return iter([([key for key, _ in block], [value for _, value in block]) for block in blocks])


def flat(blocks: Iterator[Block]) -> list[Pair]:
    return [pair for keys, values in blocks for pair in zip(keys, values, strict=True)]


@given(runs_of_blocks())
@examples(400)
@pytest.mark.slow
def test_merge_is_the_stable_sort_of_the_concatenation(runs: list[list[list[Pair]]]) -> None:
    concatenated = [pair for run in runs for block in run for pair in block]
    nones = any(key is None for key, _ in concatenated)
    expected = concatenated if nones else sorted(concatenated, key=lambda pair: pair[0])
    assert flat(merge([as_blocks(run) for run in runs])) == expected


@given(runs_of_blocks())
@examples(100)
def test_groups_are_itertools_groups(runs: list[list[list[Pair]]]) -> None:
    merged = flat(merge([as_blocks(run) for run in runs]))
    expected = [
        (key, [value for _, value in group]) for key, group in groupby(merged, key=lambda pair: pair[0])
    ]
    found = groups(merge([as_blocks(run) for run in runs]))
    assert [(key, list(values)) for key, values in found] == expected


def test_groups_may_be_left_unread() -> None:
    blocks = as_blocks([[("a", 1), ("a", 2)], [("a", 3), ("b", 4)]])
    assert [key for key, _ in groups(blocks)] == ["a", "b"]


def test_no_runs_and_empty_runs() -> None:
    assert flat(merge([])) == []
    assert flat(merge([iter([]), as_blocks([[]])])) == []


def test_ties_that_span_blocks_and_runs_keep_the_order_of_runs() -> None:
    one = [[("a", 1), ("k", 2)], [("k", 3)], [("k", 4), ("z", 5)]]
    two = [[("k", 6)], [("k", 7), ("m", 8)]]
    assert flat(merge([as_blocks(one), as_blocks(two)])) == [
        ("a", 1), ("k", 2), ("k", 3), ("k", 4), ("k", 6), ("k", 7), ("m", 8), ("z", 5),
    ]  # fmt: skip


def test_a_hot_key_is_never_held_at_once() -> None:
    """Memory: one block a run, also when one key fills all of them."""
    asked = [0, 0]

    def endless(run: int) -> Iterator[Block]:
        while True:
            asked[run] += 1
            yield ["hot"] * 4, [run] * 4

    merged = merge([endless(0), endless(1)])
    for _ in range(10):
        keys, values = next(merged)
        assert keys == ["hot"] * 4
        assert values == [0] * 4
    assert asked[0] <= 12
    assert asked[1] == 1


@pytest.mark.parametrize("count", [BLOCK_PAIRS, BLOCK_PAIRS + 1, 3 * BLOCK_PAIRS])
def test_blocks_that_come_out_are_of_bounded_size(count: int) -> None:
    even = (list(range(0, 2 * count, 2)), ["e"] * count)
    odd = (list(range(1, 2 * count, 2)), ["o"] * count)
    sizes = [len(keys) for keys, _ in merge([iter([even]), iter([odd])])]
    assert sum(sizes) == 2 * count
    assert max(sizes) <= BLOCK_PAIRS
