"""What was written or read whole is not asked for again, if it is an object of a run that never changes."""

from __future__ import annotations

import pytest

from chalicelib.core.errors import NotFound
from chalicelib.core.keys import RunKeys
from chalicelib.core.ports import Loc
from chalicelib.functions.attempt.remembering import Remembering
from chalicelib.stores.memory import MemoryStore

KEYS = RunKeys(Loc("work", ""), "job", "run")
PLAN = KEYS.plan


def stores() -> tuple[MemoryStore, Remembering]:
    inner = MemoryStore()
    return inner, Remembering(inner)


def test_what_was_read_whole_is_read_once() -> None:
    inner, store = stores()
    inner.put(PLAN, b"0123456789")
    assert store.get(PLAN, 0, 100) == b"0123456789"
    assert (store.get(PLAN, 2, 4), store.get(PLAN, 8), store.get(PLAN)) == (b"23", b"89", b"0123456789")
    assert store.requests["get"] == 1
    assert store.knows(PLAN)


def test_a_stretch_is_not_taken_for_the_whole() -> None:
    inner, store = stores()
    inner.put(PLAN, b"0123456789")
    assert (store.get(PLAN, 0, 10), store.get(PLAN, 5), store.get(PLAN, 0, 4)) == (
        b"0123456789",
        b"56789",
        b"0123",
    )
    assert not store.knows(PLAN)
    assert store.get(PLAN) == b"0123456789"
    assert store.requests["get"] == 4


def test_what_was_written_is_not_read_at_all() -> None:
    _, store = stores()
    store.put(KEYS.index_block(0), b"index")
    assert store.put_if_absent(KEYS.done("map", 0), b"marker")
    with store.writer(KEYS.run_file(0, 0, "t")) as sink:
        sink.write(b"run ")
        sink.write(b"file")
        sink.commit()
    assert store.get(KEYS.index_block(0)) == b"index"
    assert store.get(KEYS.done("map", 0)) == b"marker"
    assert store.get(KEYS.run_file(0, 0, "t"), 4) == b"file"
    assert store.requests["get"] == 0


def test_what_others_wrote_first_is_what_counts() -> None:
    inner, store = stores()
    inner.put(KEYS.done("map", 0), b"theirs")
    assert not store.put_if_absent(KEYS.done("map", 0), b"ours")
    assert store.get(KEYS.done("map", 0)) == b"theirs"
    with store.writer(KEYS.done("map", 0), if_absent=True) as sink:
        sink.write(b"ours")
        assert not sink.commit()
    assert store.get(KEYS.done("map", 0)) == b"theirs"


@pytest.mark.parametrize("loc", [KEYS.lease, Loc("in", "data/a.txt"), Loc("out", "run/_SUCCESS")])
def test_what_may_change_is_asked_for_each_time(loc: Loc) -> None:
    inner, store = stores()
    store.put(loc, b"one")
    inner.put(loc, b"two")
    assert store.get(loc) == b"two"
    inner.put(loc, b"three")
    assert store.get(loc) == b"three"


def test_what_is_deleted_is_forgotten() -> None:
    _, store = stores()
    store.put(KEYS.run_file(0, 0, "t"), b"run file")
    store.delete("work", iter([KEYS.run_file(0, 0, "t").key]))
    with pytest.raises(NotFound):
        store.get(KEYS.run_file(0, 0, "t"))


def test_no_more_is_kept_than_there_is_room_for() -> None:
    """4 MiB of one object, 8 of all."""
    _, store = stores()
    with store.writer(KEYS.run_file(0, 0, "large")) as sink:
        for _ in range(5):
            sink.write(bytes(1 << 20))
        sink.commit()
    assert not store.knows(KEYS.run_file(0, 0, "large"))
    for number in range(3):
        store.put(KEYS.run_file(number, 0, "t"), bytes(4 << 20))
    assert [store.knows(KEYS.run_file(number, 0, "t")) for number in range(3)] == [True, True, False]
    assert len(store.get(KEYS.run_file(2, 0, "t"))) == 4 << 20
