"""`splits`: ranges that cover, tasks that keep the order, partitions by size."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.core.plan import Split
from chalicelib.core.ports import ObjectInfo
from chalicelib.core.spec import MIB
from chalicelib.mapreduce.exchange.partitions import (
    MAX_PARTITIONS,
    ONE_PARTITION,
    default_partitions,
    pack_partitions,
)
from chalicelib.mapreduce.input.splits import (
    LEAST_SPLIT,
    MAX_SPLITS,
    MOST_SPLIT,
    between,
    cut,
    line_edges,
    pack,
    share,
    shared_edges,
    split_size,
)
from tests.strategies import examples
from tests.unit.config.jobs import GOOD


def info(size: int, key: str = "k") -> ObjectInfo:
    return ObjectInfo(key, size, "etag", 0.0)


@given(st.integers(0, 1 << 50), st.integers(0, 1 << 40))
@examples(200)
def test_the_size_of_splits_follows_the_input_s(size: int, more: int) -> None:
    found = split_size(GOOD, size)
    assert LEAST_SPLIT <= found <= split_size(GOOD, size + more) <= MOST_SPLIT
    assert found % MIB == 0
    if LEAST_SPLIT < found < MOST_SPLIT:
        assert 930 <= size / found <= 1000
    assert split_size(replace(GOOD, split_size=123), size) == 123, "what the job says holds"


def test_inputs_up_to_sixty_gigabytes_have_the_splits_they_always_had() -> None:
    assert split_size(GOOD, 62 << 30) == 64 * MIB < split_size(GOOD, 66 << 30)
    assert MOST_SPLIT <= 512_000_000, "what a task spills must fit a function's disk"


@given(st.integers(0, 1000), st.integers(1, 1200))
@examples(200)
def test_splits_cover_an_object_exactly(size: int, split_size: int) -> None:
    found = list(cut("b", info(size), split_size, True))
    assert [byte for split in found for byte in range(split.start, split.stop)] == list(range(size))
    assert all(0 < split.stop - split.start <= split_size for split in found)
    assert all(
        (split.bucket, split.key, split.etag, split.size) == ("b", "k", "etag", size) for split in found
    )


def test_an_exact_multiple_has_no_empty_split() -> None:
    assert [(split.start, split.stop) for split in cut("b", info(300), 100, True)] == [
        (0, 100),
        (100, 200),
        (200, 300),
    ]


@pytest.mark.parametrize("size", [0, 1, 500])
def test_an_unsplittable_object_is_one_split_or_none(size: int) -> None:
    assert [(split.start, split.stop) for split in cut("b", info(size), 10, False)] == (
        [(0, size)] if size else []
    )


@given(st.lists(st.integers(1, 30)), st.integers(1, 40))
@examples(200)
def test_packing_keeps_the_order_and_the_size(sizes: list[int], split_size: int) -> None:
    given_splits = [
        Split(bucket="b", key=str(number), etag="e", start=0, stop=size, size=size)
        for number, size in enumerate(sizes)
    ]
    tasks = list(pack(given_splits, split_size))
    assert [split for task in tasks for split in task] == given_splits
    for task in tasks:
        assert len(task) == 1 or sum(split.size for split in task) <= split_size
    for one, two in pairwise(tasks):
        assert sum(split.size for split in one) + two[0].size > split_size, "would have fitted"


def test_a_task_has_a_bounded_number_of_splits() -> None:
    tiny = [Split(bucket="b", key="k", etag="e", start=0, stop=1, size=1)] * (MAX_SPLITS + 1)
    assert [len(task) for task in pack(tiny, 1 << 40)] == [MAX_SPLITS, 1]


@given(st.lists(st.tuples(st.integers(0, 60), st.booleans()), max_size=12), st.integers(1, 30))
@examples(300)
def test_all_objects_together_make_so_many_equal_tasks(objects: list[tuple[int, bool]], tasks: int) -> None:
    """Each byte is of the task that its place among all bytes says, wherever its object may be cut."""
    total, before, pieces = sum(size for size, _ in objects), 0, list[Split]()
    for number, (size, splittable) in enumerate(objects):
        edges = shared_edges(size, before, total, tasks) if splittable else ()
        pieces += between("b", info(size, str(number)), edges)
        before += size
    found = list(share(pieces, total, tasks))
    assert [split for task in found for split in task] == pieces
    bytes_of = [
        [(split.key, byte) for split in task for byte in range(split.start, split.stop)] for task in found
    ]
    assert [byte for task in bytes_of for byte in task] == [
        (str(number), byte) for number, (size, _) in enumerate(objects) for byte in range(size)
    ]
    assert len(found) <= tasks
    if all(splittable for _, splittable in objects):
        assert len(found) == min(tasks, total)
        sizes = [len(task) for task in bytes_of] or [0]
        assert max(sizes) - min(sizes) <= 1


@given(st.lists(st.binary(max_size=9).map(lambda data: data.replace(b"a", b"\n"))), st.integers(1, 5))
@examples(300)
def test_edges_are_behind_every_so_many_lines(chunks: list[bytes], lines: int) -> None:
    chunks = [chunk.replace(b"\x00", b"\n").replace(b"\x01", b"\n\n") for chunk in chunks]
    whole = b"".join(chunks)
    ends = [at + 1 for at, byte in enumerate(whole) if byte == 10]
    assert list(line_edges(chunks, lines)) == ends[lines - 1 :: lines]


@given(st.lists(st.integers(0, 50), min_size=1, max_size=40), st.integers(1, 120))
@examples(300)
def test_partitions_are_packed_by_their_real_sizes(sizes: list[int], reduce_size: int) -> None:
    ranges = pack_partitions(sizes, reduce_size)
    assert [partition for first, last in ranges for partition in range(first, last)] == list(
        range(len(sizes))
    )
    for first, last in ranges:
        loaded = [size for size in sizes[first:last] if size]
        assert sum(loaded) <= reduce_size or len(loaded) == 1, "one that is too large is alone"
        assert loaded or len(ranges) == 1, "nobody is sent for nothing"


@pytest.mark.parametrize(
    ("size", "reduce_size", "expected"),
    [
        (0, MIB, 1),
        (ONE_PARTITION, 1, 1),
        (ONE_PARTITION + 1, 1 << 40, 16),
        (64 * MIB, 16 * MIB, 16),
        (64 * MIB, 8 * MIB, 32),
        (65 * MIB, 8 * MIB, 64),
        (1 << 50, MIB, MAX_PARTITIONS),
    ],
)
def test_default_partitions_by_input_size(size: int, reduce_size: int, expected: int) -> None:
    assert default_partitions(size, reduce_size) == expected
