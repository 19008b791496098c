"""An exchange task, which the reduce function does: one run file of those of some map tasks and some partitions.

Between map and reduce, in runs whose shuffle has two levels. Its marker is that of a map task, and calls a supervisor.
"""

from __future__ import annotations

from msgspec.structs import replace

from ..core.errors import UserError
from ..core.keys import RunKeys
from ..core.messages import Stats, decode
from ..core.plan import Plan
from ..core.plan_file import read_head
from ..core.ports import Runtime
from ..core.tasks import Continuation, ExchangePlan, MapMarker, Part, Piece, Position, TaskCall
from ..mapreduce.exchange.task import ExchangeTask, SomeRows
from ..mapreduce.shuffle.fetch import share_of_reads
from ..mapreduce.shuffle.index import StoredSlices
from ..mapreduce.shuffle.offsets import pack
from ..mapreduce.shuffle.run_file import RunWriter
from .attempt import pieces
from .attempt.commit_marker import commit
from .attempt.invocation import Invocation, begin


def attempt(runtime: Runtime, keys: RunKeys, call: TaskCall) -> None:
    """One attempt at an exchange task, or at what an earlier invocation of it has left."""
    plan = read_head(runtime.store, keys)
    keys = plan.keys(keys)
    exchange = decode(ExchangePlan, runtime.store.get(keys.exchange_plan), keys.exchange_plan.url)
    invocation = begin(runtime, Continuation, "exchange", keys, call, plan)
    marker = pieces.go_on(invocation, ExchangeWork(invocation, exchange))
    if marker:
        commit(invocation, marker)


class ExchangeWork:
    """A `pieces.Work`: the partitions of one task, from the run files of its group."""

    part = None

    def __init__(self, invocation: Invocation[Continuation], exchange: ExchangePlan) -> None:
        self._invocation, self._exchange = invocation, exchange
        runtime, call, plan = invocation.runtime, invocation.call, invocation.plan
        self.piece = invocation.keys.run_file(call.lo, call.attempt, invocation.token, "exchange")
        self._task = ExchangeTask(
            store=runtime.store,
            work_bucket=invocation.keys.work.bucket,
            budget=plan.own_spec.budget("reducer"),
            pace=invocation.pace(),
            end=_end(plan),
        )
        self._offsets: tuple[int, ...]

    def run(self, write: pieces.Write, *, piece: bool) -> Position | None:  # noqa: ARG002 - all are pieces
        keys, group = self._invocation.keys, self._exchange.task(self._invocation.call.lo)
        rows, (first, last) = group
        head = self._exchange.reduce.index[rows.block]
        block = StoredSlices(
            self._invocation.runtime.store, [(keys.index_block(rows.block), head)], first, last
        )
        writer = RunWriter(write, last - first)
        slices = SomeRows(block, rows, share_of_reads(self._exchange.tasks))
        stopped = self._task.run(slices, last - first, writer, self._invocation.before.position)
        self._offsets = writer.finish()
        return stopped

    # -- what is told of it -------------------------------------------------------------------------

    def done(self) -> Stats:
        return Stats(bytes_in=self._task.bytes_in)

    def with_piece(self) -> Continuation:
        before = self._invocation.before
        return replace(
            before, earlier=(*before.earlier, Piece(run_file=self.piece.key, offsets=pack(self._offsets)))
        )

    def marker(self, stats: Stats, part: Part | None) -> MapMarker:  # noqa: ARG002 - there is none
        *earlier, last = self.with_piece().earlier
        return MapMarker(
            **self._invocation.marker_fields(),
            stats=stats,
            run_file=last.run_file,
            offsets=last.offsets,
            earlier=tuple(earlier),
        )

    def too_slow(self) -> UserError:
        raise NotImplementedError("no code of a job's runs in here, and so no alarm")

    def all_pieces(self) -> str:
        return f"pieces of exchange task {self._invocation.call.lo}"


def _end(plan: Plan) -> bytes:
    """What goes behind the frames of a run file: a partition of a job in SQL is a file of its own in each of them."""
    if not plan.sql:
        return b""
    from ..mapreduce.sql.partition_file import END

    return END
