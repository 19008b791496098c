"""What a listing of markers means: which tasks of a phase are done, which attempts failed, which go on.

And what was used by the attempts that do not count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from ..core.errors import CorruptData
from ..core.keys import Phase, RunKeys, parse_continuation, parse_done, parse_failed, parse_overtaken
from ..core.messages import Stats, Wasted, decode
from ..core.ports import Loc, Store
from ..core.tasks import Failure, Overtaken
from ..mapreduce.shuffle.fetch import fetch_all

#: How often Lambda delivers a call whose function dies, each one after the other.
_DELIVERIES = 3
#: Words of attempts that are read, evenly chosen; of more, these stand for all.
_READ = 256


@dataclass
class Progress:
    """What is known of one phase of a run: distinct task numbers, never a count of objects."""

    phase: Phase
    tasks: int
    done: set[int] = field(default_factory=set)
    #: Attempts that failed, by task.
    failed: dict[int, set[int]] = field(default_factory=dict)
    #: Invocations that ran out of time and left word: signs of life of tasks that are not done.
    going_on: set[str] = field(default_factory=set)
    #: All tasks below this one are done, so a listing may start after it.
    contiguous: int = 0

    @property
    def complete(self) -> bool:
        return len(self.done) == self.tasks

    @property
    def signs(self) -> int:
        """How much has been heard of the phase; it only grows."""
        return len(self.done) + len(self.going_on)

    def missing(self) -> list[int]:
        return [task for task in range(self.contiguous, self.tasks) if task not in self.done]

    def note(self, keys: Iterable[str]) -> None:
        """Take in the keys of a listing, and pass over those that are not markers of this phase."""
        for key in keys:
            task = parse_done(key)
            if task is not None:
                if task < self.tasks:
                    self.done.add(task)
                continue
            continued = parse_continuation(key)
            if continued:
                self.going_on.add(continued[1])
                continue
            failure = parse_failed(key)
            if failure and failure[0] < self.tasks:
                self.failed.setdefault(failure[0], set()).add(failure[1])
        while self.contiguous in self.done:
            self.contiguous += 1


def scan(store: Store, keys: RunKeys, progress: Progress) -> None:
    """Bring `progress` up to date with one LIST, started after the contiguous part already seen."""
    after = keys.done(progress.phase, progress.contiguous - 1).key if progress.contiguous else ""
    progress.note(info.key for info in store.list(keys.phase(progress.phase), after))


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What a phase tells of its attempts: those whose markers count, and how long a lost one can have taken."""

    #: The attempt of each task that counts or, where none does, the last that is known to have been started.
    last: Mapping[int, int]
    #: Tasks that have a marker.
    done: frozenset[int]
    #: Seconds that the function may take, and those between the phase's beginning and its end.
    timeout: float
    seconds: float


def wasted(store: Store, keys: RunKeys, phase: Phase, spent: Spent) -> Wasted:
    """What all attempts of a phase used beside those that count: one LIST, and a GET for each that left word.

    Unknown is an attempt that was started beside one that won, and left nothing.
    """
    locs = _words(store, keys, phase)
    told = {word for loc in locs if (word := says_used(loc.key))}
    last = dict(spent.last)
    for task, attempt in told:
        last[task] = max(attempt, last.get(task, 0))
    heard = told | {(task, spent.last[task]) for task in spent.done}
    lost = sum((task, attempt) not in heard for task in last for attempt in range(last[task] + 1))
    most = min(_DELIVERIES * spent.timeout, spent.seconds + spent.timeout)
    return Wasted(attempts=len(locs), stats=used(store, locs), lost=lost, lost_seconds=lost * most)


def heard_since(store: Store, keys: RunKeys, phase: Phase, before: Wasted) -> Wasted:
    """`before`, which was told earlier, with what attempts have said since that were at work then. Often no request."""
    if not before.lost:
        return before
    locs = _words(store, keys, phase)
    return before.heard(len(locs), used(store, locs))


def _words(store: Store, keys: RunKeys, phase: Phase) -> list[Loc]:
    return [Loc(keys.work.bucket, info.key) for info in store.list(keys.phase(phase)) if says_used(info.key)]


def says_used(key: str) -> tuple[int, int] | None:
    """(task, attempt) of an object that says what an attempt used which does not count."""
    return parse_failed(key) or parse_overtaken(key)


def used(store: Store, locs: Sequence[Loc]) -> Stats:
    """What the attempts used that left these words. A damaged one counts for nothing: no run fails for it."""
    chosen = locs[:: -(-len(locs) // _READ)] if locs else []
    bodies = fetch_all(store, ((loc, 0, None) for loc in chosen))
    total = Stats()
    for loc, body in zip(chosen, bodies, strict=True):
        kind: type[Failure | Overtaken] = Failure if parse_failed(loc.key) else Overtaken
        with suppress(CorruptData):
            total += decode(kind, body, loc.url).stats
    return total * (len(locs) / len(chosen)) if chosen else total
