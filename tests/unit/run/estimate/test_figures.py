"""Figures that are said to be as in the code are."""

from __future__ import annotations

import pytest

from chalicelib.functions.attempt import remembering
from chalicelib.functions.supervision import pacing
from chalicelib.functions.supervision.seats import seats_for
from chalicelib.mapreduce.shuffle.fetch import share_of_reads, stretches
from chalicelib.mapreduce.shuffle.index import BLOCK_ROWS, BlockBuilder
from chalicelib.run import calls
from chalicelib.run.estimate.figures import FIGURES, Pace
from chalicelib.run.estimate.shape import shape_of
from chalicelib.run.estimate.work import Work
from chalicelib.stores.s3 import reads_at_once
from tests.worlds.simulation import spec


@pytest.mark.parametrize("memory", [128, 256, 512, 2048, 10_240])
@pytest.mark.parametrize("readers", [1, 5, 20, 1000])
def test_reads_under_way(memory: int, readers: int) -> None:
    assert FIGURES.reads(memory, readers) == min(reads_at_once(memory), share_of_reads(readers))


@pytest.mark.parametrize("partitions", [1, 64, 1023, 4096])
def test_rows_of_a_block(partitions: int) -> None:
    block = BlockBuilder(partitions)
    offsets = tuple(range(partitions + 1))
    while not block.full:
        block.add("run", offsets)
    assert FIGURES.rows(partitions) == len(block)
    assert FIGURES.block_rows == BLOCK_ROWS


@pytest.mark.parametrize("concurrency", [1, 39, 40, 1000])
def test_seats(concurrency: int) -> None:
    assert Work(bytes=1, concurrency=concurrency).seats(FIGURES) == seats_for(concurrency)


@pytest.mark.parametrize("remaining", [5.0, 60.0, 900.0])
def test_what_a_supervisor_keeps_to_hand_over(remaining: float) -> None:
    assert min(FIGURES.reserve, remaining * FIGURES.reserve_share) == pacing.reserve(remaining)
    assert FIGURES.longest_look == pacing.LONGEST


def test_children_of_a_node() -> None:
    assert len(list(calls.children(0, 10**6))) == FIGURES.fan_out
    assert FIGURES.parallel_calls == calls.AT_ONCE


def test_what_a_supervisor_reads_ahead() -> None:
    assert FIGURES.remembered == remembering._MOST


class Even:
    def size(self, _: int) -> int:
        return 1000


@pytest.mark.parametrize("budget", [8 * 900, 8 * 1000, 8 * 2500, 8 * 100_000])
def test_how_often_a_reducer_goes_through_the_run_files(budget: int) -> None:
    """64 partitions of 1 000 bytes, all in one reduce task."""
    settings = spec(partitions=64, memory_budget=budget, split_size=2000)
    found = shape_of(settings, Work(bytes=128_000, own_pace=Pace(map=1.0, reduce=1.0, shuffled=0.5)))
    assert (found.reducers, found.tasks) == (1, 64)
    assert found.fetches == 64 * len(list(stretches(Even(), 0, 64, budget // 8)))
