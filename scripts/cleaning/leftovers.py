"""Tells whether a run has ended, and what is left of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.core.errors import CorruptData, NotFound
from chalicelib.core.keys import RUN_DONE, OutputKeys, RunKeys, parse_run_key, results_place
from chalicelib.core.messages import decode
from chalicelib.core.outcome import Manifest
from chalicelib.core.plan import Plan
from chalicelib.core.plan_file import read_head
from chalicelib.core.ports import Loc, ObjectInfo, Store
from chalicelib.run.verdict import read_verdict
from scripts.runs.places import Place

#: Seconds after which a run that has its verdict, but no `_SUCCESS` or `_FAILED`, counts as ended.
STALE_VERDICT = 86_400.0


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """The work objects of one run that has ended, the verdict last. `ended` is in seconds since 1970."""

    keys: RunKeys
    ended: float
    rows: tuple[ObjectInfo, ...]

    @property
    def bytes(self) -> int:
        return sum(row.size for row in self.rows)


def look(store: Store, keys: RunKeys, place: Place, now: float) -> Leftover | None:
    """The work objects of a run, or None if it may still be under way."""
    rows = list(store.list(keys.run_root))
    verdict = _verdict(store, keys, rows)
    closed = closing(store, keys, results(store, keys, place))
    if closed is not None:
        ended = max(closed, verdict.modified) if verdict else closed
    elif verdict is not None and now - verdict.modified >= STALE_VERDICT:
        ended = verdict.modified
    else:
        return None
    last = [row for row in rows if row is verdict]
    return Leftover(keys=keys, ended=ended, rows=(*(row for row in rows if row is not verdict), *last))


def _verdict(store: Store, keys: RunKeys, rows: Sequence[ObjectInfo]) -> ObjectInfo | None:
    """The run's verdict. That of a step that succeeded does not count if other steps follow."""
    found = {}
    for row in rows:
        parsed = parse_run_key(keys.work.bucket, row.key)
        if parsed and parsed[1] == RUN_DONE:
            found[parsed[0].step] = row
    if not found:
        return None
    step = max(found)
    try:
        plan = read_head(store, keys)
    except (NotFound, CorruptData):
        return found[step]
    if plan.steps > 1:
        verdict = read_verdict(store, keys.at(step))
        if verdict is not None and verdict.outcome != "failed" and _goes_on(store, keys.at(step), plan):
            return None
    return found[step]


def _goes_on(store: Store, keys: RunKeys, plan: Plan) -> bool:
    """Whether other steps follow the last one that has a verdict, if that succeeded."""
    if not plan.loops:
        return keys.step + 1 < plan.steps or plan.accumulates
    try:
        return not read_head(store, keys).last_step
    except (NotFound, CorruptData):
        return False


def results(store: Store, keys: RunKeys, place: Place) -> Loc | None:
    """Where the run's results are; None if nothing says so any more."""
    try:
        return read_head(store, keys).output
    except (NotFound, CorruptData):
        return results_place(place.output, keys.run) if place.output else None


def closing(store: Store, keys: RunKeys, output: Loc | None) -> float | None:
    """When this run's `_SUCCESS` or `_FAILED` was written; None if neither is there.

    A local output folder may hold another run's results: the manifest says whose they are.
    """
    if output is None:
        return None
    ends = OutputKeys(output)
    try:
        manifest = decode(Manifest, store.get(ends.manifest), ends.manifest.url)
        if (manifest.job, manifest.run) != (keys.job, keys.run):
            return None
        return store.head(ends.success if manifest.outcome == "success" else ends.failure).modified
    except (NotFound, CorruptData):
        return None


def delete(store: Store, leftover: Leftover) -> None:
    """Delete the objects, the verdict last: if this is interrupted, the run can still be seen to have ended."""
    keys = [row.key for row in leftover.rows]
    bucket = leftover.keys.work.bucket
    store.delete(bucket, keys[:-1])
    store.delete(bucket, keys[-1:])
