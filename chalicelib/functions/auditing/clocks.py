"""Whether the job's clocks go: what Lambda has given up of their ticks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from ...config.triggers import clocks
from ...core.errors import NotFound
from ...core.messages import decode
from ...core.ports import Store
from ...core.spec import JobSpec
from ...run.periods.keys import clock_failed
from ...run.periods.pointer import TickFailed

#: Seconds after which a tick that failed is no news: the next ones have done what it did not.
_RECENT = 86_400.0


def failed_ticks(store: Store, job: str, spec: JobSpec, now: float) -> Iterator[str]:
    """A sentence for each function of a clock that has failed for good in the last day; reads only if there are any."""
    for function in clocks(spec):
        loc = clock_failed(spec.work_loc, job, function)
        try:
            failed = decode(TickFailed, store.get(loc), loc.url)
        except NotFound:
            continue
        if now - failed.at <= _RECENT:
            when = datetime.fromtimestamp(failed.at, UTC).isoformat(timespec="seconds")
            why = f"{failed.error}: {failed.message}" if failed.error else f"Lambda says {failed.condition}"
            yield f"the {function} failed for good at {when}: {why}"
