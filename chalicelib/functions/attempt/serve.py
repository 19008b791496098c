"""A call of the mapper or the reducer: the tree first, then one task, then a marker or a failure."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from ...core.errors import (
    JobCodeError,
    NotFound,
    RunStopped,
    SluiceError,
    comes_again,
    of_user,
    user_traceback,
)
from ...core.keys import Phase, RunKeys, parse_continuation
from ...core.messages import Stats, encode, from_payload
from ...core.ports import Runtime
from ...core.tasks import Continuation, Failure, Overtaken, ReduceContinuation, TaskCall
from ...run.calls import FUNCTION, MAX_HOPS, children, keys_of, start_all, subtree
from ...run.events import event_for
from ...run.start_step import is_planned
from . import commit_marker
from .invocation import Attempt, Meter, left_behind

log = logging.getLogger(__name__)


def serve(
    runtime: Runtime,
    phase: Phase,
    payload: dict[str, Any],
    attempt: Attempt,
) -> None:
    """Handle one invocation: start the sub-trees, then try task `lo`, and say so, to a supervisor too, if that fails.

    Only what the attempt itself raises becomes a `.failed` marker; an error of the store or invoker on
    the way to it goes up, so that Lambda retries the invocation. Where the work of a run that has ended is deleted
    already, nothing is written.
    """
    call = from_payload(TaskCall, payload, f"the {FUNCTION[phase]}'s event")
    keys = keys_of(call)
    if call.hop > MAX_HOPS:
        raise SluiceError(f"job {keys.job}, run {keys.run}: {call.hop} invocations deep: this must be a loop")
    start_all(runtime, phase, [subtree(call, lo, hi) for lo, hi in children(call.lo, call.hi)])
    if (call.attempt or call.resume) and commit_marker.is_committed(runtime.store, keys, phase, call.lo):
        _give_up(runtime, phase, keys, call)
        if phase == "reduce" and runtime.seats is not None:
            # Whoever wrote the marker, perhaps the last one, may have died before it counted, and no event makes up
            # for that.
            runtime.invoker.invoke("supervisor", event_for(keys.reduce_plan, sent=runtime.clock.now()))
        return
    tried = saying_why(phase, attempt)
    if call.attempt:
        from . import deadly_records  # few attempts follow one that vanished

        if deadly_records.are_likely(runtime, phase, keys, call):
            tried = saying_why(phase, partial(deadly_records.without_them, phase, tried))
    tried(runtime, keys, call)


def saying_why(phase: Phase, attempt: Attempt) -> Attempt:
    """The attempt, but what it raises is written down and told a supervisor, unless the run is gone or was stopped."""

    def tried(runtime: Runtime, keys: RunKeys, call: TaskCall) -> None:
        meter = Meter(runtime)
        try:
            with quiet_collector():
                attempt(runtime, keys, call)
        except (Exception, SystemExit) as caught:  # noqa: BLE001 - the root of a task: whatever happened is written down
            error = of_user(caught)
            if isinstance(error, NotFound) and not is_planned(runtime.store, keys):
                log.info("nothing is left of the run: %s", error, extra=_ids(phase, call))
                return
            if isinstance(error, RunStopped):
                log.info("%s", error, extra=_ids(phase, call))
                return
            used = _used(runtime, phase, keys, call, meter)
            failure = describe(phase, call.lo, call.attempt, error, runtime.clock.now(), used)
            log.warning("%s", failure.message, extra={**_ids(phase, call), "traceback": failure.detail})
            failed = keys.failed(phase, call.lo, call.attempt)
            runtime.store.put(failed, encode(failure))
            runtime.invoker.invoke("supervisor", event_for(failed, sent=runtime.clock.now()))

    return tried


def _give_up(runtime: Runtime, phase: Phase, keys: RunKeys, call: TaskCall) -> None:
    """Another attempt was first: say what earlier invocations of this one used, and delete what they wrote."""
    if not call.resume:
        return
    before = _before(runtime, phase, keys, call)
    _, token = parse_continuation(call.resume) or (0, "0")
    word = Overtaken(stats=before.stats, at=runtime.clock.now())
    runtime.store.put(keys.overtaken(phase, call.lo, call.attempt, token), encode(word))
    commit_marker.clean_up(runtime.store, keys, phase, call.lo, before.work_objects)


def _before(
    runtime: Runtime, phase: Phase, keys: RunKeys, call: TaskCall
) -> Continuation | ReduceContinuation:
    """What earlier invocations of a resumed attempt left."""
    kind = ReduceContinuation if phase == "reduce" else Continuation
    return left_behind(runtime.store, kind, keys, call)


def _used(runtime: Runtime, phase: Phase, keys: RunKeys, call: TaskCall, meter: Meter) -> Stats:
    """What a failing attempt has used, earlier invocations included as far as they can still be read."""
    with suppress(SluiceError):
        if call.resume:
            return _before(runtime, phase, keys, call).stats + meter.stats(Stats())
    return meter.stats(Stats())


def _ids(phase: Phase, call: TaskCall) -> dict[str, Any]:
    """What every line of the log says."""
    return {
        "job": call.job,
        "run": call.run,
        "step": call.step,
        "task": call.lo,
        "attempt": call.attempt,
        "phase": phase,
    }


def describe(
    phase: Phase, task: int, attempt: int, error: BaseException, at: float, used: Stats | None = None
) -> Failure:
    """A failure for its marker: one line, the traceback from the user's own code on, and what the attempt used."""
    return Failure(
        phase=phase,
        task=task,
        attempt=attempt,
        error=type(
            error.__cause__ if isinstance(error, JobCodeError) and error.__cause__ else error
        ).__name__,
        message=str(error) or repr(error),
        detail=user_traceback(error),
        fatal=comes_again(error),
        at=at,
        stats=used or Stats(),
    )


@contextmanager
def quiet_collector() -> Iterator[None]:
    """No cyclic garbage collection during a task: it makes decoding blocks three times slower."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
