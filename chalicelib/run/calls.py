"""Calls of the mapper and the reducer: what is sent to start a tree of tasks, and how."""

from __future__ import annotations

from ..core.keys import Phase, RunKeys
from ..core.messages import to_payload
from ..core.ports import FunctionName, Loc, Runtime
from ..core.tasks import TaskCall

FUNCTION: dict[Phase, FunctionName] = {"map": "mapper", "reduce": "reducer"}


def keys_of(call: TaskCall) -> RunKeys:
    return RunKeys(Loc(call.bucket, call.prefix), call.job, call.run, call.step)


def call_for(keys: RunKeys, lo: int, hi: int, attempt: int = 0) -> TaskCall:
    """The root of a tree over tasks `[lo, hi)`."""
    return TaskCall(
        bucket=keys.work.bucket,
        prefix=keys.work.key,
        job=keys.job,
        run=keys.run,
        step=keys.step,
        lo=lo,
        hi=hi,
        attempt=attempt,
    )


def start(runtime: Runtime, phase: Phase, call: TaskCall) -> None:
    runtime.invoker.invoke(FUNCTION[phase], to_payload(call))
