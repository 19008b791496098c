"""What map and reduce attempts have in common: the tree first, then one task, then a marker or a failure."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from ..core.errors import JobCodeError, SluiceError, user_traceback
from ..core.keys import Phase, RunKeys
from ..core.messages import Stats, encode, from_payload
from ..core.plan import Plan
from ..core.ports import Runtime
from ..core.tasks import Failure, TaskCall
from ..job.services import Counters, Services
from ..job.side_files import finder
from ..run import call_tree
from ..run.calls import FUNCTION, keys_of, start

log = logging.getLogger(__name__)


def serve(
    runtime: Runtime,
    phase: Phase,
    payload: dict[str, Any],
    attempt: Callable[[Runtime, RunKeys, TaskCall], None],
    late: Callable[[Runtime, RunKeys, TaskCall], None],
) -> None:
    """Handle one invocation: start the sub-trees, then try task `lo`, and say so if that fails.

    An attempt that went on while another one was first is `late`, which deletes what it wrote before.

    Only what the attempt itself raises becomes a `.failed` marker; an error of the store or invoker on
    the way to it goes up, so that Lambda retries the invocation.
    """
    call = from_payload(TaskCall, payload, f"the {FUNCTION[phase]}'s event")
    keys = keys_of(call)
    if call.hop > call_tree.MAX_HOPS:
        raise SluiceError(f"job {keys.job}, run {keys.run}: {call.hop} invocations deep: this must be a loop")
    for lo, hi in call_tree.children(call.lo, call.hi):
        start(runtime, phase, msgspec.structs.replace(call, lo=lo, hi=hi, hop=call.hop + 1))
    ids = {
        "job": keys.job,
        "run": keys.run,
        "step": call.step,
        "task": call.lo,
        "attempt": call.attempt,
        "phase": phase,
    }
    if (call.attempt or call.resume) and done(runtime, keys, phase, call.lo):
        if call.resume:
            late(runtime, keys, call)
        return
    try:
        with quiet_collector():
            attempt(runtime, keys, call)
    except Exception as error:  # noqa: BLE001 - the root of a task: whatever happened must be written down
        failure = describe(phase, call.lo, call.attempt, error, runtime.clock.now())
        log.warning("%s", failure.message, extra={**ids, "traceback": failure.detail})
        runtime.store.put(keys.failed(phase, call.lo, call.attempt), encode(failure))


def services(
    runtime: Runtime, phase: Phase, plan: Plan, call: TaskCall, piece: int, counted: dict[str, int]
) -> Services:
    """What the user's code may use. `piece`: which invocation of its attempt it is; `counted`: by those before."""
    return Services(
        job=plan.job,
        run=plan.run,
        phase=phase,
        step=plan.step,
        task=call.lo,
        attempt=call.attempt,
        piece=piece,
        find_file=finder(runtime, plan.spec, plan.files),
        disk=runtime.disk,
        budget=plan.spec.budget("mapper" if phase == "map" else "reducer"),
        counters=Counters(counted),
    )


def done(runtime: Runtime, keys: RunKeys, phase: Phase, task: int) -> bool:
    """Whether a task has its marker; a repeated attempt asks before it works."""
    marker = keys.done(phase, task)
    return any(info.key == marker.key for info in runtime.store.list(marker))


def describe(phase: Phase, task: int, attempt: int, error: BaseException, at: float) -> Failure:
    """A failure for its marker: one line, and the traceback from the user's own code on."""
    return Failure(
        phase=phase,
        task=task,
        attempt=attempt,
        error=type(
            error.__cause__ if isinstance(error, JobCodeError) and error.__cause__ else error
        ).__name__,
        message=str(error) or repr(error),
        detail=user_traceback(error),
        fatal=isinstance(error, SluiceError) and error.fatal,
        at=at,
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


class Meter:
    """What one attempt uses, from its beginning to `stats`."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._before = runtime.store.requests.copy()
        self.started = runtime.clock.now()

    def stats(self, **figures: Any) -> Stats:
        used = self._runtime.store.requests - self._before
        return Stats(
            gets=used["get"] + used["head"],
            puts=used["put"],
            lists=used["list"],
            seconds=round(self._runtime.clock.now() - self.started, 6),
            **figures,
        )
