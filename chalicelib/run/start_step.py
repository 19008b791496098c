"""Start the map tree of a step that is planned; anybody may do so again after a crash.

plan.done says that the root of the tree was invoked. A plan without it belongs to somebody who is about to invoke
the root, or who died: starting the tree twice does no harm.
"""

from __future__ import annotations

from ..core.keys import RunKeys
from ..core.messages import to_payload
from ..core.plan import Plan
from ..core.plan_file import read_head
from ..core.ports import Invoker, Loc, Store
from . import calls


def start(store: Store, invoker: Invoker, keys: RunKeys, plan: Plan) -> None:
    """Invoke the root of the map tree, then leave plan.done, which wakes a supervisor if the run is not a small one."""
    keys = plan.keys(keys)
    if plan.tasks:
        invoker.invoke(calls.FUNCTION["map"], to_payload(calls.call_for(keys, 0, plan.tasks)))
    store.put(keys.plan_done, b"")


def start_planned(store: Store, invoker: Invoker, keys: RunKeys) -> int:
    """Start the map tree unless that was done, or the run was stopped; how many tasks it has, or 0.

    Raises NotFound without a plan.
    """
    plan = read_head(store, keys)
    if plan.stopped or is_started(store, plan.keys(keys)):
        return 0
    start(store, invoker, keys, plan)
    return plan.tasks


def start_if_planned(store: Store, invoker: Invoker, keys: RunKeys) -> bool:
    """Whether the step is planned; if it is, its map tree is started once this returns, unless the run was stopped."""
    if not is_planned(store, keys):
        return False
    start_planned(store, invoker, keys)
    return True


def is_planned(store: Store, keys: RunKeys) -> bool:
    """Whether plan.json is there."""
    return _exists(store, keys.plan)


def is_started(store: Store, keys: RunKeys) -> bool:
    """Whether plan.done is there (of a small run, whose plan tells: plan.silent)."""
    return _exists(store, keys.plan_done)


def _exists(store: Store, loc: Loc) -> bool:
    return any(info.key == loc.key for info in store.list(loc))
