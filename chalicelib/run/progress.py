"""What a listing of markers means: which tasks of a phase are done, which attempts failed, which go on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..core.keys import Phase, RunKeys, parse_continuation, parse_done, parse_failed
from ..core.ports import Store


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

    @property
    def happened(self) -> int:
        """The same, with the attempts that failed."""
        return self.signs + sum(len(attempts) for attempts in self.failed.values())

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
