"""What is read of a run: one listing, then its small objects, each once and no more of them than was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from ...core.errors import NotFound
from ...core.keys import PHASES, Phase, RunKeys, parse_continuation, parse_done, parse_failed
from ...core.messages import Message, Stats, decode
from ...core.plan import Plan
from ...core.plan_file import read_head
from ...core.ports import Loc, ObjectInfo, Store
from ...core.tasks import Failure, MapMarker, Overtaken, ReduceMarker
from ..progress import is_hearsay, says_used


@dataclass
class Memory:
    """What was read of one run before; everything kept is an object that never changes.

    Give the same one to each `collect` of a run that is watched, and only news costs a request.
    """

    objects: dict[Loc, Message] = field(default_factory=dict)


@dataclass(frozen=True)
class Listing:
    """One pass over a run's keys."""

    names: frozenset[str]
    done: dict[Phase, frozenset[int]]
    failed: dict[Phase, frozenset[tuple[int, int]]]
    continued: int
    #: Keys of what attempts left that do not count, of all steps.
    words: dict[Phase, tuple[str, ...]]
    first: float | None
    last: float | None
    verdict_at: float | None


def scan(store: Store, keys: RunKeys) -> Listing:
    """Everything a run's keys tell, all pages of the listing; holds only the task numbers."""
    names: set[str] = set()
    done: dict[Phase, set[int]] = {phase: set() for phase in PHASES}
    failed: dict[Phase, set[tuple[int, int]]] = {phase: set() for phase in PHASES}
    single = {
        loc.key for loc in (keys.plan, keys.plan_done, keys.run_done, keys.exchange_plan, keys.reduce_plan)
    }
    first: ObjectInfo | None = None
    last: ObjectInfo | None = None
    verdict_at: float | None = None
    continued = 0
    words: dict[Phase, list[str]] = {phase: [] for phase in PHASES}
    for row in store.list(keys.run_root):
        first = row if first is None or row.modified < first.modified else first
        last = row if last is None or row.modified > last.modified else last
        if row.key in single:
            names.add(row.key)
            verdict_at = row.modified if row.key == keys.run_done.key else verdict_at
            continue
        names.add(keys.root.key)
        if says_used(row.key):
            folder = row.key.rpartition("/")[0]
            words[next(phase for phase in PHASES if folder.endswith(f"/{phase}"))].append(row.key)
        for phase in done:
            if not row.key.startswith(keys.phase(phase).key):
                continue
            if (task := parse_done(row.key)) is not None:
                done[phase].add(task)
            elif (attempt := parse_failed(row.key)) is not None:
                failed[phase].add(attempt)
            elif parse_continuation(row.key) is not None:
                continued += 1
    return Listing(
        names=frozenset(names),
        done={phase: frozenset(tasks) for phase, tasks in done.items()},
        failed={phase: frozenset(attempts) for phase, attempts in failed.items()},
        continued=continued,
        words={phase: tuple(found) for phase, found in words.items()},
        first=first.modified if first else None,
        last=last.modified if last else None,
        verdict_at=verdict_at,
    )


M = TypeVar("M", bound=Message)


@dataclass(frozen=True)
class Reader:
    """Reads a run's small objects, each once, and not more than it was told to."""

    store: Store
    keys: RunKeys
    memory: Memory
    max_markers: int
    max_failures: int

    def get(self, kind: type[M], loc: Loc) -> M | None:
        """The object, or None if it is not (or no longer) there."""
        known = self.memory.objects.get(loc)
        if isinstance(known, kind):
            return known
        try:
            message = decode(kind, self.store.get(loc), loc.url)
        except NotFound:
            return None
        self.memory.objects[loc] = message
        return message

    def plan(self) -> Plan | None:
        known = self.memory.objects.get(self.keys.plan)
        if isinstance(known, Plan):
            return known
        try:
            plan = read_head(self.store, self.keys)
        except NotFound:
            return None
        self.memory.objects[self.keys.plan] = plan
        return plan

    def exists(self, loc: Loc) -> bool:
        try:
            self.store.head(loc)
        except NotFound:
            return False
        return True

    def measure(self, phase: Phase, tasks: frozenset[int]) -> tuple[Stats, int]:
        """Stats of the markers known already and of up to `max_markers` more, and how many those are."""
        total, measured, asked = Stats(), 0, 0
        kind: type[MapMarker | ReduceMarker] = ReduceMarker if phase == "reduce" else MapMarker
        for task in sorted(tasks):
            loc = self.keys.done(phase, task)
            if loc not in self.memory.objects:
                if asked >= self.max_markers:
                    continue
                asked += 1
            marker = self.get(kind, loc)
            if marker is not None:
                total, measured = total + marker.stats, measured + 1
        return total, measured

    def wasted(self, keys: Sequence[str]) -> tuple[Stats, int, int]:
        """What attempts that do not count said they used, as far as `measure` would read, and how many words those are.

        Then how many of these others wrote, of attempts that died.
        """
        total, measured, hearsay, asked = Stats(), 0, 0, 0
        for key in keys:
            loc = Loc(self.keys.work.bucket, key)
            if loc not in self.memory.objects:
                if asked >= self.max_markers:
                    continue
                asked += 1
            word = self.get(Failure, loc) if parse_failed(key) else self.get(Overtaken, loc)
            if word is not None:
                total, measured = total + word.stats, measured + 1
                hearsay += is_hearsay(word)
        return total, measured, hearsay

    def bad(self) -> int:
        """Bad records that the map markers read so far tell of."""
        return sum(known.bad for known in self.memory.objects.values() if isinstance(known, MapMarker))

    def left_out(self) -> int:
        """Map tasks that the map markers read so far say are left out."""
        known = self.memory.objects.values()
        return sum(isinstance(one, MapMarker) and one.left_out is not None for one in known)

    def failures(self, failed: dict[Phase, frozenset[tuple[int, int]]]) -> tuple[Failure, ...]:
        """The first failed attempts, in the order of their keys."""
        rows = [(phase, *attempt) for phase in failed for attempt in sorted(failed[phase])]
        read = (self.get(Failure, self.keys.failed(*row)) for row in rows[: self.max_failures])
        return tuple(failure for failure in read if failure is not None)
