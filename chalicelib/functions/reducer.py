"""The reduce function: start the sub-trees, reduce one task into a part, commit; the last one ends the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from ..core.errors import UserError
from ..core.keys import RunKeys
from ..core.messages import Stats, decode
from ..core.outcome import Verdict
from ..core.plan import Plan
from ..core.plan_file import read_head
from ..core.ports import Runtime
from ..core.tasks import (
    Part,
    ReduceContinuation,
    ReduceMarker,
    ReducePlan,
    ReducePosition,
    TaskCall,
)
from ..job.binding import BoundJob, bind
from ..job.order_by import Ordered
from ..job.steps import step_class
from ..mapreduce.output.part import part_file
from ..mapreduce.reduce.bad_groups import TOO_SLOW
from ..mapreduce.reduce.task import ReducePart
from ..mapreduce.shuffle.fetch import beside
from ..run import verdict
from ..run.progress import Progress, scan
from ..run.reduce_plan import read_slices
from .attempt import pieces
from .attempt.commit_marker import commit
from .attempt.invocation import Invocation, begin
from .attempt.remembering import remembering
from .attempt.serve import serve

if TYPE_CHECKING:
    from ..mapreduce.sql.reduce import SqlReduce


def handle(runtime: Runtime, payload: dict[str, Any]) -> None:
    """One invocation: a `TaskCall` for reduce tasks (or exchange tasks) `[lo, hi)`, of which this one does `lo`."""
    if payload.get("exchange") is not True:
        serve(runtime, "reduce", payload, attempt)
        return
    from . import exchange  # few runs have any

    serve(runtime, "exchange", payload, exchange.attempt)


def attempt(runtime: Runtime, keys: RunKeys, call: TaskCall) -> bool:
    """One attempt at a reduce task, or at what an earlier invocation of it has left; whether it ended the run.

    What it has read or written of the run, its plans and its marker, it does not read again to end the run.
    """
    runtime = remembering(runtime)
    with beside(runtime.store, lambda: runtime.store.get(keys.reduce_plan)) as stored:
        plan = read_head(runtime.store, keys)
        reduce_plan = decode(ReducePlan, stored(), keys.reduce_plan.url)
    keys = plan.keys(keys)
    invocation = begin(runtime, ReduceContinuation, "reduce", keys, call, plan)
    marker = pieces.go_on(invocation, ReduceWork(invocation, reduce_plan))
    if marker is None:
        return False
    commit(invocation, marker)
    return _finish_if_last(runtime, keys, plan, len(reduce_plan.tasks))


def _finish_if_last(runtime: Runtime, keys: RunKeys, plan: Plan, tasks: int) -> bool:
    """Our own marker may be the last: whoever counts R of R after it ends the run."""
    progress = Progress("reduce", tasks)
    if tasks > 1:
        scan(runtime.store, keys, progress)
    complete = tasks == 1 or progress.complete
    if complete:
        verdict.conclude(runtime.store, keys, plan, Verdict(outcome="success"))
    return complete


class ReduceWork:
    """A `pieces.Work`: the slices of one task through the user's reducer or the reduce query."""

    def __init__(self, invocation: Invocation[ReduceContinuation], reduce_plan: ReducePlan) -> None:
        self._invocation = invocation
        call = invocation.call
        self._reduce_plan, self._task = reduce_plan, reduce_plan.tasks[call.lo]
        self.part = part_file(invocation.runtime, invocation.plan, call.lo)
        self.piece = invocation.keys.piece(call.lo, call.attempt, invocation.token)
        self._reduce: ReducePart | SqlReduce

    def run(self, write: pieces.Write, *, piece: bool) -> ReducePosition | None:
        invocation = self._invocation
        self._reduce = _reduce(invocation, len(self._reduce_plan.tasks))
        slices = read_slices(invocation.runtime.store, invocation.keys, self._reduce_plan, self._task)
        rows = self.part.piece_rows if piece else self.part.rows
        return self._reduce.run(self._task, slices, rows, write, invocation.before.position)

    # -- what is told of it -------------------------------------------------------------------------

    def done(self) -> Stats:
        reduce = self._reduce
        return Stats(
            records_in=reduce.pairs_in,
            records_out=reduce.records,
            bytes_in=reduce.bytes_in,
            spilled=reduce.spilled,
        )

    def with_piece(self) -> ReduceContinuation:
        before = self._invocation.before
        return replace(
            before,
            pieces=(*before.pieces, self.piece.key),
            records=before.records + self._reduce.records,
        )

    def marker(self, stats: Stats, part: Part | None) -> ReduceMarker:
        assert part is not None
        return ReduceMarker(
            **self._invocation.marker_fields(),
            stats=stats,
            part=part.key,
            bytes=part.bytes,
            records=part.records,
            edges=part.edges,
            folders=part.folders,
        )

    def too_slow(self) -> UserError:
        job = self._invocation.plan.job
        return UserError(f"job {job}: reducer, at key {self._reduce.current!r}: {TOO_SLOW}")

    def all_pieces(self) -> str:
        return ", ".join(self._invocation.before.pieces)


def _reduce(invocation: Invocation[ReduceContinuation], tasks: int) -> ReducePart | SqlReduce:
    """What reduces the slices, in Python or in SQL; it is one of so many tasks."""
    runtime, plan, bucket = invocation.runtime, invocation.plan, invocation.keys.work.bucket
    if plan.sql:
        from ..mapreduce.sql.reduce import SqlReduce  # only such jobs have DuckDB

        processors = max(1, runtime.files.processors // tasks) if runtime.files else 0
        return SqlReduce(runtime, plan, bucket, invocation.pace(), processors)
    return ReducePart(
        job=_job(invocation),
        store=runtime.store,
        work_bucket=bucket,
        disk=runtime.disk,
        budget=plan.own_spec.budget("reducer"),
        pace=invocation.pace(),
        quarantine=invocation.quarantine,
        trail=runtime.trail,
    )


def _job(invocation: Invocation[ReduceContinuation]) -> BoundJob:
    """The user's class for this step, with the services of this task."""
    plan, spec = invocation.plan, invocation.plan.own_spec
    cls = step_class(invocation.runtime.load_job, spec, plan.job_step)
    job = bind(cls, plan.job, spec.params, services=invocation.services, identity=True)
    if isinstance(job.job, Ordered):  # it counts rows, for its limit
        job.job.written = invocation.before.records
    return job
