"""Map tasks that fail for good, in a job that bears some of them (`limits.failed_tasks`): left out by a marker.

    no attempt will do it ──▶ its marker, if absent, which says what is left out ──▶ as if it were done

The marker is the one that each attempt commits its work by, created by the same conditional write. So a task is done by
an attempt, or left out, and whoever reads the markers (the index, the reduce plan, all reducers) sees the same. Whether
there are too many is asked twice: here, so that a run which cannot end well ends soon, and of all markers together when
the reduce phase is planned, where everybody comes to the same answer.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ...core.keys import RunKeys
from ...core.messages import Stats, decode, encode
from ...core.plan import LeftOut, Plan
from ...core.plan_file import read_tasks
from ...core.ports import Runtime
from ...core.tasks import LEFT_OUT, Failure, MapMarker
from ...mapreduce.shuffle.fetch import fetch_all
from ...run.progress import Progress

#: Objects of a task that are named; of more it is said how many there are.
_NAMED = 20
#: What no job bears: brakes, an input that was overwritten, code that is not the run's.
_NEVER = frozenset({"LimitMet", "InputChanged", "CodeChanged", "ConfigError"})


def leave_out(
    runtime: Runtime,
    keys: RunKeys,
    plan: Plan,
    progress: Progress,
    tasks: Collection[int],
    failures: Sequence[Failure],
) -> bool:
    """Commit that these map tasks are left out; False, and nothing done, if the run has to fail for them.

    `failures` say why, at least once for each task. May be done again, by anybody.
    """
    why = {task: _reason(task, failures) for task in tasks}
    if any(failure.error in _NEVER for failure in why.values()):
        return False
    if len(tasks) + _left_out_before(runtime, keys, progress) > plan.may_fail:
        return False
    for task, failure in why.items():
        runtime.store.put_if_absent(
            keys.done("map", task), encode(_marker(runtime, keys, plan, task, failure))
        )
    return True


def _reason(task: int, failures: Sequence[Failure]) -> Failure:
    own = [failure for failure in failures if failure.task == task]
    return next((failure for failure in own if failure.fatal), own[0])


def _left_out_before(runtime: Runtime, keys: RunKeys, progress: Progress) -> int:
    """How many of the tasks that had failed attempts are left out already."""
    locs = [keys.done("map", task) for task in progress.failed if task in progress.done]
    bodies = fetch_all(runtime.store, ((loc, 0, None) for loc in locs))
    markers = (decode(MapMarker, body, loc.url) for loc, body in zip(locs, bodies, strict=True))
    return sum(marker.left_out is not None for marker in markers)


def _marker(runtime: Runtime, keys: RunKeys, plan: Plan, task: int, failure: Failure) -> MapMarker:
    (splits,) = read_tasks(runtime.store, keys, plan, task, task + 1)
    left_out = LeftOut(
        step=plan.step,
        task=task,
        attempt=failure.attempt,
        message=failure.message,
        objects=len(splits),
        bytes=sum(split.stop - split.start for split in splits),
        inputs=tuple(f"{split.loc.url}[{split.start}:{split.stop}]" for split in splits[:_NAMED]),
    )
    return MapMarker(
        task=task,
        attempt=failure.attempt,
        token=LEFT_OUT,
        run_file="",
        offsets=(),
        left_out=left_out,
        stats=Stats(),
        started=failure.at,
        finished=failure.at,
    )
