"""Where a task is committed: its marker is created conditionally, and whoever comes second cleans up.

Nothing that an attempt wrote before counts, until a marker names it. A part is the exception in that it is not the
attempt's own: whoever wrote it, it is the part of every attempt, and stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from ...core.keys import Phase, RunKeys
from ...core.messages import decode, encode
from ...core.ports import Store
from ...core.tasks import MapMarker, Overtaken, ReduceMarker
from .invocation import C, Invocation

#: What commits a task, by phase.
M = TypeVar("M", bound=MapMarker | ReduceMarker)
_KINDS: dict[Phase, type[MapMarker] | type[ReduceMarker]] = {
    "map": MapMarker,
    "exchange": MapMarker,
    "reduce": ReduceMarker,
}


def is_committed(store: Store, keys: RunKeys, phase: Phase, task: int) -> bool:
    """Whether a task has its marker; a repeated attempt asks before it works."""
    marker = keys.done(phase, task)
    return any(info.key == marker.key for info in store.list(marker))


def commit(invocation: Invocation[C], marker: M) -> None:
    """Create the marker; if another attempt was first, say what this one used and delete what only it wrote."""
    runtime, keys, phase = invocation.runtime, invocation.keys, invocation.phase
    if not runtime.store.put_if_absent(keys.done(phase, marker.task), encode(marker)):
        word = keys.overtaken(phase, marker.task, marker.attempt, marker.token)
        runtime.store.put(word, encode(Overtaken(stats=marker.stats, at=marker.finished)))
        clean_up(
            runtime.store, keys, phase, marker.task, (*marker.work_objects, *invocation.before.work_objects)
        )


def clean_up(store: Store, keys: RunKeys, phase: Phase, task: int, written: Sequence[str]) -> None:
    """Delete what a losing attempt wrote in the work place, but for what the winner's marker names.

    Two executions of one attempt share the pieces that were written before they parted.
    """
    if not written:
        return
    loc = keys.done(phase, task)
    winner = decode(_KINDS[phase], store.get(loc), loc.url)
    store.delete(keys.work.bucket, sorted({*written} - {*winner.work_objects}))
