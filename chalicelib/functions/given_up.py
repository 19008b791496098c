"""What Lambda gave up on: the invocations that it reports to the supervisor as their on-failure destination.

Lambda delivers an event again if its function died, twice, and keeps an event for which there is no slot for six
hours. What comes to nothing after that is reported, with the event itself:
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from ..core.errors import CorruptData, NotFound, SluiceError
from ..core.keys import Phase, RunKeys, parse_run_key
from ..core.messages import decode, encode, from_payload
from ..core.plan_file import read_head
from ..core.ports import Runtime
from ..core.spec import JobSpec
from ..core.tasks import CRASHED, Failure, MapMarker, ReduceMarker, TaskCall
from ..run import calls
from ..run.events import (
    END,
    MOST_ROUNDS,
    TOO_OLD,
    created,
    event_for,
    failed_event,
    may_pass,
    may_wait_on,
    next_round,
    queued_anew,
    round_of,
    tells_of_objects,
)
from .supervision.advance import StepEnd

log = logging.getLogger(__name__)

#: Tells the name and the configuration of the job that is deployed.
Configured = Callable[[], tuple[str, JobSpec]]

_TASKS = frozenset(calls.FUNCTION.values())
#: Deliveries of an event before Lambda gives it up.
_DELIVERIES = 3
#: Letters of an error's text that are kept.
_LONGEST = 1000
#: Why a run was not planned; the second if its event grew too old.
_COORDINATOR = (
    f"its coordinator was stopped in each of {_DELIVERIES} invocations: out of memory or time: raise"
    " memory.coordinator or timeout.coordinator, or drop fewer objects at a time",
    "its event waited for a slot for two days: too many functions run at once in this account: drop the files again",
)


def note(runtime: Runtime, event: dict[str, Any], configured: Configured | None) -> dict[str, Any]:
    """The event to act on: of an ordinary one itself; of a report the one that it is about, or nothing.

    What is reported of an attempt becomes its `.failed` object, as if it had been able to write it, but for what it
    used, which nobody knows. An event of the coordinator's goes back to it while S3 does not answer; else its runs are
    refused. What only waited for a slot, for six hours, was never tried: it is queued anew, for two days. What is
    marked to be ended is.
    """
    if END in event:
        _end_runs(runtime, event)
        return {}
    payload = failed_event(event)
    if payload is None:
        return event
    context = event["requestContext"]
    function = str(context.get("functionArn", "")).partition(":function:")[2].partition(":")[0]
    condition = str(context.get("condition", "unknown"))
    whose = next((name for name in (*_TASKS, "coordinator") if function.endswith(f"-{name}")), None)
    if whose and may_wait_on(event):
        runtime.invoker.invoke(whose, queued_anew(payload))
        return {}
    if whose in _TASKS:
        return _attempt(runtime, calls.phase_of(whose, payload), payload, condition)
    clock = next((name for name in ("scheduler", "auditor") if function.endswith(f"-{name}")), None)
    if clock:
        return _tick(runtime, clock, event, condition, configured)
    if failed_event(payload) is not None:  # the coordinator was to pass it on
        return note(runtime, payload, configured)
    if may_pass(event) and round_of(payload) < MOST_ROUNDS:
        runtime.invoker.invoke("coordinator", next_round(payload))
        return {}
    return _unplanned(runtime, payload, condition, configured)


def _tick(
    runtime: Runtime, clock: str, report: dict[str, Any], condition: str, configured: Configured | None
) -> dict[str, Any]:
    """Note that a clock's function has failed for good: else nobody would know why no run begins."""
    from ..run.periods.keys import clock_failed  # few jobs have clocks
    from ..run.periods.pointer import TickFailed

    if configured:
        name, spec = configured()
        answer = report.get("responsePayload")
        told = answer if isinstance(answer, dict) else {}
        failed = TickFailed(
            function=clock,
            condition=condition,
            error=str(told.get("errorType", "")),
            message=str(told.get("errorMessage", ""))[:_LONGEST],
            at=runtime.clock.now(),
        )
        runtime.store.put(clock_failed(spec.work_loc, name, clock), encode(failed))
    return {}


