"""Typed pairs: any part of them may be read by itself, and what is read is what was written."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib import Job, Range
from chalicelib.core.errors import CorruptData, InputChanged
from chalicelib.core.plan import Split
from chalicelib.core.ports import Loc
from chalicelib.mapreduce.input.splits import cut_at
from chalicelib.mapreduce.input.typed_pairs import MOST_EDGES, Edges, pair_blocks
from chalicelib.mapreduce.output.text import pair_rows as rows
from chalicelib.stores.memory import MemoryStore
from tests.features.steps.test_ordering import SCRATCH, Counted
from tests.strategies import examples, same, values
from tests.worlds.simulation import Simulation, spec

LOC = Loc("work", "runs/job/r/step-1/input/part-00000.pairs")
Pairs = list[tuple[Any, Any]]


def written(blocks: list[Pairs]) -> tuple[MemoryStore, Edges]:
    """A part of these blocks, and what its marker tells."""
    store, edges = MemoryStore(), Edges()
    body = b"".join(rows([key for key, _ in block], [value for _, value in block]) for block in blocks)
    store.put(LOC, body)
    edges.feed(body)
    return store, edges


def splits(store: MemoryStore, edges: Edges, size: int) -> list[Split]:
    return list(cut_at(LOC.bucket, store.head(LOC), size, edges.found))


def read(store: MemoryStore, pieces: list[Split]) -> Pairs:
    blocks = [block for split in pieces for block in pair_blocks(store, split)]
    return [pair for block in blocks for pair in zip(block.keys, block.values, strict=True)]


BLOCKS = st.lists(st.lists(st.tuples(st.integers(), values), min_size=1, max_size=4), max_size=8)


@given(blocks=BLOCKS, size=st.integers(1, 2000))
@examples(100)
def test_splits_of_any_size_hold_each_pair_once(blocks: list[Pairs], size: int) -> None:
    store, edges = written(blocks)
    expected = [pair for block in blocks for pair in block]
    found = read(store, splits(store, edges, size))
    assert len(found) == len(expected) == edges.pairs
    assert all(same(one, other) for one, other in zip(found, expected, strict=True))


@given(blocks=BLOCKS, cuts=st.lists(st.integers(0, 500), max_size=10))
@examples(100)
def test_edges_do_not_depend_on_how_bytes_arrive(blocks: list[Pairs], cuts: list[int]) -> None:
    store, whole = written(blocks)
    body, edges, at = store.get(LOC), Edges(), 0
    for cut in [*sorted(cuts), len(body)]:
        edges.feed(body[at : max(cut, at)])
        at = max(cut, at)
    assert (edges.found, edges.pairs) == (whole.found, whole.pairs)


@given(block=st.lists(st.tuples(st.text(max_size=3), st.integers()), min_size=1, max_size=20), data=st.data())
@examples(50)
def test_one_may_go_on_in_the_middle_of_a_block(block: Pairs, data: st.DataObject) -> None:
    store, edges = written([block, block])
    (first, *_) = splits(store, edges, 1)
    skip = data.draw(st.integers(0, len(block)))
    start = data.draw(st.sampled_from(edges.found))
    size = store.head(LOC).size
    split = Split(
        bucket=first.bucket, key=first.key, etag=first.etag, start=start, stop=size, size=size, skip=skip
    )
    assert read(store, [split]) == [*([] if start else block), *block][skip:]


def test_many_blocks_leave_few_edges_evenly_spread() -> None:
    store, edges = written([[(number, "x" * 50)] for number in range(3000)])
    assert MOST_EDGES // 2 <= len(edges.found) <= MOST_EDGES
    gaps = [after - before for before, after in pairwise([*edges.found, store.head(LOC).size])]
    assert max(gaps) <= 3 * min(gaps[:-1])
    assert read(store, splits(store, edges, 1)) == [(number, "x" * 50) for number in range(3000)]
    assert edges.pairs == 3000


def test_a_split_reads_no_block_of_the_next() -> None:
    store, edges = written([[(1, 1)], [(2, 2)], [(3, 3)]])
    assert [read(store, [split]) for split in splits(store, edges, 1)] == [[(1, 1)], [(2, 2)], [(3, 3)]]


def test_damage_and_change_are_noticed() -> None:
    store, edges = written([[(1, "one")], [(2, "two")]])
    pieces = splits(store, edges, 1 << 20)
    body = store.get(LOC)
    store.put(LOC, body)
    with pytest.raises(InputChanged, match="overwritten"):
        read(store, pieces)
    for damaged in (body[:-1], body[:1], b"", body[:20] + b"x" + body[21:]):
        store.put(LOC, damaged)
        split = replace(pieces[0], etag=store.head(LOC).etag, size=len(damaged))
        with pytest.raises(CorruptData, match=r"part-00000\.pairs"):
            read(store, [split])


class Backwards(Job):
    """Another total order in the second step, so its bounds must be of its own keys."""

    partitioner = Range()

    def mapper(self, key: str, value: int) -> Any:
        yield key[::-1], value


class TwoOrders(Job):
    steps = (Counted, Backwards)


def test_bounds_of_a_later_step_are_sampled_from_its_own_input() -> None:
    words = [f"{number * 7919 % 100_003:06d}" for number in range(3000)]
    simulation = Simulation(TwoOrders, spec(split_size=2000, partitions=8, reduce_size=1), SCRATCH)
    simulation.drop("a.txt", "".join(f"{word}\n" for word in words).encode())
    simulation.run()
    assert simulation.text().decode().splitlines() == sorted(f"{word[::-1]}\t1" for word in words)
    parts = {name: body for name, body in simulation.output().items() if name.startswith("part-")}
    assert len(parts) == 8
    sizes = [body.count(b"\n") for body in parts.values()]
    assert max(sizes) < 3 * min(sizes), "about even"
