"""Markers that need make nobody look: their phase is not done and nothing has failed, or the next one has begun.

Each marker's event calls a supervisor. Where none of them stays, nearly all come too early or too late, and find that
out for as little as can be: without the lease, by one page of a listing.
"""

from __future__ import annotations

from itertools import islice

from ...core.errors import NotFound
from ...core.keys import Phase, RunKeys, parse_done
from ...core.messages import decode
from ...core.plan_file import read_head
from ...core.ports import Loc, Runtime
from ...core.tasks import ExchangePlan
from ...run import lease, stragglers
from ...run.progress import Progress, scan

#: Tasks that are counted alone before the whole phase is; and a phase that is counted as a whole at once.
_GROUP, _SMALL = 32, 1000


def is_early(runtime: Runtime, keys: RunKeys, name: str) -> bool:
    """Whether the object `name` of a run need make nobody look: a map or exchange task's marker that is not the last.

    A reduce task's marker never does: whoever writes the last one ends the step itself.
    """
    task = parse_done(name)
    if runtime.seats is None or task is None:
        return False
    phase: Phase = "exchange" if name.startswith("exchange/") else "map"
    if name.startswith("reduce/") or (runtime.seats and _is_supervised(runtime, keys)):
        return True
    try:
        plan = read_head(runtime.store, keys)
        tasks = _exchange_tasks(runtime, keys) if phase == "exchange" else plan.tasks
    except NotFound:
        return True
    if plan.stopped:  # by a verdict, which has called somebody
        return True
    progress = Progress(phase, tasks)
    if tasks > _SMALL and not _group_is_done(runtime, keys, task, progress):
        return True
    scan(runtime.store, keys, progress)
    if progress.complete and phase == "map" and plan.exchange and _is_there(runtime, keys.exchange_started):
        # Whoever began that may have died since, holding the lease that the events of all its markers then found.
        progress = Progress("exchange", _exchange_tasks(runtime, keys))
        scan(runtime.store, keys, progress)
    if progress.complete:
        return _is_there(runtime, keys.reduce_started)
    if runtime.seats and stragglers.is_small(progress) and stragglers.can_be_told(progress):
        return False  # whoever left because there was nothing to wait for left that to us
    return all(task in progress.done for task in progress.failed)


def _is_supervised(runtime: Runtime, keys: RunKeys) -> bool:
    """Whether somebody has the lease and will see the marker."""
    found = lease.read(runtime.store, keys.lease)
    return found is not None and found[0].expires > runtime.clock.now()


def _exchange_tasks(runtime: Runtime, keys: RunKeys) -> int:
    return decode(ExchangePlan, runtime.store.get(keys.exchange_plan), keys.exchange_plan.url).tasks


def _is_there(runtime: Runtime, started: Loc) -> bool:
    """Whether this object is there: its phase has begun."""
    return any(info.key == started.key for info in runtime.store.list(started))


def _group_is_done(runtime: Runtime, keys: RunKeys, task: int, whole: Progress) -> bool:
    """Whether the markers are there of the tasks among which `task` is counted."""
    first = task - task % _GROUP
    size = min(_GROUP, whole.tasks - first)
    after = keys.done(whole.phase, first - 1).key if first else ""
    progress = Progress(whole.phase, whole.tasks)
    #: Run files lie beside the markers, some of them of attempts that came to nothing.
    progress.note(info.key for info in islice(runtime.store.list(keys.phase(whole.phase), after), 1000))
    return sum(first <= done < first + size for done in progress.done) == size
