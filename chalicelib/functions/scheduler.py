"""The scheduler: the clock ticked; start a run over all that is new under the input since the last one.

A tick first sees to it that the run of the newest period has begun, and takes nothing more before it has. So no period
is forgotten, whatever became of the tick that made it or of the event that was to start its run. Then it takes what is
new (`run/periods/taking.py`), which another tick of the same moment cannot take as well, and has the coordinator begin.
"""

from __future__ import annotations

import logging
from typing import Any

from ..core.keys import OutputKeys, results_place
from ..core.messages import encode
from ..core.ports import Runtime
from ..core.spec import JobSpec
from ..run.manifest import is_ended
from ..run.periods import pointer
from ..run.periods.given import first_run
from ..run.periods.keys import PeriodKeys
from ..run.periods.pointer import Period
from ..run.periods.taking import Taking, clean

log = logging.getLogger(__name__)


def handle(runtime: Runtime, _event: dict[str, Any], name: str, spec: JobSpec) -> None:
    """One tick. It does the same whatever the event says, so that any number of them may come, at any time."""
    keys = PeriodKeys(spec.work_loc, name)
    standing = pointer.read(runtime.store, keys)
    period = standing.pointer.period
    if period and not standing.pointer.begun and not _has_begun(runtime, keys, spec, period):
        _start(runtime, keys, period)
        return
    period = Taking(runtime, keys, spec.inputs, standing).take()
    if period:
        _start(runtime, keys, period)
        clean(runtime, keys, period.number)


def _has_begun(runtime: Runtime, keys: PeriodKeys, spec: JobSpec, period: Period) -> bool:
    """Whether a period's run is planned, was refused, or has ended and is gone from the work place."""
    run = first_run(keys, period)
    if next(iter(runtime.store.list(run.run_root)), None) is not None:
        return True
    return is_ended(runtime.store, OutputKeys(results_place(spec.output_loc, run.run)))


def _start(runtime: Runtime, keys: PeriodKeys, period: Period) -> None:
    """Have the coordinator begin a period's run; done twice, it is the same run."""
    run = first_run(keys, period).run
    log.info(
        "period %d: run %s over %d objects, %d bytes", period.number, run, period.count, period.bytes,
        extra={"job": keys.job, "run": run},
    )  # fmt: skip
    loc = keys.period(period.number)
    runtime.store.put_if_absent(loc, encode(period))
    runtime.invoker.invoke("coordinator", pointer.event_of(loc, period))
