"""What a listing of markers means: which tasks are done, which attempts failed, what to do next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median

from ..core.keys import Phase, RunKeys, parse_continuation, parse_done, parse_failed
from ..core.ports import Store

#: A straggler takes longer than so many medians and so many seconds.
_SLOW_SHARE, _SLOW_FLOOR = 1.2, 0.25


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
        """Take in keys of a listing; those that are no markers of ours are passed over."""
        for key in keys:
            task = parse_done(key)
            if task is not None:
                if task < self.tasks:
                    self.done.add(task)
                continue
            following = parse_continuation(key)
            if following:
                self.going_on.add(following[1])
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


def slow_after(seconds: Sequence[float]) -> float:
    """How long a task may be silent before a second attempt is worth it, from how long others took.

    A fifth longer than the median: with the median for the second attempt itself, and the time until
    both are seen, a straggler then costs at most two and a half medians.
    """
    return _SLOW_SHARE * median(seconds) + _SLOW_FLOOR


@dataclass(frozen=True)
class Decision:
    """What to do about tasks that are not done: (task, attempt) to start, and those given up."""

    start: tuple[tuple[int, int], ...]
    given_up: tuple[int, ...]


def decide(
    progress: Progress,
    started: dict[int, tuple[int, float]],
    now: float,
    max_attempts: int,
    lost_after: float,
    slow_after: float | None = None,
) -> Decision:
    """Which attempts to start now.

    `started` has, for each task, the last attempt known to be started and when. A task whose last
    attempt failed is started again at once; one that has shown nothing for `lost_after` seconds is
    taken for lost. A task is given up when `max_attempts` have failed or been lost. One whose first
    attempt takes longer than `slow_after`, which is learned from the others, gets a second one beside
    it: it may be lost, or slow, and the first marker wins.
    """
    start: list[tuple[int, int]] = []
    given_up: list[int] = []
    for task in progress.missing():
        attempt, since = started.get(task, (0, now))
        failed = max(progress.failed.get(task, ()), default=-1)
        following = max(failed, attempt) + 1
        silent = now - since
        slow = slow_after is not None and attempt == 0 and silent > slow_after and following < max_attempts
        if failed < attempt and silent <= lost_after and not slow:
            continue
        if following >= max_attempts:
            given_up.append(task)
        else:
            start.append((task, following))
    return Decision(tuple(start), tuple(given_up))
