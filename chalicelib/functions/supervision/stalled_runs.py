"""Stalled runs, which nobody works on any more: found in a listing, and woken.

Lambda delivers an event again if its function died, and every marker wakes a supervisor. So a run stalls only if
all of that failed: retries are switched off, or an event never came. Then the job's next event picks it up.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import islice

from msgspec import Struct

from ...core.errors import CorruptData, NotFound
from ...core.keys import LEASE, PLAN, RunKeys, TotalsKeys, parse_run_key, runs_prefix
from ...core.ports import Invoker, Loc, ObjectInfo, Runtime, Store
from ...run import totals_pointer
from ...run.events import event_for
from ...run.lease import TTL
from ...run.start_step import start_planned

log = logging.getLogger(__name__)

#: Seconds without a write after which nobody is at work: whoever supervises renews a lease three times in a TTL.
QUIET = 2 * TTL
#: How far back to look, in seconds, and how many rows to look at: one page of a listing.
_WINDOW, _ROWS = 86_400.0, 1000
#: Runs woken at a time.
_MOST = 3


def pick_up(runtime: Runtime, keys: RunKeys, *, totals: bool = False) -> None:
    """Wake stalled runs of the job whose run `keys` has just begun or ended. Costs one or two LISTs if there are none.

    `totals`: the caller may read the totals of the job, which it has, and so tells who only waits for a turn.
    """
    standing = stalled(runtime.store, keys, runtime.clock.now())
    for found in (_without_sleepers(runtime, standing) if totals else standing)[:_MOST]:
        ids = {"job": found.job, "run": found.run}
        try:
            wake(runtime.store, runtime.invoker, found)
        except (NotFound, CorruptData) as error:  # its own trouble, not that of the run that has just begun
            log.warning("run %s stands still and cannot be picked up: %s", found.run, error, extra=ids)
        else:
            log.warning("run %s stood still: it is picked up", found.run, extra=ids)


def _without_sleepers(runtime: Runtime, found: list[RunKeys]) -> list[RunKeys]:
    """Those that do not wait for the turn of another run (`accumulate`), which has it and will call them."""
    if not found:
        return found
    places = TotalsKeys(found[0].work, found[0].job)
    if not totals_pointer.is_taken(runtime.store, places, "", runtime.clock.now()):
        return found
    asleep = {word.run for word in totals_pointer.sleepers(runtime.store, places)}
    return [keys for keys in found if keys.run not in asleep]


def wake(store: Store, invoker: Invoker, keys: RunKeys) -> int:
    """Start the map tree, if its coordinator did not come to that, then the supervisor, which does the rest.

    Returns how many map tasks had to be started. Raises NotFound if the run has no plan.
    """
    tasks = start_planned(store, invoker, keys)
    invoker.invoke("supervisor", event_for(keys.plan_done))
    return tasks


def stalled(store: Store, keys: RunKeys, now: float) -> list[RunKeys]:
    """The stalled runs of the last day, of the job of `keys`; each at the step that it has come to.

    A day's runs may fill more than a page of a listing. Then a second page is read from somewhere in that day;
    where depends on the run of `keys`, so that the events of a busy job get round to all of it.
    """
    rows, whole = _page(store, keys, now - _WINDOW)
    if not whole:
        share = int(hashlib.sha256(keys.run.encode()).hexdigest()[:8], 16) / (1 << 32)
        rows += _page(store, keys, now - share * _WINDOW)[0]
    return stalled_among(keys.work, rows, now)


class _Seen(Struct):
    """What the rows of one run tell: when its last object was written, and the last steps planned and ended."""

    newest: float = 0.0
    planned: int = -1
    ended: int = -1


def stalled_among(work: Loc, rows: Iterable[ObjectInfo], now: float) -> list[RunKeys]:
    """The runs whose rows show a plan, no end, and no write for long; each at its last planned step.

    A supervisor that ends a step empties its lease, after everything else.
    """
    seen: dict[RunKeys, _Seen] = {}
    root, state = "", _Seen()
    for row in rows:
        if root and row.key.startswith(root) and not row.key.endswith((PLAN, LEASE)):
            state.newest = max(state.newest, row.modified)  # most rows: to parse them all took most of a look
            continue
        found = parse_run_key(work.bucket, row.key)
        if found is None or found[0].work != work:
            continue
        run, name = found
        root, state = run.run_root.key, seen.setdefault(run.at(0), _Seen())
        state.newest = max(state.newest, row.modified)
        if name == PLAN:
            state.planned = max(state.planned, run.step)
        elif name == LEASE and not row.size:
            state.ended = max(state.ended, run.step)
    return [
        run.at(state.planned)
        for run, state in seen.items()
        if state.planned > state.ended and now - state.newest > QUIET
    ]


def _page(store: Store, keys: RunKeys, since: float) -> tuple[list[ObjectInfo], bool]:
    """The first rows of runs that began after `since`, and whether these are all. No run is cut in two."""
    prefix = runs_prefix(keys.work, keys.job)
    began = datetime.fromtimestamp(max(since, 0.0), UTC).strftime("%Y%m%dT%H%M%S")
    rows = list(islice(store.list(prefix, prefix.child(began).key), _ROWS))
    if len(rows) < _ROWS:
        return rows, True
    last = parse_run_key(prefix.bucket, rows[-1].key)
    cut = last[0].run_root.key if last else None
    return [row for row in rows if cut is None or not row.key.startswith(cut)], False
