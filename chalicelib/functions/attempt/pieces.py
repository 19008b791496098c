"""The life of an attempt that may run out of time: at once, or in pieces by one invocation after another.

    at once ──────────────────────────────────────────────▶ marker
       │ out of time: leave word, start a fresh invocation
       ▼
     piece ──▶ piece ──▶ ... ──▶ last piece ──▶ join ─────▶ marker

Every arrow between pieces is a word, a `.next` object that says where to go on, and a call that names it. An attempt
that writes a part tries to do so at once, and begins again if it cannot: the usual one then pays nothing for the
possibility. A task that writes a run file has pieces only, often a single one: its marker names them all, so there is
nothing to join. What outlasts the alarm leaves no piece; the next invocation goes on from the same place, carefully.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from msgspec.structs import replace

from ...core.errors import CorruptData, UserError
from ...core.keys import Phase
from ...core.messages import Stats, encode
from ...core.ports import Loc
from ...core.tasks import Continuation, MapMarker, Part, ReduceContinuation, ReduceMarker
from ...mapreduce.guard.deadline import StepTooLong
from ...mapreduce.output.compressed import Counted
from ...run import calls
from .invocation import C, Invocation

if TYPE_CHECKING:
    from ...mapreduce.output.commit_part import PartFile  # few mappers write parts

M_co = TypeVar("M_co", bound=MapMarker | ReduceMarker, covariant=True)
Write = Callable[[bytes], object]

#: Invocations of one attempt before it is taken for endless.
MAX_PIECES = 1000
#: What makes a task smaller, for whoever has one that is.
_TASK_SIZE: dict[Phase, str] = {"map": "split_size", "exchange": "reduce_size", "reduce": "reduce_size"}


class Work(Protocol[M_co]):
    """What is the mapper's or the reducer's own in an attempt. One serves one invocation, and runs once at most.

    `run` comes first; `done` and `with_piece` tell of what it did, `marker` of the whole attempt.
    """

    @property
    def part(self) -> PartFile | None:
        """The part that the task writes; None if it writes run files."""

    @property
    def piece(self) -> Loc:
        """Where a piece goes that this invocation writes."""

    def run(self, write: Write, *, piece: bool) -> Any:
        """Do what earlier invocations left, and write the bytes of a piece or of the whole part.

        Gives the position to go on from if time ran out before the end, else None. Raises StepTooLong if
        the user's code outlasted the alarm, and then nothing that was written counts.
        """

    def done(self) -> Stats:
        """What `run` read, wrote and spilled: records in and out, bytes in, bytes on disk."""

    def with_piece(self) -> Continuation | ReduceContinuation:
        """What earlier invocations left, and the piece that `run` wrote."""

    def marker(self, stats: Stats, part: Part | None) -> M_co:
        """What commits the task: its part or, if it writes run files, `with_piece`."""

    def too_slow(self) -> UserError:
        """Why not even a careful invocation gets on."""

    def all_pieces(self) -> str:
        """The pieces of the attempt, for a message about them."""


def go_on(invocation: Invocation[C], work: Work[M_co]) -> M_co | None:
    """Do what this invocation can: the marker to commit or, if it has left word to a fresh one, None."""
    part = work.part
    if part and invocation.before.joining:
        return _join(invocation, work, part)
    if part and not invocation.call.resume:
        return _at_once(invocation, work, part)
    return _piece(invocation, work)


def _at_once(invocation: Invocation[C], work: Work[M_co], part: PartFile) -> M_co | None:
    """The whole part, or the beginning of another way to do it."""
    made = None
    with suppress(StepTooLong), part.open() as sink:
        if work.run(sink.write, piece=False) is None:
            made = sink.publish(work.done().records_out)
    if made is None:
        _leave_word(invocation, invocation.before)
        return None
    stats = replace(work.done(), records_out=made.records, bytes_out=made.bytes)
    return work.marker(invocation.meter.stats(stats), made)


def _piece(invocation: Invocation[C], work: Work[M_co]) -> M_co | None:
    """As much as there is time for. The last run file commits; the last piece of a part is followed by the join."""
    before = invocation.before
    try:
        with Counted(invocation.runtime.store.writer(work.piece)) as sink:
            stopped = work.run(sink.write, piece=True)
            sink.commit()
    except StepTooLong:
        if before.careful:
            raise work.too_slow() from None
        _leave_word(invocation, replace(before, careful=True))
        return None
    stats = before.stats + invocation.meter.stats(replace(work.done(), bytes_out=sink.size))
    if stopped is None and work.part is None:
        return work.marker(stats, None)
    following = replace(
        work.with_piece(),
        position=stopped or before.position,
        joining=stopped is None,
        bad=tuple(invocation.quarantine.records),
        counters=invocation.services.counters.totals(),
        stats=stats,
    )
    _leave_word(invocation, following)
    return None


def _join(invocation: Invocation[C], work: Work[M_co], part: PartFile) -> M_co:
    """All pieces as the part."""
    stats = invocation.before.stats
    with part.open() as sink:
        for data in part.joined(_stored(invocation, work)):
            sink.write(data)
        made = sink.publish(stats.records_out)
    return work.marker(stats, made)


def _stored(invocation: Invocation[C], work: Work[M_co]) -> Iterator[bytes]:
    """What the pieces hold, in order. Raises CorruptData behind the last for other than the bytes that were written."""
    before, size = invocation.before, 0
    for key in before.work_objects:
        for chunk in invocation.runtime.store.stream(Loc(invocation.keys.work.bucket, key)):
            size += len(chunk)
            yield chunk
    if size != before.stats.bytes_out:
        raise CorruptData(f"{work.all_pieces()}: {size} bytes in all, expected {before.stats.bytes_out}")


def _leave_word(invocation: Invocation[C], following: Continuation | ReduceContinuation) -> None:
    """Say where to go on, and start a fresh invocation that does. In this order: the call names the word."""
    runtime, keys, call, phase = invocation.runtime, invocation.keys, invocation.call, invocation.phase
    pieces = len(following.work_objects)
    if pieces > MAX_PIECES:
        raise UserError(
            f"job {keys.job}: {phase} task {call.lo} ran out of time {pieces} times: make {_TASK_SIZE[phase]}"
            f" smaller or raise timeout.{calls.FUNCTION[phase]}"
        )
    word = keys.continuation(phase, call.lo, call.attempt, invocation.token)
    runtime.store.put(word, encode(following))
    calls.start(runtime, phase, calls.resumed(call, word))
