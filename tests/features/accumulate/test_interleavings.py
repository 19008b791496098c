"""`totals` alone, without a turn: mergers in any order, stopped at any call, add each run once.

Every merger runs in a thread of its own that waits at each call of the store until the test lets it go on, so
that the order of all calls is the test's.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from random import Random
from threading import Semaphore, Thread
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.errors import NotFound
from chalicelib.core.keys import TotalsKeys
from chalicelib.core.ports import Loc
from chalicelib.core.totals import StatePart, Waiting
from chalicelib.run import totals_pointer
from chalicelib.stores.memory import MemoryStore
from tests.strategies import examples

KEYS = TotalsKeys(Loc("work", ""), "job")


class Stopped(BaseException):
    """The merger was killed."""


class Stepped:
    """The store of one merger: each call waits to be let go on, and may be the last."""

    def __init__(self, memory: MemoryStore) -> None:
        self._memory = memory
        self.go, self.there = Semaphore(0), Semaphore(0)
        self.kill = False

    def wait(self) -> None:
        self.there.release()
        self.go.acquire()
        if self.kill:
            raise Stopped

    def list(self, *args: Any) -> Iterator[Any]:
        self.wait()
        return iter(list(self._memory.list(*args)))

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._memory, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            self.wait()
            return method(*args, **kwargs)

        return call


class Merger:
    """One run: waits, merges all that wait or, again, itself alone; or fails and withdraws.

    What it planned is kept when it is stopped, as the plan of its step would be.
    """

    def __init__(self, memory: MemoryStore, name: str, *, fails: bool) -> None:
        self.name, self.fails, self.outcome = name, fails, ""
        self._memory = memory
        self._plans: list[Any] = []
        place = Loc("work", f"own/{name}")
        body = json.dumps({name: 1, "all": 1}).encode()
        self._own = Waiting(run=name, parts=(self._put(place, body),))
        self.start()

    def _put(self, loc: Loc, body: bytes) -> StatePart:
        return StatePart(key=loc.key, bytes=len(body), etag=self._memory.put(loc, body))

    def start(self) -> None:
        self.store: Any = Stepped(self._memory)
        self._thread = Thread(target=self._run)
        self._thread.start()
        self.store.there.acquire()

    @property
    def alive(self) -> bool:
        return not self.outcome

    def step(self, *, kill: bool) -> None:
        """One call more; a merger that is stopped begins anew."""
        store = self.store
        store.kill = kill
        store.go.release()
        store.there.acquire()
        if not self._thread.is_alive() or self._over:
            self._thread.join()
            if self.alive:
                self.start()

    def _run(self) -> None:
        self._over = False
        try:
            self.outcome = self._work(self.store)
        except Stopped:
            pass
        finally:
            self._over = True
            self.store.there.release()

    def _work(self, store: Any) -> str:
        totals_pointer.wait(store, KEYS, self._own)
        while True:
            found = totals_pointer.read(store, KEYS)
            if self._plans and not self.fails and found.commit(self._plans[-1], self._plans[-1].parts):
                totals_pointer.read(store, KEYS).clean()
            found = totals_pointer.read(store, KEYS)
            if found.generation_of(self.name) is not None:
                return "counted"
            if self.fails and self._plans:
                if found.withdraw(self.name):
                    return "failed"
                continue
            others = [] if self._plans else found.waiting(self.name)
            self._plan(found, [self._own, *others])

    def _plan(self, found: totals_pointer.Totals, waiting: list[Waiting]) -> None:
        """What the merge step does: its result is there before anything is committed."""
        sums: Counter[str] = Counter()
        for part in (*found.pointer.parts, *(part for one in waiting for part in one.parts)):
            try:
                sums.update(json.loads(self._memory.get(Loc("work", part.key))))
            except NotFound:
                return  # of a generation that is no more: the pointer has moved
        planned = totals_pointer.planned_on(found, [one.run for one in waiting])
        step = len(self._plans) + 1
        place = KEYS.states(planned.generation, self.name, step).child("part")
        parts = (self._put(place, json.dumps(sums).encode()),)
        self._plans.append(SimpleNamespace(run=self.name, step=step, totals=planned, parts=parts))


def result(memory: MemoryStore) -> Counter[str]:
    """What the totals hold now."""
    found: Counter[str] = Counter()
    for part in totals_pointer.read(memory, KEYS).pointer.parts:
        found.update(json.loads(memory.get(Loc("work", part.key))))
    return found


def play(names: list[str], failing: set[str], chance: Random, stays: float, kills: float) -> None:
    """All mergers to their ends. One goes on with the chance `stays`, so that it may be done while others sleep."""
    memory = MemoryStore()
    mergers = [Merger(memory, name, fails=name in failing) for name in names]
    merger = mergers[0]
    try:
        while alive := [merger for merger in mergers if merger.alive]:
            if merger not in alive or chance.random() >= stays:
                merger = chance.choice(alive)
            merger.step(kill=chance.random() < kills)
            sums = result(memory)
            assert all(count == 1 for name, count in sums.items() if name != "all"), sums
    finally:
        for merger in mergers:
            merger.outcome = merger.outcome or "abandoned"
            merger.step(kill=True) if merger._thread.is_alive() else None
    counted = [merger.name for merger in mergers if merger.outcome == "counted"]
    assert {name for name in names if name not in failing} <= set(counted)
    assert result(memory) == Counter({**dict.fromkeys(counted, 1), "all": len(counted)})


@examples(150)
@given(st.data(), st.integers(2, 5), st.sets(st.integers(0, 4), max_size=2))
def test_each_run_is_counted_once_or_fails_uncounted(data: Any, count: int, failing: set[int]) -> None:
    chance = data.draw(st.randoms(use_true_random=False))
    stays = data.draw(st.sampled_from([0.0, 0.8, 0.95]))
    kills = data.draw(st.sampled_from([0.0, 0.02, 0.1]))
    names = [f"r{number}" for number in range(count)]
    play(names, {f"r{number}" for number in failing}, chance, stays, kills)


def test_two_runs_that_withdraw_at_once_know_of_each_other() -> None:
    """Else the second would take the first one's pointer for its own, though somebody has read that it waits."""
    memory = MemoryStore()
    for run in ("a", "b"):
        totals_pointer.wait(memory, KEYS, Waiting(run=run, parts=()))
    first, second = totals_pointer.read(memory, KEYS), totals_pointer.read(memory, KEYS)
    assert first.withdraw("a")
    between = totals_pointer.read(memory, KEYS)
    assert [waiting.run for waiting in between.waiting("c")] == ["b"]
    assert not second.withdraw("b")
    assert totals_pointer.read(memory, KEYS).withdraw("b")
    plan: Any = SimpleNamespace(run="c", step=1, totals=totals_pointer.planned_on(between, ["b", "c"]))
    assert not totals_pointer.read(memory, KEYS).commit(plan, ())
