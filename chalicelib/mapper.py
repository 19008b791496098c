"""The map function: start the sub-trees, map one task into one run file, commit its marker.

An attempt that runs out of time keeps what it has as a piece and goes on in a fresh invocation; only the
last one commits, and its marker names all pieces.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from msgspec.structs import replace

from . import attempts
from .codec import decode_column
from .errors import SluiceError, UserError
from .job import bind
from .keys import RunKeys
from .loading import input_type
from .mapping import MapTask, rest_of
from .model import Continuation, MapMarker, Piece, Plan, Position, Split, Stats, TaskCall, decode, encode
from .pace import Pace, StepTooLong
from .plan import Task, read_head, read_tasks
from .ports import Loc, Runtime
from .quarantine import Quarantine
from .runfile import RunWriter

#: Invocations of one attempt before it is taken for endless.
_MAX_PIECES = 1000


def handle(runtime: Runtime, payload: dict[str, Any]) -> None:
    """One invocation: a `TaskCall` for map tasks `[lo, hi)`, of which this one does `lo`."""
    attempts.serve(runtime, "map", payload, _attempt)


def _attempt(runtime: Runtime, keys: RunKeys, call: TaskCall) -> None:
    meter = attempts.Meter(runtime)
    plan = read_head(runtime.store, keys)
    before = _before(runtime, keys, call)
    (splits,) = read_tasks(runtime.store, keys, plan, call.lo, call.lo + 1)
    rest = rest_of(splits, before.position) if before.position else list(splits)
    token = runtime.new_token()
    run_file = keys.run_file(call.lo, call.attempt, token)
    quarantine = Quarantine(plan.spec.bad_records, "map")
    quarantine.extend(before.bad)
    with runtime.store.writer(run_file) as sink:
        writer = RunWriter(sink.write, plan.partitions)
        task = _task(runtime, plan, before.careful, quarantine)
        try:
            stopped = _run(task, rest, writer, plan)
        except StepTooLong:
            _go_on(runtime, keys, call, token, _more_careful(before, plan))
            return
        offsets = writer.finish()
        sink.commit()
    stats = before.stats + meter.stats(
        records_in=task.records,
        records_out=writer.pairs,
        bytes_in=task.bytes,
        bytes_out=offsets[-1],
        spilled=task.spilled,
    )
    key_types = tuple(sorted({*before.key_types, *writer.key_types}))
    if stopped:
        position = Position(split=stopped.split + len(splits) - len(rest), offset=stopped.offset)
        following = Continuation(
            position=position,
            earlier=(*before.earlier, Piece(run_file=run_file.key, offsets=offsets)),
            bad=tuple(quarantine.records),
            key_types=key_types,
            stats=stats,
            started=before.started or meter.started,
            careful=before.careful,
        )
        _go_on(runtime, keys, call, token, following)
        return
    body = MapMarker(
        task=call.lo,
        attempt=call.attempt,
        token=token,
        run_file=run_file.key,
        offsets=offsets,
        earlier=before.earlier,
        bad=len(quarantine.records),
        quarantine=quarantine.write(runtime.store, keys, call.lo, call.attempt, token),
        key_types=key_types,
        stats=stats,
        started=before.started or meter.started,
        finished=runtime.clock.now(),
    )
    _commit(runtime, keys, body)


class _Work(Protocol):
    """What does the work of one task, in Python or in SQL."""

    records: int
    bytes: int
    spilled: int

    def run(self, splits: Sequence[Split], writer: RunWriter) -> Position | None: ...


def _task(runtime: Runtime, plan: Plan, careful: bool, quarantine: Quarantine) -> _Work:
    spec = plan.spec
    pace = Pace(runtime.clock.now, runtime.remaining, careful=careful)
    if plan.sql:
        from .sql.mapping import SqlMap  # only such jobs have DuckDB

        return SqlMap(runtime, plan, pace)
    bounds = decode_column(plan.bounds.shape, plan.bounds.body) if plan.bounds else ()
    job = bind(runtime.load_job(spec.job), plan.job, spec.params, bounds)
    return MapTask(
        job,
        spec.input,
        runtime.store,
        plan.partitions,
        spec.budget("mapper"),
        runtime.scratch,
        input_type(runtime, spec),
        pace,
        quarantine,
    )


def _run(task: _Work, splits: Task | list[Any], writer: RunWriter, plan: Plan) -> Position | None:
    try:
        return task.run(splits, writer)
    except SluiceError as error:
        error.add_note(f"run {plan.run}")
        raise


def _before(runtime: Runtime, keys: RunKeys, call: TaskCall) -> Continuation:
    """What earlier invocations of this attempt left."""
    if not call.resume:
        return Continuation(stats=Stats())
    loc = Loc(keys.work.bucket, call.resume)
    return decode(Continuation, runtime.store.get(loc), loc.url)


def _more_careful(before: Continuation, plan: Plan) -> Continuation:
    """Once more from the same place, a record at a time, to find the one that takes too long."""
    if before.careful:
        raise UserError(
            f"job {plan.job}: mapper_init or mapper_final took longer than the function's time: raise timeout.mapper"
        )
    return replace(before, careful=True)


def _go_on(runtime: Runtime, keys: RunKeys, call: TaskCall, token: str, following: Continuation) -> None:
    """Leave word and let a fresh invocation go on."""
    if len(following.earlier) > _MAX_PIECES:
        raise UserError(
            f"job {keys.job}: map task {call.lo} ran out of time {len(following.earlier)} times: make split_size"
            " smaller or raise timeout.mapper"
        )
    loc = keys.following("map", call.lo, call.attempt, token)
    runtime.store.put(loc, encode(following))
    attempts.start(runtime, "map", replace(call, hi=call.lo + 1, hop=0, resume=loc.key))


def _commit(runtime: Runtime, keys: RunKeys, body: MapMarker) -> None:
    """Create the marker; whoever comes second deletes what only it wrote."""
    marker = keys.done("map", body.task)
    if runtime.store.put_if_absent(marker, encode(body)):
        return
    winner = decode(MapMarker, runtime.store.get(marker), marker.url)
    theirs = {winner.run_file, winner.quarantine, *(piece.run_file for piece in winner.earlier)}
    ours = {body.run_file, body.quarantine, *(piece.run_file for piece in body.earlier)} - {""}
    runtime.store.delete(keys.work.bucket, sorted(ours - theirs))
