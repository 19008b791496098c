"""Calls of the mapper and the reducer, and the tree in which they start each other.

The node for `[lo, hi)` starts the roots of its sub-ranges, then does task `lo` itself. With 32 children a node,
10 000 tasks are three hops deep, where a chain would be 10 000 (and AWS stops chains at about 16).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from ..core.keys import Phase, RunKeys
from ..core.messages import to_payload
from ..core.ports import FunctionName, Loc, Runtime
from ..core.tasks import TaskCall

FAN_OUT = 32
#: Calls that a node makes at once where they have to be waited for.
AT_ONCE = 8
#: No run needs a deeper tree: 32 ** 12 tasks. A deeper call is a loop.
MAX_HOPS = 12
FUNCTION: dict[Phase, FunctionName] = {"map": "mapper", "exchange": "reducer", "reduce": "reducer"}


def keys_of(call: TaskCall) -> RunKeys:
    """The places of the objects of the step that a call is about."""
    return RunKeys(Loc(call.bucket, call.prefix), call.job, call.run, call.step, call.small)


def phase_of(function: str, payload: Mapping[str, Any]) -> Phase:
    """Of which phase the tasks are that a mapper or reducer is called for."""
    if function == FUNCTION["map"]:
        return "map"
    return "exchange" if payload.get("exchange") is True else "reduce"


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
        small=keys.small,
    )


def children(lo: int, hi: int, fan_out: int = FAN_OUT) -> Iterator[tuple[int, int]]:
    """The ranges that the node for `[lo, hi)` hands on: at most `fan_out`, disjoint, all of `(lo, hi)`."""
    count = hi - lo - 1
    if count <= 0:
        return
    width, wider = divmod(count, min(fan_out, count))
    start = lo + 1
    for number in range(min(fan_out, count)):
        stop = start + width + (number < wider)
        yield start, stop
        start = stop


def subtree(call: TaskCall, lo: int, hi: int) -> TaskCall:
    """From a node to the root of a sub-tree over tasks `[lo, hi)` of its own."""
    return replace(call, lo=lo, hi=hi, hop=call.hop + 1)


def resumed(call: TaskCall, word: Loc) -> TaskCall:
    """From an invocation that ran out of time to the one that goes on with its task from the word it left."""
    return replace(call, hi=call.lo + 1, hop=0, resume=word.key)


def start_all(runtime: Runtime, phase: Phase, calls: Sequence[TaskCall]) -> None:
    """Start several calls, as many at once as is worth it: the last of a node's sub-trees need not wait for all others.

    All are tried before the first error is raised.
    """
    if len(calls) < 2 or not runtime.parallel_calls:
        for call in calls:
            start(runtime, phase, call)
        return
    from concurrent.futures import ThreadPoolExecutor  # most calls start one function, or none

    with ThreadPoolExecutor(min(runtime.parallel_calls, len(calls)), "invoke") as pool:
        tried = [pool.submit(start, runtime, phase, call) for call in calls]
    for each in tried:
        each.result()


def start(runtime: Runtime, phase: Phase, call: TaskCall) -> None:
    """Invoke the phase's function with a call, asynchronously."""
    runtime.invoker.invoke(FUNCTION[phase], to_payload(replace(call, exchange=phase == "exchange")))
