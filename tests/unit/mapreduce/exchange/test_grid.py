"""Groups of map tasks and of reduce tasks: all of them, each once, and no more reads than promised."""

from __future__ import annotations

from math import ceil, isqrt, sqrt

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.tasks import ReduceTask
from chalicelib.mapreduce.exchange import grid


@given(st.integers(1, 100_000), st.integers(1, 4096))
def test_reads_are_at_most_two_m_root_r(tasks: int, reducers: int) -> None:
    rows, columns = grid.groups(tasks, reducers, 0, 1 << 30)
    reads = tasks * columns + reducers * rows
    #: Both are whole numbers, so each root is off by less than one.
    assert reads <= 2 * tasks * sqrt(reducers) + tasks + reducers
    assert 1 <= rows <= tasks
    assert rows * columns < min(tasks, reducers) + columns + 1


def test_the_groups_of_a_sort_of_a_terabyte() -> None:
    """A hundredth of the reads."""
    rows, columns = grid.groups(2500, 3600, 0, 1 << 30)
    assert (rows, columns) == (42, 60)
    assert 2500 * columns + 3600 * rows == 301_200


def test_a_task_holds_what_it_reads_so_that_it_need_not_read_twice() -> None:
    rows, columns = grid.groups(30_000, 4096, 4.4e12, 1 << 30)
    assert 4.4e12 / rows / columns <= (1 << 30) / grid.PACKED_SHARE < 4.4e12 / (rows - 1) / columns
    assert grid.groups(3, 4, 4.4e12, 1 << 30) == (3, 2)


@given(st.lists(st.integers(1, 2000), min_size=1, max_size=9), st.integers(1, 500))
def test_every_run_file_is_in_one_group(blocks: list[int], wanted: int) -> None:
    found = grid.rows(blocks, wanted)
    members = [(group.block, row) for group in found for row in range(group.first, group.last)]
    assert members == [(number, row) for number, count in enumerate(blocks) for row in range(count)]
    assert all(group.first < group.last for group in found)
    assert len(found) <= wanted + len(blocks)
    sizes = [group.last - group.first for group in found]
    assert max(sizes) <= 2 * ceil(sum(blocks) / min(wanted, sum(blocks)))


@given(st.lists(st.integers(1, 9), min_size=1, max_size=300), st.integers(1, 70))
def test_every_partition_is_in_one_group_with_its_whole_reduce_task(widths: list[int], wanted: int) -> None:
    ends = [sum(widths[: number + 1]) for number in range(len(widths))]
    tasks = [
        ReduceTask(first=end - width, last=end, bytes=1) for end, width in zip(ends, widths, strict=True)
    ]
    found = grid.columns(tasks, wanted)
    assert len(found) == min(wanted, len(tasks))
    assert [first for first, _ in found] == [0, *(last for _, last in found[:-1])]
    assert found[-1][1] == ends[-1]
    assert all(sum(first <= task.first and task.last <= last for first, last in found) == 1 for task in tasks)


def test_there_are_as_many_groups_as_a_root_rounded_up() -> None:
    for reducers in range(1, 200):
        _, columns = grid.groups(1000, reducers, 0, 1 << 30)
        assert columns == isqrt(reducers) + (isqrt(reducers) ** 2 < reducers)
