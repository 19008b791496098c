"""From one phase of a step to the next: map tasks, exchange tasks (if the shuffle has two levels), reduce tasks.

    markers of map tasks ──▶ index ──▶ exchange/plan.json ──▶ tree, exchange/started      where there may be two levels
        ──▶ markers of exchange tasks ──▶ their index ──▶ reduce/plan.json ──▶ tree, reduce/started

The plan of a phase is created conditionally, and a function of the markers before it, so that anybody may do all of it
again after a crash.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ...core.errors import NotFound, RunStopped
from ...core.keys import Phase, RunKeys
from ...core.messages import Message, decode, encode
from ...core.plan import Plan
from ...core.ports import Loc, Runtime, Store
from ...core.tasks import ExchangePlan, ReducePlan
from ...run import calls
from ...run.reduce_plan import plan_reduce

M = TypeVar("M", bound=Message)
#: A phase, and how many tasks it has.
Begun = tuple[Phase, int]


def begin_next(
    runtime: Runtime, keys: RunKeys, plan: Plan, phase: Phase, tick: Callable[[], None] = lambda: None
) -> Begun:
    """Plan the phase behind `phase`, all of whose tasks are done, and start its tree.

    The order is the index, the plan (conditional), the tree's root, `started`. With thousands of markers this takes
    minutes: `tick` is called between them, to renew a lease or to look at the time. If it raises, whoever begins again
    goes on behind the last block of the map tasks' index that was written.
    Raises UserError if what the map tasks wrote cannot be reduced, RunStopped if somebody has stopped the run.
    """
    if phase == "exchange":
        return _reduce_exchanged(runtime, keys, plan, _committed_exchange(runtime, keys), tick)
    reduce_plan = plan_reduce(runtime.store, keys, plan, tick)
    if not plan.exchange:
        return _reduce(runtime, keys, reduce_plan)
    from .second_level import plan_exchange  # few runs have one

    exchange = plan_exchange(plan, reduce_plan)
    if not runtime.store.put_if_absent(keys.exchange_plan, encode(exchange)):
        exchange = _committed_exchange(runtime, keys)
    return _exchange(runtime, keys, exchange)


def resume(runtime: Runtime, keys: RunKeys, plan: Plan) -> Begun:
    """The phase that the step is in, with its tree started."""
    reduce_plan = _stored(runtime, ReducePlan, keys.reduce_plan)
    if reduce_plan:
        _start(runtime, keys, "reduce", len(reduce_plan.tasks))
        return "reduce", len(reduce_plan.tasks)
    exchange = _stored(runtime, ExchangePlan, keys.exchange_plan) if plan.exchange else None
    if exchange and not exchange.reduce.stopped:  # of a stopped one the verdict is found
        return _exchange(runtime, keys, exchange)
    return "map", plan.tasks


def planned_tasks(store: Store, keys: RunKeys, phase: Phase) -> int:
    """How many tasks there are of a phase behind the map phase. Raises NotFound before that is planned."""
    if phase == "exchange":
        return decode(ExchangePlan, store.get(keys.exchange_plan), keys.exchange_plan.url).tasks
    return len(decode(ReducePlan, store.get(keys.reduce_plan), keys.reduce_plan.url).tasks)


def commit_plan(runtime: Runtime, keys: RunKeys, reduce_plan: ReducePlan) -> ReducePlan:
    """Begin the reduce phase by this plan, or by the one that is there already; the one that stands.

    Raises RunStopped if the run was stopped.
    """
    if runtime.store.put_if_absent(keys.reduce_plan, encode(reduce_plan)):
        return reduce_plan
    stored = _stored(runtime, ReducePlan, keys.reduce_plan) or reduce_plan
    _check_stopped(keys, stored)
    return stored


def _committed_exchange(runtime: Runtime, keys: RunKeys) -> ExchangePlan:
    loc = keys.exchange_plan
    exchange = decode(ExchangePlan, runtime.store.get(loc), loc.url)
    _check_stopped(keys, exchange.reduce)
    return exchange


def _check_stopped(keys: RunKeys, reduce_plan: ReducePlan) -> None:
    if reduce_plan.stopped:
        raise RunStopped(f"job {keys.job}, run {keys.run}: was stopped: nothing is reduced")


def _exchange(runtime: Runtime, keys: RunKeys, exchange: ExchangePlan) -> Begun:
    """Start the exchange tasks; where it was decided that there are none, the reduce phase."""
    if not exchange.tasks:
        return _reduce(runtime, keys, exchange.reduce)
    _start(runtime, keys, "exchange", exchange.tasks)
    return "exchange", exchange.tasks


def _reduce_exchanged(
    runtime: Runtime, keys: RunKeys, plan: Plan, exchange: ExchangePlan, tick: Callable[[], None]
) -> Begun:
    from .second_level import plan_reduce as plan_over_exchanged  # few runs have one

    return _reduce(runtime, keys, plan_over_exchanged(runtime.store, keys, plan, exchange, tick))


def _reduce(runtime: Runtime, keys: RunKeys, reduce_plan: ReducePlan) -> Begun:
    tasks = len(commit_plan(runtime, keys, reduce_plan).tasks)
    _start(runtime, keys, "reduce", tasks)
    return "reduce", tasks


def _stored(runtime: Runtime, kind: type[M], loc: Loc) -> M | None:
    try:
        return decode(kind, runtime.store.get(loc), loc.url)
    except NotFound:
        return None


def _start(runtime: Runtime, keys: RunKeys, phase: Phase, tasks: int) -> None:
    """Invoke the root of the phase's tree unless that is known to have been done."""
    if not tasks:
        return
    started = keys.exchange_started if phase == "exchange" else keys.reduce_started
    if any(info.key == started.key for info in runtime.store.list(started)):
        return
    calls.start(runtime, phase, calls.call_for(keys, 0, tasks))
    runtime.store.put(started, b"")
