"""Small objects are fetched before they are asked for: the same bytes, requests and errors, fewer waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.core.errors import InputChanged, PreconditionFailed
from chalicelib.core.plan import Split
from chalicelib.core.ports import Loc
from chalicelib.mapreduce.input.blocks import head_of, whole_object
from chalicelib.mapreduce.input.read_ahead import AHEAD, NEAR, SMALL, ReadAhead, Span
from chalicelib.mapreduce.input.splits import cut
from chalicelib.stores.memory import MemoryStore


class Watched(MemoryStore):
    """Counts the GETs that are under way, and what was fetched and is not read yet."""

    parallel_reads = 4

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()
        self.under_way = self.most = self.fetched = 0
        #: GETs wait until so many are under way.
        self.meet: threading.Barrier | None = None

    def get(self, loc: Loc, *args: Any, **kwargs: Any) -> bytes:
        with self.lock:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        if self.meet:
            self.meet.wait(30)
        body = super().get(loc, *args, **kwargs)
        with self.lock:
            self.under_way -= 1
            self.fetched += 1
        return body


def objects(store: MemoryStore, sizes: list[int], split_size: int = 1 << 20) -> list[Split]:
    splits: list[Split] = []
    for number, size in enumerate(sizes):
        loc = Loc("in", f"k{number:05}")
        store.put(loc, bytes([number % 251]) * size)
        splits += cut("in", store.head(loc), split_size, True)
    return splits


def whole_split(split: Split) -> Span:
    return Span(split.loc, split.start, split.stop, split.etag)


def read(ahead: ReadAhead, split: Split, block: int = 1 << 17) -> bytes:
    return b"".join(ahead.stream(split.loc, split.start, split.stop, split.etag, block))


@pytest.mark.parametrize("parallel", [0, 1, 4])
@given(st.lists(st.integers(0, 60), max_size=30), st.integers(1, 80), st.integers(1, 100), st.data())
@settings(deadline=None)
def test_the_same_bytes_however_they_are_asked_for(
    parallel: int, sizes: list[int], split_size: int, block: int, data: st.DataObject
) -> None:
    store = Watched()
    store.parallel_reads = parallel
    splits = objects(store, sizes, split_size)
    skipped = data.draw(st.sets(st.integers(0, max(len(splits) - 1, 0))))
    with ReadAhead(store, splits, data.draw(st.sampled_from([whole_split, lambda _: None]))) as ahead:
        for number, split in enumerate(splits):
            if number in skipped:
                continue
            whole = store.get(split.loc)
            assert read(ahead, split, block) == whole[split.start : split.stop]
            assert b"".join(ahead.stream(split.loc, 1, None, split.etag)) == whole[1:], "again"
            assert b"".join(ahead.stream(split.loc, 2, 5)) == whole[2:5]


def test_eight_are_fetched_ahead_and_no_more_and_each_once() -> None:
    store = Watched()
    splits = objects(store, [100] * 50)
    store.meet = threading.Barrier(4)
    requests = store.requests["get"]
    with ReadAhead(store, splits) as ahead:
        for number, split in enumerate(splits):
            assert read(ahead, split) == bytes([number]) * 100
            assert store.fetched <= number + 1 + AHEAD
            if number > 30:
                store.meet.abort()
                store.meet = None
                break
    assert store.most == 4, "as many as the store is worth are under way at once"

    store.meet, store.fetched = None, 0
    requests = store.requests["get"]
    with ReadAhead(store, splits) as ahead:
        assert [read(ahead, split)[:1] for split in splits] == [bytes([number]) for number in range(50)]
    assert store.requests["get"] - requests == 50


def test_large_and_cut_objects_are_read_when_they_are_asked_for() -> None:
    store = Watched()
    splits = objects(store, [10, SMALL + 1, 10, SMALL, 10], SMALL)
    assert len(splits) == 6
    with ReadAhead(store, splits) as ahead:
        read(ahead, splits[0])
        read(ahead, splits[1])
    assert store.fetched <= 5, "the four small ones, and the one that was asked for"
    with ReadAhead(store, splits) as ahead:
        for split in splits:
            assert len(read(ahead, split)) == split.stop - split.start


@pytest.mark.parametrize("harm", ["overwritten", "deleted"])
def test_an_error_is_told_of_its_object_when_that_is_asked_for(harm: str) -> None:
    store = Watched()
    splits = objects(store, [10] * 6)
    if harm == "overwritten":
        store.put(splits[3].loc, b"other")
    else:
        store.delete("in", [splits[3].key])
    with ReadAhead(store, splits) as ahead:
        for split in splits[:3]:
            assert len(read(ahead, split)) == 10
        with pytest.raises(InputChanged, match="in/k00003: was overwritten or deleted"):
            list(whole_object(ahead, splits[3]))
        assert len(read(ahead, splits[4])) == 10
    with ReadAhead(store, splits) as ahead, pytest.raises(PreconditionFailed):
        list(ahead.stream(splits[0].loc, 0, 10, "another etag"))


class Streaming(Watched):
    """Its streams say which are begun and which have ended."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: list[str] = []
        self.ended: set[str] = set()

    def stream(self, loc: Loc, *args: Any, **kwargs: Any) -> Iterator[bytes]:
        self.begun.append(loc.key)
        try:
            yield from super().stream(loc, *args, **kwargs)
        finally:
            self.ended.add(loc.key)


def test_longer_ones_are_begun_before_they_are_asked_for_and_end_with_the_task() -> None:
    store = Streaming()
    splits = objects(store, [SMALL + 1] * 3 + [NEAR + SMALL, 2 * NEAR] + [SMALL + 1] * 2, 1 << 30)
    requests = store.requests["get"]
    with ReadAhead(store, splits, whole_split) as ahead:
        for number, split in enumerate(splits[:5]):
            chunks = ahead.stream(split.loc, split.start, split.stop, split.etag)
            size = len(next(chunks))
            want, deadline = 4 if number < 4 else 5, time.monotonic() + 10
            while len(store.begun) < want and time.monotonic() < deadline:
                time.sleep(0.001)
            assert len(store.begun) == want, "16 MiB are begun, and the next one when 8 MiB are left in hand"
            assert size + sum(map(len, chunks)) == split.stop - split.start
        for split in splits[5:]:
            assert len(read(ahead, split)) == split.size
        assert store.requests["get"] - requests == len(store.begun) == 7, "each once"
    assert store.ended == {split.key for split in splits}
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("read-ahead")]


def test_a_header_is_cut_out_of_what_is_there() -> None:
    store = Streaming()
    splits = objects(store, [SMALL + 1] * 3, 1 << 30)
    with ReadAhead(store, splits, whole_split) as ahead:
        for number, split in enumerate(splits):
            assert head_of(ahead, split, 1000) == bytes([number]) * 1000
            assert len(read(ahead, split)) == split.size
    assert len(store.begun) == 4, "the first header, and the three objects"


def test_what_a_longer_one_meets_is_told_of_it() -> None:
    store = Streaming()
    splits = objects(store, [SMALL + 1] * 4, 1 << 30)
    store.put(splits[2].loc, b"other")
    with ReadAhead(store, splits, whole_split) as ahead:
        for split in splits[:2]:
            assert len(read(ahead, split)) == split.size
        with pytest.raises(InputChanged, match="in/k00002: was overwritten or deleted"):
            list(whole_object(ahead, splits[2]))
        assert len(read(ahead, splits[3])) == splits[3].size
