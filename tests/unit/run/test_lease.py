"""`lease`: one winner of ten, expiry, who may renew, and what the next holder inherits. Over two stores."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from chalicelib.core.ports import Loc, Store
from chalicelib.run.lease import NEVER, TTL, Lease, LeaseHeld, Leaser, Watch, held_by, read
from chalicelib.stores.folder import FolderStore
from chalicelib.stores.memory import MemoryStore

NOW = 1000.0
KEY = "runs/j/r/reduce/lease"


class Place:
    """A lease in a store, and those who want it."""

    def __init__(self, store: Store, bucket: str) -> None:
        self.store, self.loc = store, Loc(bucket, KEY)

    def leaser(self, owner: str, hops: int = 0) -> Leaser:
        return Leaser(self.store, self.loc, owner, trigger=f"{owner}.done", hops=hops)

    def held(self, owner: str, now: float = NOW) -> Leaser:
        leaser = self.leaser(owner)
        assert leaser.acquire(now) == leaser.lease
        return leaser

    def refused(self, owner: str, now: float = NOW) -> LeaseHeld:
        with pytest.raises(LeaseHeld) as found:
            self.leaser(owner).acquire(now)
        return found.value

    def there(self) -> Lease:
        found = read(self.store, self.loc)
        assert found is not None
        return found[0]

    def contend(self, now: float, contenders: int = 10) -> list[Leaser]:
        """The winners."""
        gate = Barrier(contenders)

        def contender(number: int) -> Leaser | None:
            leaser = self.leaser(f"{number:02d}")
            gate.wait()
            try:
                leaser.acquire(now)
            except LeaseHeld:
                return None
            return leaser

        with ThreadPoolExecutor(contenders) as pool:
            return [leaser for leaser in pool.map(contender, range(contenders)) if leaser]


@pytest.fixture(params=["memory", "folder"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "memory":
        return Place(MemoryStore(), "work")
    return Place(FolderStore([tmp_path]), str(tmp_path))


@pytest.mark.parametrize("round_", range(10))
def test_ten_contenders_one_winner_and_again_after_expiry(place: Place, round_: int) -> None:
    (winner,) = place.contend(NOW)
    assert place.there() == winner.lease
    assert place.contend(NOW + TTL / 2) == []
    (second,) = place.contend(NOW + TTL)
    assert place.there() == second.lease
    assert not winner.renew(NOW + TTL)


def test_who_comes_second_learns_who_holds_it_and_until_when(place: Place) -> None:
    place.held("first")
    error = place.refused("second")
    assert (error.owner, error.expires) == ("first", NOW + TTL)
    assert error.lease.trigger == "first.done"
    assert str(error) == f"{place.loc.url}: held by first, until 1045.000 (seconds since the epoch)"


def test_renewal_puts_off_the_expiry(place: Place) -> None:
    mine = place.held("a")
    assert mine.renew(NOW + 30)
    assert (mine.lease.expires, mine.lease.renewals) == (NOW + 30 + TTL, 1)
    assert place.refused("b", NOW + TTL + 1).owner == "a"
    place.held("b", NOW + 30 + TTL)


def test_two_whose_clocks_disagree_hold_it_at_once_until_the_first_renews(place: Place) -> None:
    slow = place.held("slow")
    fast = place.held("fast", NOW + TTL)  # by its clock; by the first one's, no time has passed
    before = place.there()
    assert not slow.renew(NOW + 1)
    assert not slow.release()
    assert not slow.end()
    assert place.there() == before == fast.lease
    assert fast.renew(NOW + TTL + 1)


def test_a_holder_known_to_be_dead_loses_the_lease_before_it_expires(place: Place) -> None:
    dead = place.held("dead").lease
    heir = place.leaser("heir")
    heir.acquire(NOW + 1, dead=dead)
    assert place.there().token == "heir"
    with pytest.raises(LeaseHeld):  # what was known of the dead says nothing of the heir
        place.leaser("late").acquire(NOW + 2, dead=dead)


def test_a_released_lease_is_taken_at_once_and_an_ended_one_never(place: Place) -> None:
    assert place.held("a").release()
    second = place.held("b")
    assert second.end()
    error = place.refused("c", NEVER - 1)
    assert error.lease.ended
    assert "its run has ended" in str(error)


def test_a_deleted_lease_cannot_be_renewed(place: Place) -> None:
    mine = place.held("a")
    place.store.delete(place.loc.bucket, [place.loc.key])
    assert not mine.renew(NOW)


def test_without_acquiring_nothing_is_written(place: Place) -> None:
    stranger = place.leaser("stranger")
    assert not stranger.renew(NOW)
    owner = place.held("owner")
    assert not stranger.renew(NOW)
    assert not stranger.release()
    assert not stranger.end()
    assert place.there() == owner.lease


def test_what_was_seen_is_handed_on_by_renewal_release_and_expiry(place: Place) -> None:
    watch = Watch(phase="map", done=3, moved=900.0, started={4: (1, 950.0)})
    first = place.held("a")
    assert first.lease.watch is None
    assert first.renew(NOW, watch)
    second = place.held("b", NOW + TTL)  # the first was killed
    assert second.lease.watch == watch
    assert second.renew(NOW + TTL), "nothing new seen"
    assert second.release()
    assert place.held("c").lease.watch == watch


def test_an_ended_lease_is_empty_so_that_a_listing_shows_it(place: Place) -> None:
    mine = place.held("a")
    assert mine.end()
    assert [info.size for info in place.store.list(place.loc)] == [0]
    assert place.there().expires == NEVER
    assert not mine.renew(1.0), "what it held is over"


def test_the_owner_may_go_on_with_its_lease_through_another_leaser(place: Place) -> None:
    assert held_by(place.store, place.loc, "a") is None, "there is no lease yet"
    first = place.held("a")
    assert held_by(place.store, place.loc, "b") is None
    again = held_by(place.store, place.loc, "a")
    assert again is not None
    assert again.renew(NOW + 10)
    assert not first.renew(NOW + 20), "the other one has renewed it meanwhile"
    assert again.release()
    assert held_by(place.store, place.loc, "a") is None, "released"


def test_the_stored_object_names_owner_expiry_and_what_was_seen(place: Place) -> None:
    mine = place.leaser("owner", hops=2)
    mine.acquire(NOW)
    assert mine.renew(NOW + 1, Watch(phase="reduce", done=1, moved=999.0, started={3: (1, 998.0)}))
    assert json.loads(place.store.get(place.loc)) == {
        "token": "owner",
        "trigger": "owner.done",
        "expires": NOW + 1 + TTL,
        "renewals": 1,
        "hops": 2,
        "watch": {"phase": "reduce", "done": 1, "moved": 999.0, "started": {"3": [1, 998.0]}},
    }
