"""The auditor: the clock ticked; do what `audit.py --mend` does, for what was put in the last week.

What fails again and again is left to people: an object of which that many runs have failed is not started any more.
"""

from __future__ import annotations

import logging
from typing import Any

from ...core.ports import Runtime
from ...core.spec import JobSpec
from .examine import examine
from .judge import AMISS, Damaged, Finding
from .mend import mend

log = logging.getLogger(__name__)

#: Seconds: an object may wait so long for its event, and what was put before is left to people.
GRACE, WINDOW = 3600.0, 7 * 86_400.0
#: Runs of one object that may fail before it is left to people.
MOST_FAILED = 3
#: Seconds that are left when no more is begun; the next tick goes on.
_KEPT = 10.0


def handle(runtime: Runtime, _event: dict[str, Any], name: str, spec: JobSpec) -> None:
    """One tick. It may come twice, or never: what it starts are the same runs."""
    now = runtime.clock.now()
    since = max(0.0, now - WINDOW)

    def tell(run: Damaged) -> None:
        log.warning("cannot be read: %s", run.why, extra={"job": name, "run": run.keys.run})

    for finding in examine(runtime.store, name, spec, now, GRACE, since, tell):
        if runtime.remaining() <= _KEPT:
            log.warning("the audit's time is up: the next one goes on", extra={"job": name})
            return
        if finding.state in AMISS:
            _mend(runtime, name, spec, finding)


def _mend(runtime: Runtime, name: str, spec: JobSpec, finding: Finding) -> None:
    ids = {"job": name, "object": finding.starter.loc.url, "state": finding.state}
    if finding.state == "failed" and len(finding.runs) >= MOST_FAILED:
        log.warning("%d runs of it have failed: it is left to you", len(finding.runs), extra=ids)
        return
    for text, _ in mend(runtime.store, spec, runtime.invoker, finding):
        log.warning("%s was %s: %s", finding.starter.loc.url, finding.state, text, extra=ids)
