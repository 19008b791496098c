"""`lease`: one winner of ten, expiry, and what the next holder inherits."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from chalicelib.core.ports import Loc
from chalicelib.run.lease import NEVER, TTL, Held, Lease, Watch, acquire, read
from chalicelib.stores.memory import MemoryStore

LOC = Loc("work", "runs/j/r/reduce/lease")
NOW = 1000.0


def take(store: MemoryStore, token: str, now: float = NOW, hops: int = 0) -> Held | Lease:
    return acquire(store, LOC, token, f"{token}.done", now, hops)


def held(store: MemoryStore, token: str, now: float = NOW) -> Held:
    got = take(store, token, now)
    assert isinstance(got, Held)
    return got


def contend(store: MemoryStore, now: float) -> list[Held | Lease]:
    gate = Barrier(10)

    def contender(number: int) -> Held | Lease:
        gate.wait()
        return take(store, f"{number:02d}", now)

    with ThreadPoolExecutor(10) as pool:
        return list(pool.map(contender, range(10)))


def test_ten_contenders_one_winner_and_again_after_expiry() -> None:
    for _ in range(20):
        store = MemoryStore()
        winners = [got for got in contend(store, NOW) if isinstance(got, Held)]
        assert len(winners) == 1
        found = read(store, LOC)
        assert found is not None
        assert found[0] == winners[0].lease
        assert [got for got in contend(store, NOW + TTL / 2) if isinstance(got, Held)] == []
        assert len([got for got in contend(store, NOW + TTL) if isinstance(got, Held)]) == 1


def test_who_comes_second_learns_who_holds_it() -> None:
    store = MemoryStore()
    held(store, "first")
    theirs = take(store, "second")
    assert isinstance(theirs, Lease)
    assert (theirs.token, theirs.trigger, theirs.expires) == ("first", "first.done", NOW + TTL)


def test_renewal_puts_off_the_expiry() -> None:
    store = MemoryStore()
    mine = held(store, "a")
    assert mine.renew(NOW + 30)
    assert isinstance(take(store, "b", NOW + TTL + 1), Lease)
    assert isinstance(take(store, "b", NOW + 30 + TTL), Held)


def test_who_lost_the_lease_cannot_renew_release_or_end_it() -> None:
    store = MemoryStore()
    old = held(store, "old")
    new = held(store, "new", NOW + TTL)
    before = read(store, LOC)
    assert not old.renew(NOW + TTL)
    assert not old.release()
    assert not old.end()
    assert read(store, LOC) == before
    assert new.renew(NOW + TTL + 1)


def test_a_released_lease_is_taken_at_once_and_an_ended_one_never() -> None:
    store = MemoryStore()
    assert held(store, "a").release()
    second = held(store, "b")
    assert second.end()
    assert isinstance(take(store, "c", NEVER - 1), Lease)


def test_a_deleted_lease_cannot_be_renewed() -> None:
    store = MemoryStore()
    mine = held(store, "a")
    store.delete(LOC.bucket, [LOC.key])
    assert not mine.renew(NOW)


def test_what_was_seen_is_handed_on_by_renewal_release_and_expiry() -> None:
    watch = Watch(phase="map", done=3, moved=900.0, started={4: (1, 950.0)})
    store = MemoryStore()
    first = held(store, "a")
    assert first.lease.watch is None
    assert first.renew(NOW, watch)
    second = held(store, "b", NOW + TTL)  # the first was killed
    assert second.lease.watch == watch
    assert second.renew(NOW + TTL), "nothing new seen"
    assert second.release()
    assert held(store, "c").lease.watch == watch


def test_an_ended_lease_is_empty_so_that_a_listing_shows_it() -> None:
    store = MemoryStore()
    mine = held(store, "a")
    assert mine.end()
    assert [info.size for info in store.list(LOC)] == [0]
    found = read(store, LOC)
    assert found is not None
    assert found[0].expires == NEVER
    assert not mine.renew(1.0), "what it held is over"
