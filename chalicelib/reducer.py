"""The reduce function: start the sub-trees, reduce one task into a part, commit; the last one ends the run.

An attempt writes its part straight to the output. One that runs out of time starts over in pieces, which lie
in the work place until all are there; the last invocation joins them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from msgspec.structs import replace

from . import attempts, finish
from .completion import Progress, scan
from .errors import UserError
from .job import bind
from .keys import OutputKeys, RunKeys
from .model import (
    Plan,
    ReduceContinuation,
    ReduceMarker,
    ReducePlan,
    ReducePosition,
    ReduceTask,
    Slice,
    Stats,
    TaskCall,
    Verdict,
    decode,
    encode,
)
from .pace import Pace, StepTooLong
from .plan import read_head
from .ports import Loc, ObjectWriter, Runtime
from .reducing import ReducePart
from .shuffle import read_slices
from .writing import FORMATS

#: Invocations of one attempt before it is taken for endless.
_MAX_PIECES = 1000


def handle(runtime: Runtime, payload: dict[str, Any]) -> None:
    """One invocation: a `TaskCall` for reduce tasks `[lo, hi)`, of which this one does `lo`."""
    attempts.serve(runtime, "reduce", payload, _attempt)


def _attempt(runtime: Runtime, keys: RunKeys, call: TaskCall) -> None:
    plan = read_head(runtime.store, keys)
    reduce_plan = decode(ReducePlan, runtime.store.get(keys.reduce_plan), keys.reduce_plan.url)
    body = _Attempt(runtime, keys, call, plan, reduce_plan.tasks[call.lo]).run()
    if body is None:
        return
    runtime.store.put_if_absent(keys.done("reduce", call.lo), encode(body))
    _finish_if_last(runtime, keys, plan, len(reduce_plan.tasks))


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
        self._meter = attempts.Meter(runtime)
        self._token = runtime.new_token()
        self._part = OutputKeys(plan.output).part(call.lo, plan.spec.output.format)
        self._size = 0

    def run(self) -> ReduceMarker | None:
        if not self._call.resume:
            return self._at_once()
        loc = Loc(self._keys.work.bucket, self._call.resume)
        before = decode(ReduceContinuation, self._store.get(loc), loc.url)
        if before.joining:
            return self._join(before)
        self._next_piece(before)
        return None

    def _at_once(self) -> ReduceMarker | None:
        """The whole part in one invocation, or the beginning of another way to do it."""
        work = self._work(careful=False)
        with self._store.writer(self._part, if_absent=True) as sink:
            try:
                stopped = self._run(work, sink, None)
            except StepTooLong:
                stopped = ReducePosition(partition=0)
            if stopped is None:
                work.records = self._publish(sink, work.records)
        if stopped is not None:
            self._go_on(ReduceContinuation(stats=Stats(), started=self._meter.started))
            return None
        return self._marker(self._stats(work), work.records, self._meter.started)

    def _next_piece(self, before: ReduceContinuation) -> None:
        work = self._work(before.careful)
        piece = self._keys.piece(self._call.lo, self._call.attempt, self._token)
        with self._store.writer(piece) as sink:
            try:
                stopped = self._run(work, sink, before.position)
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
                stats=before.stats + self._stats(work),
            )
        )

    def _join(self, before: ReduceContinuation) -> ReduceMarker:
        with self._store.writer(self._part, if_absent=True) as sink:
            for chunk in self._pieces(before):
                self._size += len(chunk)
                sink.write(chunk)
            records = self._publish(sink, before.records)
        return self._marker(before.stats, records, before.started)

    def _pieces(self, before: ReduceContinuation) -> Iterator[bytes]:
        for key in before.pieces:
            yield from self._store.stream(Loc(self._keys.work.bucket, key))

    def _work(self, careful: bool) -> _Work:
        spec = self._plan.spec
        pace = Pace(self._runtime.clock.now, self._runtime.remaining, careful=careful)
        if self._plan.sql:
            from .sql.reducing import SqlReduce  # only such jobs have DuckDB

            return SqlReduce(self._runtime, self._plan, self._keys.work.bucket, pace)
        job = bind(self._runtime.load_job(spec.job), self._plan.job, spec.params)
        budget, scratch = spec.budget("reducer"), self._runtime.scratch
        return ReducePart(job, self._store, self._keys.work.bucket, budget, scratch, pace)

    def _run(self, work: _Work, sink: ObjectWriter, after: ReducePosition | None) -> ReducePosition | None:
        def write(data: bytes) -> None:
            self._size += len(data)
            sink.write(data)

        slices = read_slices(self._store, self._keys, self._task)
        rows = FORMATS.get(self._plan.spec.output.format)
        return work.run(self._task, slices, rows, write, after)

    def _publish(self, sink: ObjectWriter, records: int) -> int:
        """Commit the part; how many records the part that is there has.

        An earlier attempt's part is complete and stays; ours is the same bytes unless the user's code is
        not a function of its input, and then the marker must speak of what is there.
        """
        if sink.commit():
            return records
        there = self._store.head(self._part).size
        if there == self._size:
            return records
        self._size = there
        if self._plan.spec.output.format == "parquet":
            return records
        return sum(chunk.count(b"\n") for chunk in self._store.stream(self._part))

    def _more_careful(self, before: ReduceContinuation, work: _Work) -> ReduceContinuation:
        """Once more from the same place, with half of the time for one group."""
        if before.careful:
            raise UserError(
                f"job {self._keys.job}: reducer, at key {work.current!r}: this group alone took longer than half"
                " the function's time: raise timeout.reducer"
            )
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
        attempts.start(self._runtime, "reduce", replace(call, hi=call.lo + 1, hop=0, resume=loc.key))

    def _stats(self, work: _Work) -> Stats:
        return self._meter.stats(
            records_in=work.pairs_in,
            records_out=work.records,
            bytes_in=work.bytes_in,
            bytes_out=self._size,
            spilled=work.spilled,
        )

    def _marker(self, stats: Stats, records: int, started: float) -> ReduceMarker:
        return ReduceMarker(
            task=self._call.lo,
            attempt=self._call.attempt,
            token=self._token,
            part=self._part.key,
            bytes=self._size,
            records=records,
            stats=stats,
            started=started,
            finished=self._runtime.clock.now(),
        )


def _finish_if_last(runtime: Runtime, keys: RunKeys, plan: Plan, tasks: int) -> None:
    """Our own marker may be the last: whoever counts R of R after it ends the run."""
    progress = Progress("reduce", tasks)
    scan(runtime.store, keys, progress)
    if progress.complete:
        finish.conclude(runtime, keys, plan, Verdict(outcome="success"))
