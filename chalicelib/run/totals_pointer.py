"""The totals of a job with `accumulate`: a pointer to states that only moves from one merge to the next.

A run leaves word that its states wait. Whoever has the turn merges all that wait with the totals, into states
of a new generation, and commits by writing the pointer over the one that the merge was planned on. That write
is conditional, and the pointer names the runs it adds: so each is added once, whoever repeats what. When the next
pointer is about to forget their names, they get markers instead. The turn only saves work: without it, all merges
but one would be in vain.

Read the pointer first, and only then who waits and who is merged: what changes in between changes the pointer.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from msgspec import Struct
from msgspec.structs import replace

from ..core.errors import NotFound, PreconditionFailed
from ..core.keys import TotalsKeys, parse_generation, parse_waiting, totals_shown
from ..core.messages import decode, encode
from ..core.outcome import Manifest
from ..core.plan import Plan
from ..core.ports import Loc, Store
from ..core.totals import (
    Asleep,
    Pointer,
    Shown,
    ShownPart,
    StatePart,
    TotalsPlan,
    Waiting,
    all_asleep,
    parse_asleep,
)
from . import lease

#: Runs that one merge takes at most; the others are next.
MOST_RUNS = 200
#: Generations whose states are kept: the totals, and those that somebody may still be reading.
_KEPT = 2


class Totals(Struct, frozen=True):
    """The totals as they were at one moment; `etag` is the pointer's, "" before there is one."""

    store: Store
    keys: TotalsKeys
    pointer: Pointer
    etag: str

    def generation_of(self, run: str) -> int | None:
        """In which generation a run was merged; None if it is not yet."""
        if run in self.pointer.recent:
            return self.pointer.generation
        try:
            return int(self.store.get(self.keys.merged(run)))
        except NotFound:
            return None

    def waiting(self, own: str) -> list[Waiting]:
        """The runs that could be merged with `own`; removes the word of those that are merged."""
        found: list[Waiting] = []
        for info in islice(self.store.list(self.keys.all_waiting), MOST_RUNS):
            run = parse_waiting(info.key)
            if run is None or run == own:
                continue
            if self.generation_of(run) is not None:
                self.store.delete(self.keys.root.bucket, [info.key])
                continue
            loc = self.keys.waiting(run)
            try:
                found.append(decode(Waiting, self.store.get(loc), loc.url))
            except NotFound:  # it has withdrawn
                continue
        return found

    def commit(self, plan: Plan, parts: tuple[StatePart, ...]) -> bool:
        """Make the parts of a merge the totals; False if they are no longer those it was planned on."""
        assert plan.totals is not None
        if (self.pointer.run, self.pointer.step) == (plan.run, plan.step):
            return True  # by ourselves, before a crash
        if self.etag != plan.totals.etag:
            return False
        pointer = Pointer(
            generation=plan.totals.generation,
            run=plan.run,
            step=plan.step,
            parts=parts,
            recent=plan.totals.runs,
        )
        return self._swap(pointer)

    def withdraw(self, run: str) -> bool:
        """Let nobody merge a run that fails; False if it is merged, or if somebody was faster: look again.

        Whoever has read that it waits has read an earlier pointer, and cannot commit any more.
        """
        if self.generation_of(run) is not None:
            return False
        self.store.delete(self.keys.root.bucket, [self.keys.waiting(run).key])
        count = self.pointer.withdrawals + 1
        return self._swap(replace(self.pointer, withdrawals=count, withdrawn=run))

    def _swap(self, pointer: Pointer) -> bool:
        """Write `pointer` over ours. First, the runs that ours alone says are merged get their markers."""
        body = encode(pointer)
        if not self.etag:
            return self.store.put_if_absent(self.keys.pointer, body)
        if pointer.recent != self.pointer.recent:
            for run in self.pointer.recent:
                self.store.put(self.keys.merged(run), b"%d" % self.pointer.generation)
        return self.store.put_if_match(self.keys.pointer, body, self.etag) is not None

    def clean(self) -> None:
        """Delete what the merges up to this pointer have made superfluous."""
        bucket, limit = self.keys.root.bucket, self.pointer.generation - _KEPT
        old: list[str] = []
        for info in self.store.list(self.keys.all_states):
            generation = parse_generation(info.key)
            if generation is None or generation > limit:
                break  # they come in the order of their numbers
            old.append(info.key)
        waiting = [self.keys.waiting(run).key for run in self.pointer.recent]
        self.store.delete(bucket, [*waiting, *old])


def read(store: Store, keys: TotalsKeys) -> Totals:
    """The totals as they are now."""
    while True:
        try:
            etag = store.head(keys.pointer).etag
            body = store.get(keys.pointer, etag=etag)
        except NotFound:
            return Totals(store, keys, Pointer(generation=0), "")
        except PreconditionFailed:
            continue  # written between the two
        return Totals(store, keys, decode(Pointer, body, keys.pointer.url), etag)


