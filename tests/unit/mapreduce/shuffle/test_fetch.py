"""Slices of run files: what is fetched together, and reads side by side that come back in order."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.core.errors import NotFound
from chalicelib.core.ports import Loc
from chalicelib.core.tasks import Slice
from chalicelib.mapreduce.shuffle.fetch import Fetch, beside, fetch_all, share_of_reads, stretches
from chalicelib.mapreduce.shuffle.index import Slices
from chalicelib.stores.memory import MemoryStore

SIZES = st.lists(st.lists(st.integers(0, 9), min_size=5, max_size=5), max_size=4)


def slice_of(sizes: list[int]) -> Slice:
    offsets = [0]
    for size in sizes:
        offsets.append(offsets[-1] + size)
    return Slice(run_file="x", offsets=tuple(offsets))


@given(SIZES, st.integers(0, 5), st.integers(0, 30))
def test_stretches_cover_all_partitions_and_are_as_long_as_fits(
    sizes: list[list[int]], first: int, most: int
) -> None:
    found = list(stretches(Slices.of([slice_of(own) for own in sizes]), first, 5, most))
    assert [number for stretch in found for number in range(stretch.first, stretch.last)] == list(
        range(first, 5)
    )
    totals = [sum(column) for column in zip(*sizes, strict=True)] or [0] * 5
    for stretch in found:
        assert stretch.sizes == totals[stretch.first : stretch.last]
        assert stretch.bytes <= most or stretch.last == stretch.first + 1
        if stretch.last < 5:
            assert stretch.bytes + totals[stretch.last] > most, "one more would have fitted"


class Parallel(MemoryStore):
    """Answers the first of two reads only when the second one is asked for."""

    parallel_reads = 2

    def __init__(self) -> None:
        super().__init__()
        self.second = threading.Event()

    def get(self, loc: Loc, *args: Any, **kwargs: Any) -> bytes:
        if loc.key == "0":
            assert self.second.wait(10), "reads are not under way at once"
        self.second.set()
        return super().get(loc, *args, **kwargs)


class Counting(MemoryStore):
    """Counts the reads that are under way, each of which waits a little for others to come."""

    parallel_reads = 32

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()
        self.under_way = self.most = 0

    def get(self, loc: Loc, *args: Any, **kwargs: Any) -> bytes:
        with self.lock:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        threading.Event().wait(0.002)
        with self.lock:
            self.under_way -= 1
        return super().get(loc, *args, **kwargs)


@pytest.mark.parametrize("reads", [1, 4, 500, None])
def test_no_more_reads_are_under_way_than_asked_for(reads: int | None) -> None:
    store = Counting()
    store.put(Loc("b", "k"), b"abc")
    assert list(fetch_all(store, [(Loc("b", "k"), 1, 2)] * 100, reads)) == [b"b"] * 100
    assert store.most <= min(reads or 32, 32)


def test_all_reducers_together_ask_no_more_than_one_prefix_serves() -> None:
    """5 500 reads a second that take 30 ms each are 165 under way; four each are the least, as they always were."""
    assert share_of_reads(1) >= 32
    for readers in range(1, 42):
        assert 4 <= share_of_reads(readers) <= 165 // readers
    assert share_of_reads(4096) == 4


@pytest.mark.parametrize("kind", [MemoryStore, Parallel])
def test_ranges_come_in_order(kind: type[MemoryStore]) -> None:
    store = kind()
    for number in range(20):
        store.put(Loc("b", str(number)), b"x%dy" % number)
    ranges = [(Loc("b", str(number)), 1, 1 + len(str(number))) for number in range(20)]
    assert list(fetch_all(store, ranges)) == [b"%d" % number for number in range(20)]
    with pytest.raises(NotFound):
        list(fetch_all(store, [*ranges, (Loc("b", "none"), 0, None)]))


class Gated(MemoryStore):
    """Reads wait until they may go on; it says which were asked for."""

    parallel_reads = 3

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []
        self.go_on = threading.Event()
        self.three = threading.Barrier(4)

    def get(self, loc: Loc, start: int = 0, stop: int | None = None, etag: str | None = None) -> bytes:
        self.asked.append(start)
        if not self.go_on.is_set():
            self.three.wait(10)
            assert self.go_on.wait(10)
        return super().get(loc, start, stop, etag)


def test_pieces_are_asked_for_before_the_first_has_come_and_no_more_than_may_be_held() -> None:
    store = Gated()
    store.put(Loc("b", "k"), body := bytes(range(200)))
    with Fetch(store, [(Loc("b", "k"), 0, 200)], 9, most=50, piece=16) as fetch:
        store.three.wait(10)
        assert sorted(store.asked) == [0, 2, 18], (
            "a small one first; as many as are worth it, and none has come"
        )
        store.go_on.set()
        taken = b""
        for chunk in fetch.chunks(0):
            taken += chunk
            assert max(store.asked) + 16 <= len(taken) + 50
    assert taken == body
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("fetch")]


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(1, 60)), max_size=6),
    st.sets(st.integers(0, 5)),
    st.integers(0, 3),
    st.integers(1, 9),
    st.integers(0, 99),
    st.integers(1, 40),
)
@settings(max_examples=40)
def test_ranges_come_whole_whichever_are_passed_over(
    spans: list[tuple[int, int]], skipped: set[int], parallel: int, reads: int, most: int, piece: int
) -> None:
    store = MemoryStore()
    store.parallel_reads = parallel
    store.put(Loc("b", "k"), body := bytes(range(120)))
    ranges = [(Loc("b", "k"), start, start + size) for start, size in spans]
    with Fetch(store, ranges, reads, most, piece) as fetch:
        for number, (_, start, stop) in enumerate(ranges):
            if number not in skipped:
                assert b"".join(fetch.chunks(number)) == body[start:stop]


def test_what_a_read_meets_is_raised_where_its_range_is_asked_for() -> None:
    store = MemoryStore()
    store.parallel_reads = 2
    store.put(Loc("b", "k"), b"abc")
    with Fetch(store, [(Loc("b", "k"), 0, 3), (Loc("b", "none"), 0, 3)], 4, 99) as fetch:
        assert b"".join(fetch.chunks(0)) == b"abc"
        with pytest.raises(NotFound, match="b/none"):
            list(fetch.chunks(1))


def test_a_read_beside_the_caller_is_under_way_before_it_is_asked_for() -> None:
    store, begun = MemoryStore(), threading.Event()

    def read() -> str:
        begun.set()
        return "read"

    with beside(store, read) as found:
        assert not begun.is_set(), "nothing has to be waited for here"
        assert found() == "read"
    begun.clear()
    store.parallel_reads = 1
    with beside(store, read) as found:
        assert begun.wait(10)
        assert found() == "read"
    with beside(store, lambda: store.get(Loc("b", "none"))) as lost, pytest.raises(NotFound, match="b/none"):
        lost()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("beside")]
