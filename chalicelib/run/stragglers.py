"""Which tasks of a phase get another attempt, and when a task is given up.

    failed      its last attempt left a `.failed` object: the next one starts at once
    lost        nothing was heard of it for the function's timeout and a minute: it is started again
    straggler   its first attempt takes longer than others of its phase took: a second one starts beside it,
                and the first marker wins

A task whose attempts are used up, or that met an error which would come again, fails its run.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from ..core.keys import Phase
from ..core.outcome import Verdict
from ..core.spec import JobSpec
from ..core.tasks import Failure
from .progress import Progress
from .verdict import first_failures

#: A straggler takes longer than so many medians and so many seconds.
_SLOW_SHARE, _SLOW_FLOOR = 1.2, 0.25
#: Seconds beyond a function's timeout after which its silence means that it is gone.
_GRACE = 60.0
#: Markers read to learn how long a task takes.
_SAMPLE = 15
#: Of a large phase only the last twentieth can be stragglers; silence of more is the world's. Of a small one all.
_LAST_SHARE, _SMALL = 20, 32
#: Tasks of which one may be tried anew on suspicion: second attempts of those that only wait for a slot are needless.
_UNPROVEN = 100
#: Attempts started at a look, so that whoever looks can renew its lease in between. The next look goes on.
_AT_ONCE = 200


class Limits(Struct, frozen=True, kw_only=True):
    """How long, in seconds, a task may be silent, and how often it is tried."""

    max_attempts: int
    lost_after: float
    #: None until enough tasks are done to learn it from.
    slow_after: float | None = None
    #: Of those that are slow, so many may get a second attempt now; None: all.
    most_slow: int | None = None


class Decision(Struct, frozen=True):
    """What to do about tasks that are not done: (task, attempt) to start, and the tasks given up."""

    start: tuple[tuple[int, int], ...]
    given_up: tuple[int, ...]


def limits_for(spec: JobSpec, phase: Phase, slow_after: float | None, most_slow: int | None = None) -> Limits:
    timeout = spec.timeout.mapper if phase == "map" else spec.timeout.reducer
    return Limits(
        max_attempts=spec.max_attempts,
        lost_after=timeout + _GRACE,
        slow_after=slow_after,
        most_slow=most_slow,
    )


def most_unproven(tasks: int) -> int:
    """How many later attempts a phase may have on suspicion, before one of them has shown that there are slots."""
    return max(1, tasks // _UNPROVEN)


def can_be_told(progress: Progress) -> bool:
    """Whether enough of the phase is done to tell who is slow: half of it."""
    return len(progress.done) > 0 and len(progress.done) * 2 >= progress.tasks


def is_small(progress: Progress) -> bool:
    """Whether the phase has so few tasks that any of them may be a straggler."""
    return progress.tasks <= _SMALL


def sample(progress: Progress) -> list[int]:
    """Tasks whose markers tell how long a task takes; none before half of the phase is done."""
    if not can_be_told(progress):
        return []
    done = sorted(progress.done)
    return done[:: -(-len(done) // _SAMPLE)]


def slow_after(times: Sequence[tuple[float, float]], *, slots: bool = False) -> float:
    """How long a task may be silent before a second attempt is worth it, from when others began and ended.

    A fifth longer than the median: with the median for the second attempt itself, and the time until
    both are seen, a straggler then costs at most two and a half medians. Where tasks wait for `slots`, one that is
    silent may not have begun: then as much longer as others had to wait beyond a median.
    """
    from statistics import median  # slow to import, and needed only once half of a phase is done

    usual = median([end - begin for begin, end in times])
    starts = [begin for begin, _ in times]
    waited = max(max(starts) - min(starts) - usual, 0.0) if slots else 0.0
    return _SLOW_SHARE * usual + _SLOW_FLOOR + waited


def decide(progress: Progress, started: dict[int, tuple[int, float]], now: float, limits: Limits) -> Decision:
    """Which attempts to start now; a task is given up when `max_attempts` have failed or been lost.

    `started` has, for each task, the last attempt known to be started and since when the task is silent.
    """
    start: list[tuple[int, int]] = []
    given_up: list[int] = []
    missing = progress.missing()
    slow = len(missing) if limits.most_slow is None else limits.most_slow
    if len(missing) > max(_SMALL, progress.tasks // _LAST_SHARE):
        limits = replace(limits, slow_after=None)
    for task in missing:
        attempt, since = started.get(task, (0, now))
        failed = max(progress.failed.get(task, ()), default=-1)
        next_attempt = max(failed, attempt) + 1
        silent = now - since
        lost = silent > limits.lost_after
        if not (failed >= attempt or lost):
            if not (_is_straggler(attempt, silent, limits) and slow > 0):
                continue
            slow -= 1
        if next_attempt < limits.max_attempts:
            start.append((task, next_attempt))
        else:
            given_up.append(task)
    return Decision(tuple(start[:_AT_ONCE]), tuple(given_up))


def _is_straggler(attempt: int, silent: float, limits: Limits) -> bool:
    """Only a first attempt gets a second one beside it, and only if the job allows two attempts."""
    return (
        limits.slow_after is not None
        and silent > limits.slow_after
        and attempt == 0
        and limits.max_attempts > 1
    )


def hopeless(progress: Progress, failures: Sequence[Failure], given_up: Sequence[int]) -> list[int]:
    """The tasks for which `failed_for_good` gives its verdict."""
    missing = set(progress.missing())
    return sorted(
        {*given_up, *(failure.task for failure in failures if failure.fatal and failure.task in missing)}
    )


def failed_for_good(
    progress: Progress, failures: Sequence[Failure], given_up: Sequence[int], limits: Limits, now: float
) -> Verdict | None:
    """The verdict on a phase in which a task was given up, or met an error that would come again; else None.

    Of several such errors the reason is the first in the order of the input that is known by now.
    """
    missing = set(progress.missing())
    fatal = first_failures([failure for failure in failures if failure.fatal and failure.task in missing])
    if not fatal and not given_up:
        return None
    known = {failure.task for failure in failures}
    lost = [_lost(progress.phase, task, limits, now) for task in given_up if task not in known]
    shown = first_failures([*failures, *lost])
    first = fatal[0] if fatal else shown[0]
    tried = "" if fatal else f" (tried {limits.max_attempts} times)"
    reason = f"{progress.phase} task {first.task}{tried}: {first.message}"
    return Verdict(outcome="failed", reason=reason, failures=shown)


def _lost(phase: Phase, task: int, limits: Limits, now: float) -> Failure:
    return Failure(
        phase=phase,
        task=task,
        attempt=limits.max_attempts - 1,
        error="Lost",
        message=f"{phase} task {task} was started {limits.max_attempts} times and never heard of again:"
        " its function was stopped, or ran out of memory or time; raise `memory` or `timeout`, or make"
        " split_size smaller",
        at=now,
    )
