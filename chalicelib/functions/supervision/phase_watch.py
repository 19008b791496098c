"""Watching the tasks of a phase: who is done, who failed, how long nothing was heard of the others.

What was seen goes with the lease from one supervisor to the next (`notes`), so that silence adds up.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

from ...core.keys import Phase, RunKeys
from ...core.messages import decode
from ...core.ports import Runtime
from ...core.tasks import Failure, MapMarker, ReduceMarker
from ...mapreduce.shuffle.fetch import fetch_all
from ...run import stragglers
from ...run.lease import Watch
from ...run.progress import Progress, TaskSet, scan
from ..attempt.remembering import Remembering
from . import pacing

#: Markers that are read ahead between two looks, at most.
_AHEAD = 4096


class PhaseWatch:
    """What one supervisor has seen of a phase of `tasks` tasks; `notes` are those of the supervisor before it."""

    def __init__(
        self, runtime: Runtime, keys: RunKeys, phase: Phase, tasks: int, notes: Watch | None = None
    ) -> None:
        self._store, self._clock = runtime.store, runtime.clock
        self._keys = keys
        #: Whether tasks may have to wait for a slot.
        self._slots = runtime.seats is not None
        self.progress = Progress(phase, tasks)
        #: What went wrong, by task and attempt.
        self.failures: dict[tuple[int, int], Failure] = {}
        #: Seconds of silence after which a task is slow; None until that is known.
        self.slow_after: float | None = None
        #: How many tasks were done when that was learned; in how many seconds a task is done that need not wait.
        self._learned_of, self._trial = 0, 0.0
        #: How many signs of life there were when last that number grew, and when that was.
        self._signs, self._moved = 0, self._clock.now()
        #: For each task that was started again: its last attempt, and when that was started.
        self._started: dict[int, tuple[int, float]] = {}
        #: Those of them that are not done: since when. And whether one of them was done soon.
        self._on_trial: dict[int, float] = {}
        self._proven = False
        #: What was read ahead of the phase's end, and the tasks whose markers that are.
        self.ahead = Remembering(runtime.store)
        self._read = TaskSet(tasks)
        if notes and notes.phase == phase:
            self._signs, self._moved, self._started = notes.done, notes.moved, dict(notes.started)
            self._on_trial = {task: at for task, (_, at) in notes.started.items()}

    @property
    def phase(self) -> Phase:
        return self.progress.phase

    @property
    def notes(self) -> Watch:
        """What the next supervisor has to know."""
        return Watch(phase=self.phase, done=self._signs, moved=self._moved, started=dict(self._started))

    def look(self) -> bool:
        """List the markers once; True if all tasks are done, else failures and durations are read as well."""
        scan(self._store, self._keys, self.progress)
        if self.progress.signs > self._signs:
            self._signs, self._moved = self.progress.signs, self._clock.now()
        if self.progress.complete:
            return True
        self._read_failures()
        if self.slow_after is None or (self._slots and self._may_have_waited(self.slow_after)):
            self._learn()
        self._judge()
        return False

    def _may_have_waited(self, slow_after: float) -> bool:
        """Whether tasks seem slow, and others are done since `slow_after` was learned, which may have waited longer."""
        return self.silent() > slow_after and len(self.progress.done) > self._learned_of

    def is_worth_waiting(self) -> bool:
        """Whether somebody who stays may see what makes no event: a straggler, or that much of a large phase is lost.

        A small one can wait until enough is done to tell who is slow: then a marker calls somebody. But those of reduce
        tasks call nobody, so that these are waited for, unless there is one.
        """
        if self._is_crowded_out():
            return False
        few = self.progress.tasks == 1 if self.phase == "reduce" else stragglers.is_small(self.progress)
        return not few or stragglers.can_be_told(self.progress)

    def read_ahead(self, tick: Callable[[], None]) -> None:
        """Read the markers there are into `ahead` while the other tasks are waited for: all wait for that later.

        Not before half of the phase is done, since whoever takes over begins again, and as many as `ahead` remembers.
        `tick` is called between markers; it may raise.
        """
        if self.phase == "reduce" or not (self.ahead.has_room and stragglers.can_be_told(self.progress)):
            return
        tasks = list(islice((task for task in self.progress.done if task not in self._read), _AHEAD))
        locs = (self._keys.done(self.phase, task) for task in tasks if self.ahead.has_room)
        for task, _ in zip(tasks, fetch_all(self.ahead, ((loc, 0, None) for loc in locs)), strict=False):
            self._read.add(task)
            tick()

    def has_moved(self) -> bool:
        """Whether a task is done, goes on or has failed that was not seen before."""
        before = self.progress.happened
        scan(self._store, self._keys, self.progress)
        return self.progress.happened > before

    def forget_silence(self) -> None:
        """Count it anew: until now nobody was watching, or tasks had to wait for a slot."""
        self._moved = self._clock.now()

    def silent(self) -> float:
        """Seconds since the last sign of life of any task."""
        return self._clock.now() - self._moved

    def last_heard(self) -> dict[int, tuple[int, float]]:
        """For each task that is not done: its last attempt, and since when it is silent.

        As long as other tasks get done, one that was not heard of may still be waiting for a place to run.
        """
        heard: dict[int, tuple[int, float]] = {}
        for task in self.progress.missing():
            attempt, at = self._started.get(task, (0, self._moved))
            heard[task] = (attempt, max(at, self._moved))
        return heard

    def most_slow(self) -> int | None:
        """How many slow tasks may get a second attempt now; None: all of them.

        Where tasks wait for slots, many that seem slow may not have begun. Then a few of them are tried anew first: if
        one of those is done in the time that a task takes, there are slots, and those that are silent are slow or lost.
        """
        if not self._slots or self._proven:
            return None
        return max(0, stragglers.most_unproven(self.progress.tasks) - len(self._started))

    def _is_crowded_out(self) -> bool:
        """Whether tasks seem to wait for slots, so for ours, too: those that were tried anew are not done either."""
        if self.slow_after is None or self.silent() <= self.slow_after or self.most_slow() != 0:
            return False
        latest = max(self._on_trial.values(), default=self._moved)
        return self._clock.now() - latest > self._trial

    def _judge(self) -> None:
        """Look at what became of attempts that were started later than others."""
        if self._proven or self.slow_after is None:
            return
        for task in [task for task in self._on_trial if task in self.progress.done]:
            took = self._clock.now() - self._on_trial.pop(task)
            self._proven |= took <= self._trial

    def note_started(self, task: int, attempt: int) -> None:
        now = self._clock.now()
        self._started[task], self._on_trial[task] = (attempt, now), now

    def _read_failures(self) -> None:
        for task, numbers in self.progress.failed.items():
            for attempt in numbers:
                if task in self.progress.done or (task, attempt) in self.failures:
                    continue
                loc = self._keys.failed(self.phase, task, attempt)
                self.failures[task, attempt] = decode(Failure, self._store.get(loc), loc.url)

    def _learn(self) -> None:
        """Once half of the phase is done, learn from some of its markers what is slow."""
        self._learned_of = len(self.progress.done)
        locs = [self._keys.done(self.phase, task) for task in stragglers.sample(self.progress)]
        bodies = fetch_all(self._store, ((loc, 0, None) for loc in locs))
        kind: type[MapMarker] | type[ReduceMarker] = ReduceMarker if self.phase == "reduce" else MapMarker
        markers = [decode(kind, body, loc.url) for loc, body in zip(locs, bodies, strict=True)]
        markers = [marker for marker in markers if not (isinstance(marker, MapMarker) and marker.left_out)]
        if markers:
            times = [(marker.started, marker.finished) for marker in markers]
            self.slow_after = stragglers.slow_after(times, slots=self._slots)
            self._trial = stragglers.slow_after(times) + pacing.LONGEST
