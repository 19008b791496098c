"""Calls of the mapper and the reducer: what is sent to start a tree of tasks or go on with one, and how."""

from __future__ import annotations

from msgspec.structs import replace

from ..core.keys import Phase, RunKeys
from ..core.messages import to_payload
from ..core.ports import FunctionName, Loc, Runtime
from ..core.tasks import TaskCall

FUNCTION: dict[Phase, FunctionName] = {"map": "mapper", "reduce": "reducer"}


def keys_of(call: TaskCall) -> RunKeys:
    """The places of the objects of the step that a call is about."""
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


def subtree(call: TaskCall, lo: int, hi: int) -> TaskCall:
    """From a node to the root of a sub-tree over tasks `[lo, hi)` of its own."""
    return replace(call, lo=lo, hi=hi, hop=call.hop + 1)


def resumed(call: TaskCall, word: Loc) -> TaskCall:
    """From an invocation that ran out of time to the one that goes on with its task from the word it left."""
    return replace(call, hi=call.lo + 1, hop=0, resume=word.key)


def start(runtime: Runtime, phase: Phase, call: TaskCall) -> None:
    """Invoke the phase's function with a call, asynchronously."""
    runtime.invoker.invoke(FUNCTION[phase], to_payload(call))
