"""What a listing of markers means: which tasks of a phase are done, which attempts failed, which go on.

And what was used by the attempts that do not count.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, MutableSet, Sequence
from contextlib import suppress

from msgspec import Struct, field

from ..core.errors import CorruptData
from ..core.keys import (
    CONTINUED,
    DONE,
    FAILED,
    OVERTAKEN,
    SILENT,
    Phase,
    RunKeys,
    parse_continuation,
    parse_done,
    parse_failed,
    parse_overtaken,
)
from ..core.messages import Stats, Wasted, decode
from ..core.ports import Loc, Store
from ..core.tasks import CRASHED, Failure, Overtaken
from ..mapreduce.shuffle.fetch import fetch_all

#: How often Lambda delivers a call whose function dies, each one after the other.
_DELIVERIES = 3
#: Words of attempts that are read, evenly chosen; of more, these stand for all.
_READ = 256


class TaskSet(MutableSet[int]):
    """Distinct numbers of tasks below `tasks`, in order. A byte each: Python's own set takes a hundred."""

    def __init__(self, tasks: int, members: Iterable[int] = ()) -> None:
        self._flags = bytearray(tasks)
        self._count = 0
        for task in members:
            self.add(task)

    def add(self, task: int) -> None:
        if not self._flags[task]:
            self._flags[task] = 1
            self._count += 1

    def discard(self, task: int) -> None:
        if task in self:
            self._flags[task] = 0
            self._count -= 1

    def first_missing(self, start: int = 0) -> int:
        """The smallest number from `start` on that is not in it."""
        found = self._flags.find(0, start)
        return len(self._flags) if found < 0 else found

    def __contains__(self, task: object) -> bool:
        return isinstance(task, int) and 0 <= task < len(self._flags) and self._flags[task] == 1

    def __iter__(self) -> Iterator[int]:
        at = self._flags.find(1)
        while at >= 0:
            yield at
            at = self._flags.find(1, at + 1)

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return f"TaskSet({len(self._flags)}, {list(self)})"


class Progress(Struct, dict=True):
    """What is known of one phase of a run: distinct task numbers, never a count of objects."""

    phase: Phase
    tasks: int
    done: MutableSet[int] = field(default_factory=set)
    #: Attempts that failed, by task.
    failed: dict[int, set[int]] = field(default_factory=dict)
    #: Invocations that ran out of time and left word: signs of life of tasks that are not done.
    going_on: set[str] = field(default_factory=set)
    #: All tasks below this one are done, so a listing may start after it.
    contiguous: int = 0

    def __post_init__(self) -> None:
        self._done = self.done = TaskSet(self.tasks, self.done)

    @property
    def complete(self) -> bool:
        return len(self.done) == self.tasks

    @property
    def signs(self) -> int:
        """How much has been heard of the phase; it only grows."""
        return len(self.done) + len(self.going_on)

    @property
    def happened(self) -> int:
        """The same, with the attempts that failed."""
        return self.signs + sum(len(attempts) for attempts in self.failed.values())

    def missing(self) -> list[int]:
        return [task for task in range(self.contiguous, self.tasks) if task not in self.done]

    def note(self, keys: Iterable[str]) -> None:
        """Take in the keys of a listing, and pass over those that are not markers of this phase."""
        for key in keys:
            if key.endswith((DONE, SILENT)):
                task = parse_done(key)
                if task is not None and task < self.tasks:
                    self.done.add(task)
            elif key.endswith(CONTINUED):
                continued = parse_continuation(key)
                if continued:
                    self.going_on.add(continued[1])
            elif key.endswith(FAILED):
                failure = parse_failed(key)
                if failure and failure[0] < self.tasks:
                    self.failed.setdefault(failure[0], set()).add(failure[1])
        self.contiguous = self._done.first_missing(self.contiguous)


def scan(store: Store, keys: RunKeys, progress: Progress) -> None:
    """Bring `progress` up to date with one LIST, started after the contiguous part already seen."""
    after = keys.done(progress.phase, progress.contiguous - 1).key if progress.contiguous else ""
    progress.note(info.key for info in store.list(keys.phase(progress.phase), after))


class Spent(Struct, frozen=True, kw_only=True):
    """What a phase tells of its attempts: those whose markers count, and how long a lost one can have taken."""

    #: The attempt of each task that counts or, where none does, the last that is known to have been started. Tasks
    #: that are done by their first attempt may be left out, so that this stays small.
    last: Mapping[int, int]
    #: Tasks that have a marker.
    done: Container[int]
    #: Seconds that the function may take, and those between the phase's beginning and its end.
    timeout: float
    seconds: float


def wasted(
    store: Store, keys: RunKeys, phase: Phase, spent: Spent, tick: Callable[[], None] = lambda: None
) -> Wasted:
    """What all attempts of a phase used beside those that count: one LIST, and a GET for each that left word.

    Unknown is an attempt that was started beside one that won, and left nothing. `tick` is called between the keys of
    the listing; it may raise.
    """
    locs = _words(store, keys, phase, tick)
    heard: dict[int, set[int]] = {task: set() for task in spent.last}
    for loc in locs:
        if word := says_used(loc.key):
            heard.setdefault(word[0], set()).add(word[1])
    lost = 0
    for task, attempts in heard.items():
        started = max(spent.last.get(task, 0), *attempts, 0) + 1
        won = {spent.last.get(task, 0)} if task in spent.done else set()
        lost += started - len(attempts | won)
    told, stats = used(store, locs)
    lost += len(locs) - told
    most = min(_DELIVERIES * spent.timeout, spent.seconds + spent.timeout)
    return Wasted(attempts=told, stats=stats, lost=lost, lost_seconds=lost * most)


def heard_since(store: Store, keys: RunKeys, phase: Phase, before: Wasted) -> Wasted:
    """`before`, which was told earlier, with what attempts have said since that were at work then. Often no request."""
    if not before.lost:
        return before
    return before.heard(*used(store, _words(store, keys, phase)))


def _words(store: Store, keys: RunKeys, phase: Phase, tick: Callable[[], None] = lambda: None) -> list[Loc]:
    found = []
    for info in store.list(keys.phase(phase)):
        tick()
        if says_used(info.key):
            found.append(Loc(keys.work.bucket, info.key))
    return found


def says_used(key: str) -> tuple[int, int] | None:
    """(task, attempt) of an object that says what an attempt used which does not count."""
    if key.endswith(FAILED):
        return parse_failed(key)
    return parse_overtaken(key) if key.endswith(OVERTAKEN) else None


def is_hearsay(word: Failure | Overtaken) -> bool:
    """Whether others wrote it of an attempt that died, which nobody knows the use of."""
    return isinstance(word, Failure) and word.error == CRASHED


def used(store: Store, locs: Sequence[Loc]) -> tuple[int, Stats]:
    """How many of these words are those of attempts themselves, and what these used.

    A damaged one counts as one that used nothing: no run fails for it.
    """
    chosen = locs[:: -(-len(locs) // _READ)] if locs else []
    bodies = fetch_all(store, ((loc, 0, None) for loc in chosen))
    total, hearsay = Stats(), 0
    for loc, body in zip(chosen, bodies, strict=True):
        kind: type[Failure | Overtaken] = Failure if parse_failed(loc.key) else Overtaken
        with suppress(CorruptData):
            word = decode(kind, body, loc.url)
            total, hearsay = total + word.stats, hearsay + is_hearsay(word)
    factor = len(locs) / max(1, len(chosen))
    return len(locs) - round(hearsay * factor), total * factor