def wait(store: Store, keys: TotalsKeys, waiting: Waiting) -> None:
    """Leave word that a run's states wait to be merged."""
    store.put_if_absent(keys.waiting(waiting.run), encode(waiting))


def take_turn(store: Store, keys: TotalsKeys, run: str, now: float) -> bool:
    """Take the right to merge and to render, or renew it if the run has it; False if another run has it."""
    held = lease.held_by(store, keys.turn, run)
    if held:
        return held.renew(now)
    try:
        lease.Leaser(store, keys.turn, run).acquire(now)
    except lease.LeaseHeld:
        return False
    return True


def is_taken(store: Store, keys: TotalsKeys, run: str, now: float) -> bool:
    """Whether it is another run's turn than `run`'s."""
    found = lease.read(store, keys.turn)
    return found is not None and found[0].token != run and found[0].expires > now


def leave_word(store: Store, keys: TotalsKeys, asleep: Asleep) -> None:
    """Have whoever ends its turn call this run: it is to leave only if it finds the turn still taken after that."""
    store.put(asleep.word(keys), b"")


def sleepers(store: Store, keys: TotalsKeys) -> list[Asleep]:
    """The words of all runs that have left, in the order of the runs."""
    return [found for info in store.list(all_asleep(keys)) if (found := parse_asleep(info.key))]


def to_be_called(store: Store, keys: TotalsKeys, run: str) -> tuple[list[Asleep], list[Asleep]]:
    """The runs that sleep and are not merged, in their order, and those that are; `run`'s own words are removed.

    So are the words of runs that have ended, by a crash just before they removed them, or that are no more.
    """
    words = sleepers(store, keys)
    if not words:
        return [], []
    done = [word for word in words if word.run == run or _has_ended(store, keys, word)]
    if done:
        store.delete(keys.root.bucket, [word.word(keys).key for word in done])
    wait = {parse_waiting(info.key) for info in store.list(keys.all_waiting)}
    wait -= set(read(store, keys).pointer.recent)
    left = [word for word in words if word not in done]
    return [word for word in left if word.run in wait], [word for word in left if word.run not in wait]


def _has_ended(store: Store, keys: TotalsKeys, word: Asleep) -> bool:
    try:
        return not store.head(word.keys(keys).lease).size
    except NotFound:
        return True


def keep_turn(store: Store, keys: TotalsKeys, run: str, now: float) -> None:
    """Put off the expiry of the turn, if the run has it."""
    held = lease.held_by(store, keys.turn, run)
    if held:
        held.renew(now)


def end_turn(store: Store, keys: TotalsKeys, run: str) -> None:
    """Let the next one merge."""
    held = lease.held_by(store, keys.turn, run)
    if held:
        held.release()


def is_overtaken(store: Store, plan: Plan) -> bool:
    """Whether the failure of a step over the totals is no failure of its run: the totals have changed meanwhile.

    A merge of several runs that fails is overtaken as well: whoever planned it tries its own run alone, so that
    no run fails for another's sake. A run that does fail withdraws first. Whoever is told so can rely on it that
    nothing of the run is in the totals; unless it is merged, and only its rendering failed.
    """
    planned = plan.totals
    if planned is None:
        return False
    found = read(store, TotalsKeys(plan.work, plan.job))
    if plan.role == "render":
        return found.pointer.generation != planned.generation
    return len(planned.runs) > 1 or found.etag != planned.etag or not found.withdraw(plan.run)


def planned_on(found: Totals, runs: Iterable[str]) -> TotalsPlan:
    """What a merge of `runs` is planned on."""
    return TotalsPlan(etag=found.etag, generation=found.pointer.generation + 1, runs=tuple(runs))


def rendering_of(found: Totals) -> TotalsPlan:
    """What a rendering of the totals is planned on."""
    return TotalsPlan(etag=found.etag, generation=found.pointer.generation)


def shown(store: Store, loc: Loc) -> tuple[Shown, str] | None:
    """What is shown of the totals, and its etag."""
    while True:
        try:
            etag = store.head(loc).etag
            return decode(Shown, store.get(loc, etag=etag), loc.url), etag
        except NotFound:
            return None
        except PreconditionFailed:
            continue


def show(store: Store, plan: Plan, manifest: Manifest) -> None:
    """Show the results of a rendering, unless those of a later one are shown already."""
    assert plan.totals is not None
    loc = totals_shown(plan.output, plan.run)
    parts = tuple(ShownPart(key=part.key, bytes=part.bytes, records=part.records) for part in manifest.parts)
    body = encode(
        Shown(
            job=plan.job,
            generation=plan.totals.generation,
            run=plan.run,
            records=manifest.records,
            bytes=manifest.bytes,
            parts=parts,
        )
    )
    while True:
        there = shown(store, loc)
        if there is None:
            done = store.put_if_absent(loc, body)
        elif there[0].generation >= plan.totals.generation:
            return
        else:
            done = store.put_if_match(loc, body, there[1]) is not None
        if done:
            return
