"""What a listing of markers means: which tasks of a phase are done, which attempts failed, which go on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableSet
from dataclasses import dataclass, field

from ..core.keys import CONTINUED, DONE, FAILED, Phase, RunKeys, parse_continuation, parse_done, parse_failed
from ..core.ports import Store


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


@dataclass
class Progress:
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

    def missing(self) -> list[int]:
        return [task for task in range(self.contiguous, self.tasks) if task not in self.done]

    def note(self, keys: Iterable[str]) -> None:
        """Take in the keys of a listing, and pass over those that are not markers of this phase."""
        for key in keys:
            if key.endswith(DONE):
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
