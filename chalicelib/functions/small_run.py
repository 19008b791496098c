"""A run of one map task, brought to its end in that task's own invocation, as Hadoop's uber mode does.

    map task ──▶ its marker ──▶ index, reduce plan ──▶ reduce task ──▶ its marker ──▶ verdict, manifest, `_SUCCESS`

By the same functions, in the same order, into the same objects as in any other run, so that whoever comes after a
crash (Lambda's retry of this invocation, or a supervisor) goes on from what is there. What differs is that nobody is
waited for: the markers have names that call no supervisor, and the verdict's calls one, which finds that all is done.
Where this way is not the right one after all (this is not the first attempt, the time is short, there is much to
reduce), a supervisor is called and goes on as usual.
"""

from __future__ import annotations

import logging
from typing import Any

from msgspec.structs import replace

from ..core.errors import RunStopped, UserError
from ..core.keys import RunKeys
from ..core.messages import Wasted, from_payload
from ..core.outcome import Verdict
from ..core.plan_file import read_head
from ..core.ports import Runtime
from ..core.spec import MIB
from ..core.tasks import ReducePlan, TaskCall
from ..mapreduce.guard.host import SameInvocation
from ..run import lease
from ..run.calls import call_for, keys_of
from ..run.events import event_for
from ..run.reduce_plan import plan_reduce
from ..run.verdict import conclude
from . import reducer
from .attempt.commit_marker import is_committed
from .attempt.invocation import Attempt
from .attempt.remembering import Remembering, remembering
from .attempt.serve import saying_why, serve
from .supervision.next_phase import commit_plan

log = logging.getLogger(__name__)

#: Bytes of run files that are reduced where they were written; and what share of the budget these may be, packed.
_MOST, _SHARE = 32 * MIB, 8
#: The share of the invocation's time that must be left for it.
_TIME = 0.5


def handle(runtime: Runtime, payload: dict[str, Any], attempt: Attempt) -> None:
    """One invocation of the mapper in a small run: `attempt` at its map task, then all that follows."""
    runtime, time = remembering(runtime), runtime.remaining()
    serve(runtime, "map", payload, attempt)
    call = from_payload(TaskCall, payload, "the mapper's event")
    keys = keys_of(call)
    if not _is_mapped(runtime, keys):
        return  # it has failed or goes on, and whoever follows is called
    first = not call.attempt and not call.resume
    reduce_plan = _begun(runtime, keys) if first and runtime.remaining() >= time * _TIME else None
    if reduce_plan is None:
        marker = keys.done("map", 0)
        runtime.invoker.invoke("supervisor", event_for(marker, sent=runtime.clock.now()))
        return
    last = saying_why("reduce", _reduce if reduce_plan.tasks else _conclude)
    last(_going_on(runtime), keys, call_for(keys, 0, 1))


def _going_on(runtime: Runtime) -> Runtime:
    """That of the attempt which follows the mapper's: its process is no new one any more."""
    return replace(runtime, host=runtime.host and SameInvocation(runtime.host))


def _is_mapped(runtime: Runtime, keys: RunKeys) -> bool:
    """Whether the task has its marker: a request only if this invocation has neither written nor read it."""
    store, marker = runtime.store, keys.done("map", 0)
    known = isinstance(store, Remembering) and store.knows(marker)
    return known or is_committed(store, keys, "map", 0)


def _begun(runtime: Runtime, keys: RunKeys) -> ReducePlan | None:
    """The reduce plan; None if a supervisor is to go on: it ends a run that cannot be reduced, or calls reducers."""
    plan = read_head(runtime.store, keys)
    try:
        #: The first attempt has been the only one: it left nothing that would not count.
        found = plan_reduce(runtime.store, keys, plan, beside=Wasted())
        reduce_plan = commit_plan(runtime, keys, found)
    except (UserError, RunStopped) as error:
        log.info("a supervisor ends the run: %s", error, extra={"job": keys.job, "run": keys.run})
        return None
    fits = sum(task.bytes for task in reduce_plan.tasks) <= min(_MOST, plan.spec.budget("reducer") // _SHARE)
    return reduce_plan if fits and len(reduce_plan.tasks) <= 1 else None


def _reduce(runtime: Runtime, keys: RunKeys, call: TaskCall) -> None:
    """The only reduce task, whose marker is followed by the run's end."""
    if reducer.attempt(runtime, keys, call):
        lease.end(runtime.store, keys.lease)


def _conclude(runtime: Runtime, keys: RunKeys, _: TaskCall) -> None:
    """The end of a run that has nothing to reduce."""
    conclude(runtime.store, keys, read_head(runtime.store, keys), Verdict(outcome="success"))
    lease.end(runtime.store, keys.lease)
