"""What an exchange task writes gives the blocks that the run files give, in their order, however it was interrupted."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.errors import CorruptData
from chalicelib.core.ports import Loc
from chalicelib.core.tasks import Position, RowGroup, Slice
from chalicelib.mapreduce.exchange.task import ExchangeTask, SomeRows
from chalicelib.mapreduce.guard.deadline import Pace, endless
from chalicelib.mapreduce.shuffle.fetch_slices import SliceReader
from chalicelib.mapreduce.shuffle.index import Slices
from chalicelib.mapreduce.shuffle.run_file import RunWriter
from chalicelib.stores.memory import MemoryStore

Pairs = list[tuple[Any, Any]]
#: By run file, by partition: pairs.
contents = st.integers(1, 4).flatmap(
    lambda partitions: st.lists(
        st.lists(
            st.lists(st.tuples(st.integers(0, 9), st.text("ab", max_size=3)), max_size=4),
            min_size=partitions,
            max_size=partitions,
        ),
        min_size=1,
        max_size=6,
    )
)


def stored(store: MemoryStore, files: list[list[Pairs]]) -> Slices:
    rows = []
    for number, partitions in enumerate(files):
        chunks: list[bytes] = []
        writer = RunWriter(chunks.append, len(partitions))
        for partition, pairs in enumerate(partitions):
            if pairs:
                writer.add(partition, [key for key, _ in pairs], [value for _, value in pairs])
        rows.append(Slice(run_file=f"m{number}", offsets=writer.finish()))
        store.put(Loc("work", f"m{number}"), b"".join(chunks))
    return Slices.of(rows)


def read(store: MemoryStore, slices: Slices, count: int) -> dict[int, list[Any]]:
    found = SliceReader(store, "work", slices, 1 << 20).partitions(0, count)
    return {partition: list(blocks) for partition, blocks in found}


class _Impatient(Pace):
    """Always out of time."""

    def __init__(self) -> None:
        super().__init__(lambda: 0.0, lambda: 100.0)

    @property
    def out_of_time(self) -> bool:
        return True


def exchanged(
    store: MemoryStore, slices: Slices, count: int, budget: int, pace: Pace, end: bytes = b""
) -> tuple[Slices, int]:
    """By one invocation after the other: slices of all that they wrote, and how many there were."""
    rows: list[Slice] = []
    after: Position | None = None
    while True:
        chunks: list[bytes] = []
        writer = RunWriter(chunks.append, count)
        task = ExchangeTask(store=store, work_bucket="work", budget=budget, pace=pace, end=end)
        after = task.run(slices, count, writer, after)
        rows.append(Slice(run_file=f"x{len(rows)}", offsets=writer.finish()))
        store.put(Loc("work", rows[-1].run_file), b"".join(chunks))
        if after is None:
            return Slices.of(rows), len(rows)


@given(contents, st.sampled_from([1, 400, 1 << 20]), st.booleans())
def test_the_same_blocks_in_the_same_order(files: list[list[Pairs]], budget: int, impatient: bool) -> None:
    """In memory or streamed, at once or one run file of a partition an invocation."""
    store, count = MemoryStore(), len(files[0])
    slices = stored(store, files)
    pace = _Impatient() if impatient else endless()
    found, invocations = exchanged(store, slices, count, budget, pace)
    assert read(store, found, count) == read(store, slices, count)
    copied = sum(1 for partitions in files for pairs in partitions if pairs)
    assert invocations == (max(1, copied) if impatient else 1)


@given(contents, st.data())
def test_a_group_of_run_files_gives_its_own_blocks(files: list[list[Pairs]], data: st.DataObject) -> None:
    store, count = MemoryStore(), len(files[0])
    slices = stored(store, files)
    first = data.draw(st.integers(0, len(files) - 1))
    last = data.draw(st.integers(first + 1, len(files)))
    some = SomeRows(slices, RowGroup(block=0, first=first, last=last), 1)
    found, _ = exchanged(store, some, count, 1 << 20, endless())
    again = MemoryStore()
    assert read(store, found, count) == read(again, stored(again, files[first:last]), count)


def test_an_end_goes_behind_each_run_file_of_a_partition() -> None:
    store = MemoryStore()
    slices = stored(store, [[[(1, "a")], []], [[(1, "b")], [(2, "c")]]])
    found, _ = exchanged(store, slices, 2, 1 << 20, endless(), end=b"|")
    body = store.get(Loc("work", found.run_files[0]))
    assert body.count(b"|") == 3
    assert body.endswith(b"|")
    assert found.column(2)[0] == len(body)


@pytest.mark.parametrize("budget", [1, 1 << 20])
def test_a_run_file_that_was_cut_off_is_named(budget: int) -> None:
    store = MemoryStore()
    slices = stored(store, [[[(1, "a")], [(2, "b")]]])
    whole = store.get(Loc("work", "m0"))
    store.put(Loc("work", "m0"), whole[:-3])
    with pytest.raises(CorruptData, match=r"s3://work/m0: expected \d+ bytes of the run file, got \d+"):
        exchanged(store, slices, 2, budget, endless())
