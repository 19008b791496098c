"""The map function: start the sub-trees, map one task into run files or a part, commit its marker.

A task's pairs go to a run file, for reducers to fetch. Without a shuffle its rows go straight to a part of the results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from ..core.codec import decode_column
from ..core.errors import SluiceError, UserError
from ..core.keys import RunKeys
from ..core.messages import Stats
from ..core.plan import Plan, Split
from ..core.plan_file import read_plan, read_tasks
from ..core.ports import Runtime
from ..core.tasks import Continuation, MapMarker, Part, Piece, Position, TaskCall
from ..job.binding import BoundJob, bind
from ..job.load_class import sources
from ..job.steps import step_class
from ..mapreduce.map.task import MapTask, rest_of
from ..mapreduce.shuffle.offsets import pack
from ..mapreduce.shuffle.run_file import RunWriter
from .attempt import pieces
from .attempt.commit_marker import commit
from .attempt.invocation import Invocation, begin
from .attempt.serve import serve

if TYPE_CHECKING:
    from ..mapreduce.map.map_only import RowWriter
    from ..mapreduce.output.commit_part import PartFile
    from ..mapreduce.sql.map import SqlMap


def handle(runtime: Runtime, payload: dict[str, Any]) -> None:
    """One invocation: a `TaskCall` for map tasks `[lo, hi)`, of which this one does `lo`."""
    if payload.get("small") is not True:
        serve(runtime, "map", payload, attempt)
        return
    from .small_run import handle as bring_to_its_end  # with all that a reducer needs

    bring_to_its_end(runtime, payload, attempt)


def attempt(runtime: Runtime, keys: RunKeys, call: TaskCall) -> None:
    """One attempt at a map task, or at what an earlier invocation of it has left."""
    plan, behind = read_plan(runtime.store, keys)
    keys = plan.keys(keys)
    invocation = begin(runtime, Continuation, "map", keys, call, plan)
    marker = pieces.go_on(invocation, MapWork(invocation, behind))
    if marker:
        commit(invocation, marker)


class MapWork:
    """A `pieces.Work`: the splits of one task through the user's mapper or the map query."""

    def __init__(self, invocation: Invocation[Continuation], behind: bytes) -> None:
        """`behind`: the bytes of the plan's tasks that came with its head."""
        self._invocation, self._behind = invocation, behind
        runtime, plan, call = invocation.runtime, invocation.plan, invocation.call
        self.part = _part(runtime, plan, call.lo) if plan.map_only else None
        self.piece = invocation.keys.run_file(call.lo, call.attempt, invocation.token)
        self._task: MapTask | SqlMap
        self._writer: RunWriter | RowWriter
        self._offsets: tuple[int, ...]

    def run(self, write: pieces.Write, *, piece: bool) -> Position | None:
        invocation = self._invocation
        self._task = _task(invocation)
        self._writer = self._new_writer(write, piece=piece)
        splits = self._splits()
        position = invocation.before.position
        rest = rest_of(splits, position) if position else splits
        writer: Any = self._writer  # each kind of task has its own
        try:
            stopped = self._task.run(rest, writer)
        except SluiceError as error:
            error.add_note(f"run {invocation.plan.run}")
            raise
        self._offsets = self._writer.finish()
        return replace(stopped, split=stopped.split + len(splits) - len(rest)) if stopped else None

    def _splits(self) -> list[Split]:
        """All splits of the task, those that earlier invocations have done included."""
        invocation, lo = self._invocation, self._invocation.call.lo
        (splits,) = read_tasks(
            invocation.runtime.store, invocation.keys, invocation.plan, lo, lo + 1, self._behind
        )
        return list(splits)

    def _new_writer(self, write: pieces.Write, *, piece: bool) -> RunWriter | RowWriter:
        if self.part is None:
            return RunWriter(write, self._invocation.plan.partitions)
        from ..mapreduce.map.map_only import RowWriter

        return RowWriter(self.part.piece_rows if piece else self.part.rows, write)

    # -- what is told of it -------------------------------------------------------------------------

    def done(self) -> Stats:
        task = self._task
        return Stats(
            records_in=task.records,
            records_out=self._writer.pairs,
            bytes_in=task.bytes,
            spilled=task.spilled,
        )

    def with_piece(self) -> Continuation:
        before = self._invocation.before
        return replace(
            before,
            earlier=(*before.earlier, Piece(run_file=self.piece.key, offsets=pack(self._offsets))),
            key_types=tuple(sorted({*before.key_types, *self._writer.key_types})),
        )

    def marker(self, stats: Stats, part: Part | None) -> MapMarker:
        fields = self._invocation.marker_fields()
        if part:
            return MapMarker(**fields, stats=stats, part=part, run_file="", offsets=())
        written = self.with_piece()
        *earlier, last = written.earlier
        return MapMarker(
            **fields,
            stats=stats,
            run_file=last.run_file,
            offsets=last.offsets,
            earlier=tuple(earlier),
            key_types=written.key_types,
        )

    def too_slow(self) -> UserError:
        return UserError(
            f"job {self._invocation.plan.job}: mapper_init or mapper_final took longer than the function's time:"
            " raise timeout.mapper"
        )

    def all_pieces(self) -> str:
        return f"pieces of map task {self._invocation.call.lo}"


def _task(invocation: Invocation[Continuation]) -> MapTask | SqlMap:
    """What maps the splits, in Python or in SQL."""
    runtime, plan, spec = invocation.runtime, invocation.plan, invocation.plan.own_spec
    if plan.sql:
        from ..mapreduce.sql.map import SqlMap  # only such jobs have DuckDB

        return SqlMap(runtime, plan, invocation.pace(), runtime.files)
    return _kind(plan)(
        job=_job(invocation),
        sources=sources(runtime, spec),
        store=runtime.store,
        disk=runtime.disk,
        partitions=plan.partitions,
        budget=spec.budget("mapper"),
        pace=invocation.pace(),
        quarantine=invocation.quarantine,
        trail=runtime.trail,
    )


def _kind(plan: Plan) -> type[MapTask]:
    if not plan.map_only:
        return MapTask
    from ..mapreduce.map.map_only import MapOnlyTask

    return MapOnlyTask


def _part(runtime: Runtime, plan: Plan, task: int) -> PartFile:
    """Where a task writes that has no reduce task behind it. What is needed for that is imported by few mappers."""
    from ..mapreduce.output.part import part_file

    return part_file(runtime, plan, task)


def _job(invocation: Invocation[Continuation]) -> BoundJob:
    """The user's class for this step, with the services of this task."""
    plan, spec = invocation.plan, invocation.plan.own_spec
    bounds = decode_column(plan.bounds.shape, plan.bounds.body) if plan.bounds else ()
    cls = step_class(invocation.runtime.load_job, spec, plan.job_step)
    return bind(cls, plan.job, spec.params, bounds, invocation.services, identity=True)
