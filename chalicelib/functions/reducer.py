"""The reduce function: start the sub-trees, reduce one task into a part, commit; the last one ends the run.

An attempt writes its part straight to the output. One that runs out of time starts over in pieces, which lie
in the work place until all are there; the last invocation joins them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from msgspec.structs import replace

from ..core.errors import CorruptData, UserError
from ..core.keys import OutputKeys, RunKeys
from ..core.messages import Stats, decode, encode
from ..core.outcome import Verdict
from ..core.plan import Plan, read_head
from ..core.ports import Loc, ObjectWriter, Runtime
from ..core.tasks import (
    Part,
    ReduceContinuation,
    ReduceMarker,
    ReducePlan,
    ReducePosition,
    ReduceTask,
    Slice,
    TaskCall,
)
from ..job.binding import bind
from ..job.order_by import Ordered
from ..job.steps import step_class
from ..mapreduce.guard.deadline import Pace, StepTooLong
from ..mapreduce.guard.quarantine import Quarantine
from ..mapreduce.output.part import part_file
from ..mapreduce.output.text import Rows
from ..mapreduce.reduce.bad_groups import TOO_SLOW
from ..mapreduce.reduce.task import ReducePart
from ..run import calls, verdict
from ..run.progress import Progress, scan
from ..run.reduce_plan import read_slices
from . import attempt

#: Invocations of one attempt before it is taken for endless.
_MAX_PIECES = 1000


def handle(runtime: Runtime, payload: dict[str, Any]) -> None:
    """One invocation: a `TaskCall` for reduce tasks `[lo, hi)`, of which this one does `lo`."""
    attempt.serve(runtime, "reduce", payload, _attempt, _late)


def _attempt(runtime: Runtime, keys: RunKeys, call: TaskCall) -> None:
    plan = read_head(runtime.store, keys)
    reduce_plan = decode(ReducePlan, runtime.store.get(keys.reduce_plan), keys.reduce_plan.url)
    body = _Attempt(runtime, keys, call, plan, reduce_plan.tasks[call.lo]).run()
    if body is None:
        return
    marker = keys.done("reduce", call.lo)
    if not runtime.store.put_if_absent(marker, encode(body)):
        if body.quarantine:
            winner = decode(ReduceMarker, runtime.store.get(marker), marker.url)
            runtime.store.delete(keys.work.bucket, {body.quarantine} - {winner.quarantine})
        if call.resume:
            _late(runtime, keys, call)
    _finish_if_last(runtime, keys, plan, len(reduce_plan.tasks))


def _late(runtime: Runtime, keys: RunKeys, call: TaskCall) -> None:
    """Another attempt was first, and its part is whole: what earlier invocations of this one wrote may go."""
    loc = Loc(keys.work.bucket, call.resume)
    before = decode(ReduceContinuation, runtime.store.get(loc), loc.url)
    runtime.store.delete(keys.work.bucket, before.pieces)


class _Work(Protocol):
    """What does the work of one task, in Python or in SQL."""

    current: Any
    records: int
    pairs_in: int
    bytes_in: int
    spilled: int

    def run(
        self,
        task: ReduceTask,
        slices: Sequence[Slice],
        rows: Any,
        write: Callable[[bytes], object],
        after: ReducePosition | None,
    ) -> ReducePosition | None: ...


class _Attempt:
    """One invocation of one attempt; `run` gives the marker to commit, or nothing if another goes on."""

    def __init__(self, runtime: Runtime, keys: RunKeys, call: TaskCall, plan: Plan, task: ReduceTask) -> None:
        self._runtime = runtime
        self._store = runtime.store
        self._keys = keys
        self._call = call
        self._plan = plan
        self._task = task
        self._meter = attempt.Meter(runtime)
        self._token = runtime.new_token()
        place = OutputKeys(plan.results)
        self._spec = plan.own_spec
        self._part = part_file(runtime, plan, self._spec, place, call.lo)
        self._quarantine = Quarantine(self._spec.bad_records, "reduce")
        self._services = attempt.services(runtime, "reduce", plan, call, 0, {})

    def run(self) -> ReduceMarker | None:
        if not self._call.resume:
            return self._at_once()
        loc = Loc(self._keys.work.bucket, self._call.resume)
        before = decode(ReduceContinuation, self._store.get(loc), loc.url)
        self._quarantine.extend(before.bad)
        self._services = attempt.services(
            self._runtime, "reduce", self._plan, self._call, len(before.pieces), before.counters
        )
        if before.joining:
            return self._join(before)
        self._next_piece(before)
        return None

    def _at_once(self) -> ReduceMarker | None:
        """The whole part in one invocation, or the beginning of another way to do it."""
        work = self._work(careful=False)
        with self._part.open() as sink:
            try:
                stopped = self._run(work, sink, self._part.rows, None)
            except StepTooLong:
                stopped = ReducePosition(partition=0)
            part = None if stopped else self._part.publish(sink, work.records)
            work.records = part.records if part else work.records
        if part is None:
            self._go_on(ReduceContinuation(stats=Stats(), started=self._meter.started))
            return None
        return self._marker(self._stats(work), part, self._meter.started)

    def _next_piece(self, before: ReduceContinuation) -> None:
        work = self._work(before.careful, before.records)
        piece = self._keys.piece(self._call.lo, self._call.attempt, self._token)
        with self._store.writer(piece) as sink:
            try:
                stopped = self._run(work, sink, self._part.piece_rows, before.position)
            except StepTooLong:
                self._go_on(self._more_careful(before, work))
                return
            sink.commit()
        self._go_on(
            replace(
                before,
                position=stopped or before.position,
                pieces=(*before.pieces, piece.key),
                joining=stopped is None,
                records=before.records + work.records,
                bad=tuple(self._quarantine.records),
                counters=self._services.counters.totals(),
                stats=before.stats + self._stats(work),
            )
        )

    def _join(self, before: ReduceContinuation) -> ReduceMarker:
        with self._part.open() as sink:
            for data in self._part.joined(self._pieces(before)):
                sink.write(data)
            if self._part.size != before.stats.bytes_out:
                raise CorruptData(
                    f"{', '.join(before.pieces)}: {self._part.size} bytes in all, expected {before.stats.bytes_out}"
                )
            part = self._part.publish(sink, before.records)
        return self._marker(before.stats, part, before.started)

    def _pieces(self, before: ReduceContinuation) -> Iterator[bytes]:
        for key in before.pieces:
            yield from self._store.stream(Loc(self._keys.work.bucket, key))

    def _work(self, careful: bool, written: int = 0) -> _Work:
        """`written` records are in earlier pieces."""
        spec = self._spec
        pace = Pace(self._runtime.clock.now, self._runtime.remaining, careful=careful)
        if self._plan.sql:
            from ..mapreduce.sql.reduce import SqlReduce  # only such jobs have DuckDB

            return SqlReduce(self._runtime, self._plan, self._keys.work.bucket, pace)
        cls = step_class(self._runtime.load_job, spec, self._plan.nth)
        job = bind(cls, self._plan.job, spec.params, services=self._services, identity=True)
        if isinstance(job.job, Ordered):
            job.job.written = written
        return ReducePart(
            job=job,
            store=self._store,
            work_bucket=self._keys.work.bucket,
            disk=self._runtime.disk,
            budget=spec.budget("reducer"),
            pace=pace,
            quarantine=self._quarantine,
        )

    def _run(
        self, work: _Work, sink: ObjectWriter, rows: Rows, after: ReducePosition | None
    ) -> ReducePosition | None:
        def write(data: bytes) -> None:
            self._part.note(data)
            sink.write(data)

        slices = read_slices(self._store, self._keys, self._task)
        return work.run(self._task, slices, rows, write, after)

    def _more_careful(self, before: ReduceContinuation, work: _Work) -> ReduceContinuation:
        """Once more from the same place, with half of the time for one group."""
        if before.careful:
            raise UserError(f"job {self._keys.job}: reducer, at key {work.current!r}: {TOO_SLOW}")
        return replace(before, careful=True)

    def _go_on(self, following: ReduceContinuation) -> None:
        """Leave word and let a fresh invocation go on."""
        call = self._call
        if len(following.pieces) > _MAX_PIECES:
            raise UserError(
                f"job {self._keys.job}: reduce task {call.lo} ran out of time {len(following.pieces)} times: make"
                " reduce_size smaller or raise timeout.reducer"
            )
        loc = self._keys.following("reduce", call.lo, call.attempt, self._token)
        self._store.put(loc, encode(following))
        calls.start(self._runtime, "reduce", replace(call, hi=call.lo + 1, hop=0, resume=loc.key))

    def _stats(self, work: _Work) -> Stats:
        return self._meter.stats(
            records_in=work.pairs_in,
            records_out=work.records,
            bytes_in=work.bytes_in,
            bytes_out=self._part.size,
            spilled=work.spilled,
        )

    def _marker(self, stats: Stats, part: Part, started: float) -> ReduceMarker:
        return ReduceMarker(
            task=self._call.lo,
            attempt=self._call.attempt,
            token=self._token,
            part=part.key,
            bytes=part.bytes,
            records=part.records,
            edges=part.edges,
            folders=part.folders,
            bad=len(self._quarantine.records),
            quarantine=self._quarantine.write(
                self._store, self._keys, self._call.lo, self._call.attempt, self._token
            ),
            stats=stats,
            started=started,
            finished=self._runtime.clock.now(),
            counters=self._services.counters.totals(),
        )


def _finish_if_last(runtime: Runtime, keys: RunKeys, plan: Plan, tasks: int) -> None:
    """Our own marker may be the last: whoever counts R of R after it ends the run."""
    progress = Progress("reduce", tasks)
    scan(runtime.store, keys, progress)
    if progress.complete:
        verdict.conclude(runtime, keys, plan, Verdict(outcome="success"))
