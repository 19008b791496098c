"""Watching the tasks of a phase: who is done, who failed, how long nothing was heard of the others.

What was seen goes with the lease from one supervisor to the next (`notes`), so that silence adds up.
"""

from __future__ import annotations

from ...core.keys import Phase, RunKeys
from ...core.messages import decode
from ...core.ports import Runtime
from ...core.tasks import Failure, MapMarker, ReduceMarker
from ...mapreduce.shuffle.fetch import fetch_all
from ...run import stragglers
from ...run.lease import Watch
from ...run.progress import Progress, scan


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
        #: How many signs of life there were when last that number grew, and when that was.
        self._signs, self._moved = 0, self._clock.now()
        #: For each task that was started again: its last attempt, and when that was started.
        self._started: dict[int, tuple[int, float]] = {}
        if notes and notes.phase == phase:
            self._signs, self._moved, self._started = notes.done, notes.moved, dict(notes.started)

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
        if self.slow_after is None:
            self._learn()
        return False

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

    def note_started(self, task: int, attempt: int) -> None:
        self._started[task] = (attempt, self._clock.now())

    def _read_failures(self) -> None:
        for task, numbers in self.progress.failed.items():
            for attempt in numbers:
                if task in self.progress.done or (task, attempt) in self.failures:
                    continue
                loc = self._keys.failed(self.phase, task, attempt)
                self.failures[task, attempt] = decode(Failure, self._store.get(loc), loc.url)

    def _learn(self) -> None:
        """Once half of the phase is done, learn from some of its markers what is slow."""
        locs = [self._keys.done(self.phase, task) for task in stragglers.sample(self.progress)]
        bodies = fetch_all(self._store, ((loc, 0, None) for loc in locs))
        kind: type[MapMarker] | type[ReduceMarker] = ReduceMarker if self.phase == "reduce" else MapMarker
        markers = [decode(kind, body, loc.url) for loc, body in zip(locs, bodies, strict=True)]
        markers = [marker for marker in markers if not (isinstance(marker, MapMarker) and marker.left_out)]
        if markers:
            times = [(marker.started, marker.finished) for marker in markers]
            self.slow_after = stragglers.slow_after(times, slots=self._slots)