def _attempt(runtime: Runtime, phase: Phase, payload: dict[str, Any], condition: str) -> dict[str, Any]:
    try:
        call = from_payload(
            TaskCall, payload, f"the {calls.FUNCTION[phase]}'s event, which Lambda reports back"
        )
    except CorruptData as error:  # nobody's task
        log.warning("passed over: %s", error)
        return {}
    keys = calls.keys_of(call)
    failed = keys.failed(phase, call.lo, call.attempt)
    failure = Failure(
        phase=phase,
        task=call.lo,
        attempt=call.attempt,
        error="Lost" if condition == TOO_OLD else CRASHED,
        message=_reason(phase, call.lo, condition),
        at=runtime.clock.now(),
    )
    runtime.store.put_if_absent(failed, encode(failure))
    _start_subtrees(runtime, phase, call)
    return event_for(failed)


def _start_subtrees(runtime: Runtime, phase: Phase, call: TaskCall) -> None:
    """Start the tasks below a node that may have died before it did so, but for sub-trees that are known to be started.

    Tasks that are done see their markers.
    """
    again = replace(call, attempt=call.attempt + 1)
    for lo, hi in calls.children(call.lo, call.hi):
        if not _was_started(runtime, phase, calls.keys_of(call), lo):
            calls.start(runtime, phase, calls.subtree(again, lo, hi))


def _was_started(runtime: Runtime, phase: Phase, keys: RunKeys, lo: int) -> bool:
    """Whether all of the sub-tree whose node does task `lo` was started.

    A node starts what is below it before its own task, and only trees make first attempts: a later one may be alone.
    """
    loc = keys.done(phase, lo)
    try:
        body = runtime.store.get(loc)
    except NotFound:
        return False
    if phase == "reduce":
        return decode(ReduceMarker, body, loc.url).attempt == 0
    return decode(MapMarker, body, loc.url).attempt == 0


def _reason(phase: Phase, task: int, condition: str) -> str:
    if condition == TOO_OLD:
        return (
            f"{phase} task {task} waited for a slot for two days: too many functions run at once in this account"
            " (see `concurrency`)"
        )
    return (
        f"{phase} task {task} was stopped in each of its invocations (Lambda says {condition}): out of memory or"
        " time, or its process ended; raise `memory` or `timeout`, or make split_size smaller"
    )


def _unplanned(
    runtime: Runtime, event: dict[str, Any], condition: str, configured: Configured | None
) -> dict[str, Any]:
    """End the runs that were never planned; those that were are started."""
    from .coordinator import refuse_all  # seldom needed, and slow to import

    if configured:
        name, spec = configured()
        refuse_all(runtime, event, name, spec, SluiceError(_COORDINATOR[condition == TOO_OLD]))
    return {}


def _end_runs(runtime: Runtime, event: dict[str, Any]) -> None:
    """End the runs of an event on which a supervisor has failed again and again."""
    for keys in _runs_of(event):
        try:
            plan = read_head(runtime.store, keys)
        except NotFound:
            continue  # its work is being deleted
        StepEnd(runtime, plan.keys(keys), plan).give_up(
            f"its supervisor was stopped in each of {2 * _DELIVERIES} invocations (Lambda says {event[END]}):"
            " out of memory or time: raise memory.supervisor or timeout.supervisor"
        )


def _runs_of(event: dict[str, Any]) -> list[RunKeys]:
    """Those that an event of S3's, or a report about an attempt, is about."""
    reported = failed_event(event)
    if reported is not None and not tells_of_objects(reported):
        return [calls.keys_of(from_payload(TaskCall, reported, "the event that Lambda reports back"))]
    found = [parse_run_key(*item.loc) for item in created(event)]
    return [ours[0] for ours in found if ours]
