"""Slices of run files: every partition's pairs in the order of map tasks, whatever fits in one request."""

from __future__ import annotations

import threading
from itertools import chain
from typing import Any

import pytest

from chalicelib.core.errors import CorruptData
from chalicelib.core.ports import Loc
from chalicelib.core.tasks import Slice
from chalicelib.mapreduce.shuffle.fetch_slices import SliceReader
from chalicelib.mapreduce.shuffle.index import Slices
from chalicelib.mapreduce.shuffle.run_file import RunWriter
from chalicelib.stores.memory import MemoryStore

PARTITIONS, TASKS = 6, 3


def stored(store: MemoryStore) -> Slices:
    """Run files of three tasks; partition 2 is empty everywhere, and the first task has nothing behind 3."""
    slices = []
    for task in range(TASKS):
        body = bytearray()
        writer = RunWriter(body.extend, PARTITIONS)
        for partition in range(PARTITIONS):
            if partition != 2 and not (task == 0 and partition > 3):
                writer.add(partition, [partition] * 100, [task] * 100)
        offsets = writer.finish()
        store.put(Loc("work", f"{task}.run"), bytes(body))
        slices.append(Slice(run_file=f"{task}.run", offsets=offsets))
    return Slices.of(slices)


@pytest.mark.parametrize(("most", "gets"), [(1, 13), (1 << 20, TASKS)])
@pytest.mark.parametrize("first", [0, 2, 5])
def test_partitions_come_in_order_and_pairs_in_that_of_tasks(most: int, gets: int, first: int) -> None:
    store = MemoryStore()
    reader = SliceReader(store, "work", stored(store), most)
    before = store.requests["get"]
    found = {
        number: [value for _, values in blocks for value in values[:1]]
        for number, blocks in reader.partitions(first, PARTITIONS)
    }
    wanted = {0: [0, 1, 2], 1: [0, 1, 2], 3: [0, 1, 2], 4: [1, 2], 5: [1, 2]}
    assert found == {number: tasks for number, tasks in wanted.items() if number >= first}
    assert list(found) == sorted(found)
    if not first:
        assert store.requests["get"] - before == gets
        assert reader.bytes == sum(info.size for info in store.list(Loc("work", "")))


@pytest.mark.parametrize("most", [1, 1 << 20])
def test_a_damaged_run_file_is_named(most: int) -> None:
    store = MemoryStore()
    slices = stored(store)
    loc = Loc("work", "1.run")
    store.put(loc, store.get(loc)[:-1] + b"?")
    found = SliceReader(store, "work", slices, most).partitions(0, PARTITIONS)
    with pytest.raises(CorruptData, match=r"s3://work/1\.run"):
        list(chain.from_iterable(blocks for _, blocks in found))


@pytest.mark.parametrize("most", [1, 300, 1 << 20])
def test_reads_side_by_side_give_the_same(most: int) -> None:
    store = MemoryStore()
    slices = stored(store)
    want = [
        (number, list(blocks)) for number, blocks in SliceReader(store, "work", slices, most).partitions(0, 6)
    ]
    in_line, before = store.requests["get"], store.requests["get"]
    store.parallel_reads = 2
    with SliceReader(store, "work", slices, most) as reader:
        found = [(number, list(blocks)) for number, blocks in reader.partitions(0, 6)]
    assert found == want
    assert store.requests["get"] - before == in_line


class Telling(MemoryStore):
    """Says when the slice of the last task is asked for again."""

    parallel_reads = 2

    def __init__(self) -> None:
        super().__init__()
        self.gets = 0
        self.fourth = threading.Event()

    def get(self, *args: Any, **kwargs: Any) -> bytes:
        self.gets += 1
        if self.gets > TASKS:
            self.fourth.set()
        return super().get(*args, **kwargs)


def test_the_next_partitions_are_under_way_as_soon_as_those_in_hand_are_taken() -> None:
    store = Telling()
    slices = stored(store)
    with SliceReader(store, "work", slices, 1) as reader:
        _, blocks = next(reader.partitions(0, PARTITIONS))
        first = list(blocks)
        assert len(first) == TASKS
        assert store.fourth.wait(10), (
            "nobody has asked for the next partition, whose bytes are to be there by then"
        )
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("fetch")]
