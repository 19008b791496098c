"""The map function: start the sub-trees, map one task into one run file, commit its marker.

An attempt that runs out of time keeps what it has as a piece and goes on in a fresh invocation; only the
last one commits, and its marker names all pieces. Without a shuffle a task writes a part instead: straight
to the results or, once time has run out, in pieces that the last invocation joins.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, Protocol

from msgspec.structs import replace

from ..core.codec import decode_column
from ..core.errors import CorruptData, SluiceError, UserError
from ..core.keys import OutputKeys, RunKeys
from ..core.messages import Stats, decode, encode
from ..core.plan import Plan, Split, read_head, read_tasks
from ..core.ports import Loc, ObjectWriter, Runtime
from ..core.tasks import Continuation, MapMarker, Part, Piece, Position, TaskCall
from ..job.binding import bind
from ..job.load_class import sources
from ..job.steps import step_class
from ..mapreduce.guard.deadline import Pace, StepTooLong
from ..mapreduce.guard.quarantine import Quarantine
from ..mapreduce.map.map_only import MapOnlyTask, RowWriter
from ..mapreduce.map.task import MapTask, rest_of
from ..mapreduce.output.part import part_file
from ..mapreduce.output.text import Rows
from ..mapreduce.shuffle.run_file import RunWriter
from ..run import calls
from . import attempt

#: Invocations of one attempt before it is taken for endless.
_MAX_PIECES = 1000


def handle(runtime: Runtime, payload: dict[str, Any]) -> None:
    """One invocation: a `TaskCall` for map tasks `[lo, hi)`, of which this one does `lo`."""
    attempt.serve(runtime, "map", payload, _attempt, _late)


def _attempt(runtime: Runtime, keys: RunKeys, call: TaskCall) -> None:
    plan = read_head(runtime.store, keys)
    body = _Attempt(runtime, keys, call, plan, _before(runtime, keys, call)).run()
    if body is not None:
        _commit(runtime, keys, body)


def _before(runtime: Runtime, keys: RunKeys, call: TaskCall) -> Continuation:
    """What earlier invocations of this attempt left."""
    if not call.resume:
        return Continuation(stats=Stats())
    loc = Loc(keys.work.bucket, call.resume)
    return decode(Continuation, runtime.store.get(loc), loc.url)


class _Work(Protocol):
    """What does the work of one task, in Python or in SQL."""

    records: int
    bytes: int
    spilled: int

    def run(self, splits: Sequence[Split], writer: Any) -> Position | None: ...


class _Attempt:
    """One invocation of one attempt; `run` gives the marker to commit, or nothing if another goes on."""

    def __init__(
        self, runtime: Runtime, keys: RunKeys, call: TaskCall, plan: Plan, before: Continuation
    ) -> None:
        self._runtime = runtime
        self._store = runtime.store
        self._keys = keys
        self._call = call
        self._plan = plan
        self._before = before
        self._spec = plan.own_spec
        self._meter = attempt.Meter(runtime)
        self._started = before.started or self._meter.started
        self._token = runtime.new_token()
        self._quarantine = Quarantine(self._spec.bad_records, "map")
        self._quarantine.extend(before.bad)
        self._services = attempt.services(runtime, "map", plan, call, len(before.earlier), before.counters)
        place = OutputKeys(plan.results)
        self._part = part_file(runtime, plan, self._spec, place, call.lo)

    def run(self) -> MapMarker | None:
        if self._plan.map_only:
            if self._before.joining:
                return self._join()
            if not self._call.resume:
                return self._at_once()
        return self._piece()

    # -- what is written ------------------------------------------------------------------------------

    def _piece(self) -> MapMarker | None:
        """A run file; of a task without a shuffle, a stretch of its part."""
        task, before = self._task(), self._before
        run_file = self._keys.run_file(self._call.lo, self._call.attempt, self._token)
        with self._store.writer(run_file) as sink:
            writer = self._writer(sink, self._part.piece_rows)
            try:
                stopped = self._map(task, writer)
            except StepTooLong:
                self._go_on(self._more_careful())
                return None
            offsets = writer.finish()
            sink.commit()
        stats = before.stats + self._stats(task, writer.pairs, offsets[-1])
        key_types = tuple(sorted({*before.key_types, *writer.key_types}))
        if stopped or self._plan.map_only:
            following = Continuation(
                position=stopped or before.position,
                earlier=(*before.earlier, Piece(run_file=run_file.key, offsets=offsets)),
                bad=tuple(self._quarantine.records),
                counters=self._services.counters.totals(),
                key_types=key_types,
                stats=stats,
                started=self._started,
                careful=before.careful,
                joining=stopped is None,
            )
            self._go_on(following)
            return None
        return self._marker(stats, run_file=run_file.key, offsets=offsets, key_types=key_types)

    def _at_once(self) -> MapMarker | None:
        """The whole part in one invocation, or the beginning of another way to do it."""
        task = self._task()
        with self._part.open() as sink:
            writer = self._writer(sink, self._part.rows)
            try:
                stopped = self._map(task, writer)
            except StepTooLong:
                stopped = Position(split=0, offset=0)
            part = None if stopped else self._part.publish(sink, writer.pairs)
        if part is None:
            self._go_on(Continuation(stats=Stats(), started=self._started))
            return None
        return self._marker(self._stats(task, part.records, part.bytes), part=part)

    def _join(self) -> MapMarker:
        before = self._before
        with self._part.open() as sink:
            pieces = (Loc(self._keys.work.bucket, piece.run_file) for piece in before.earlier)
            for data in self._part.joined(chain.from_iterable(map(self._store.stream, pieces))):
                sink.write(data)
            if self._part.size != before.stats.bytes_out:
                raise CorruptData(
                    f"pieces of map task {self._call.lo}: {self._part.size} bytes in all,"
                    f" expected {before.stats.bytes_out}"
                )
            part = self._part.publish(sink, before.stats.records_out)
        return self._marker(before.stats, part=part)

    def _writer(self, sink: ObjectWriter, rows: Rows) -> RunWriter | RowWriter:
        if not self._plan.map_only:
            return RunWriter(sink.write, self._plan.partitions)

        def write(data: bytes) -> None:
            self._part.note(data)
            sink.write(data)

        return RowWriter(rows, write)

    # -- the work ---------------------------------------------------------------------------------------

    def _task(self) -> _Work:
        spec, plan, runtime = self._spec, self._plan, self._runtime
        pace = Pace(runtime.clock.now, runtime.remaining, careful=self._before.careful)
        if plan.sql:
            from ..mapreduce.sql.map import SqlMap  # only such jobs have DuckDB

            return SqlMap(runtime, plan, pace)
        bounds = decode_column(plan.bounds.shape, plan.bounds.body) if plan.bounds else ()
        cls = step_class(runtime.load_job, spec, plan.nth)
        job = bind(cls, plan.job, spec.params, bounds, self._services, identity=True)
        kind = MapOnlyTask if plan.map_only else MapTask
        return kind(
            job=job,
            sources=sources(runtime, spec),
            store=runtime.store,
            disk=runtime.disk,
            partitions=plan.partitions,
            budget=spec.budget("mapper"),
            pace=pace,
            quarantine=self._quarantine,
        )

    def _map(self, task: _Work, writer: RunWriter | RowWriter) -> Position | None:
        """Map what is left of the task's splits; where to go on, if time ran out."""
        (splits,) = read_tasks(self._store, self._keys, self._plan, self._call.lo, self._call.lo + 1)
        position = self._before.position
        rest = rest_of(splits, position) if position else list(splits)
        try:
            stopped = task.run(rest, writer)
        except SluiceError as error:
            error.add_note(f"run {self._plan.run}")
            raise
        return replace(stopped, split=stopped.split + len(splits) - len(rest)) if stopped else None

    # -- what is left to others ----------------------------------------------------------------------

    def _more_careful(self) -> Continuation:
        """Once more from the same place, a record at a time, to find the one that takes too long."""
        if self._before.careful:
            raise UserError(
                f"job {self._plan.job}: mapper_init or mapper_final took longer than the function's time: raise"
                " timeout.mapper"
            )
        return replace(self._before, careful=True)

    def _go_on(self, following: Continuation) -> None:
        """Leave word and let a fresh invocation go on."""
        call = self._call
        if len(following.earlier) > _MAX_PIECES:
            raise UserError(
                f"job {self._keys.job}: map task {call.lo} ran out of time {len(following.earlier)} times: make"
                " split_size smaller or raise timeout.mapper"
            )
        loc = self._keys.following("map", call.lo, call.attempt, self._token)
        self._store.put(loc, encode(following))
        calls.start(self._runtime, "map", replace(call, hi=call.lo + 1, hop=0, resume=loc.key))

    def _stats(self, task: _Work, pairs: int, size: int) -> Stats:
        return self._meter.stats(
            records_in=task.records,
            records_out=pairs,
            bytes_in=task.bytes,
            bytes_out=size,
            spilled=task.spilled,
        )

    def _marker(
        self,
        stats: Stats,
        *,
        run_file: str = "",
        offsets: tuple[int, ...] = (),
        key_types: tuple[str, ...] = (),
        part: Part | None = None,
    ) -> MapMarker:
        call = self._call
        return MapMarker(
            task=call.lo,
            attempt=call.attempt,
            token=self._token,
            run_file=run_file,
            offsets=offsets,
            earlier=() if part else self._before.earlier,
            bad=len(self._quarantine.records),
            quarantine=self._quarantine.write(self._store, self._keys, call.lo, call.attempt, self._token),
            key_types=key_types,
            part=part,
            stats=stats,
            started=self._started,
            finished=self._runtime.clock.now(),
            counters=self._services.counters.totals(),
        )


def _commit(runtime: Runtime, keys: RunKeys, body: MapMarker) -> None:
    """Create the marker; whoever comes second deletes what only it wrote."""
    marker = keys.done("map", body.task)
    if runtime.store.put_if_absent(marker, encode(body)):
        return
    winner = decode(MapMarker, runtime.store.get(marker), marker.url)
    runtime.store.delete(keys.work.bucket, sorted(_written(body) - _written(winner)))


def _late(runtime: Runtime, keys: RunKeys, call: TaskCall) -> None:
    """Another attempt was first: delete what earlier invocations of this one wrote, unless it is of both."""
    marker = keys.done("map", call.lo)
    winner = decode(MapMarker, runtime.store.get(marker), marker.url)
    ours = {piece.run_file for piece in _before(runtime, keys, call).earlier}
    runtime.store.delete(keys.work.bucket, sorted(ours - _written(winner)))


def _written(body: MapMarker) -> set[str]:
    """What an attempt left in the work place; its part, which is that of every attempt, is not its own."""
    return {body.run_file, body.quarantine, *(piece.run_file for piece in body.earlier)} - {""}
