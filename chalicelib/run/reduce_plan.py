"""Between the phases: from the map markers to reduce tasks, and the index that tells each what to fetch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from ..core.errors import CorruptData, DataTypeError, UserError
from ..core.keys import RunKeys
from ..core.messages import UNDECODABLE, Stats, Wasted, decode, sum_counters
from ..core.plan import Plan
from ..core.ports import Loc, Store
from ..core.tasks import MapMarker, Piece, ReducePlan, ReduceTask, Slice
from ..mapreduce.guard.quarantine import over_limit
from ..mapreduce.shuffle.fetch import fetch_all
from ..mapreduce.shuffle.partitions import pack_partitions
from .progress import Spent, wasted

#: Bytes of shuffled data that are not worth a reduce task of their own.
SMALLEST_SHARE = 1 << 18
_encode = msgspec.msgpack.Encoder().encode
_slices = msgspec.msgpack.Decoder(list[Slice])


def read_map_markers(store: Store, keys: RunKeys, plan: Plan) -> list[MapMarker]:
    """All markers of the map phase, in task order."""
    locs = [keys.done("map", task) for task in range(plan.tasks)]
    bodies = fetch_all(store, ((loc, 0, None) for loc in locs))
    return [decode(MapMarker, body, loc.url) for loc, body in zip(locs, bodies, strict=True)]


def build_reduce_plan(
    plan: Plan, markers: Sequence[MapMarker], beside: Wasted | None = None
) -> tuple[ReducePlan, bytes]:
    """(reduce plan, index): a pure function of the markers, so that two supervisors write the same.

    But for `beside`, what other attempts used: it is told and changes nothing.

    The index holds one msgpack list of `Slice` for each reduce task, so that a reducer reads only its
    own. A run without map tasks has no reduce tasks; any other has one at least. Raises DataTypeError
    if keys of two types were written.
    """
    _check_key_types(plan, markers)
    _check_bad_records(plan, markers)
    if plan.map_only:
        return _summary(plan, markers, (), beside), b""
    pieces = [piece for marker in markers for piece in _pieces(plan, marker)]
    sizes = [sum(s.offsets[p + 1] - s.offsets[p] for s in pieces) for p in range(plan.partitions)]
    share = max(-(-sum(sizes) // plan.reducers), SMALLEST_SHARE)
    ranges = pack_partitions(sizes, min(plan.spec.reduce_size, share), _most(plan, share)) if markers else []
    tasks: list[ReduceTask] = []
    index = bytearray()
    for first, last in ranges:
        begin = len(index)
        index += _encode(_slices_of(pieces, first, last))
        tasks.append(
            ReduceTask(
                first=first, last=last, bytes=sum(sizes[first:last]), index_start=begin, index_stop=len(index)
            )
        )
    return _summary(plan, markers, tuple(tasks), beside), bytes(index)


def _most(plan: Plan, share: int) -> int | None:
    """At most so many reduce tasks; one for what is to be one file."""
    most = 1 if plan.own_spec.output.one_file else plan.spec.reducers
    if share > plan.spec.reduce_size:
        return most
    # As many as are wanted, about even: a small one more, for which all others wait, would be too many.
    return min(plan.reducers, most or plan.reducers)


def map_wasted(store: Store, keys: RunKeys, plan: Plan, markers: Sequence[MapMarker]) -> Wasted:
    """What the map phase used beside what its markers tell."""
    ended = max((marker.finished for marker in markers), default=plan.created)
    spent = Spent(
        last={marker.task: marker.attempt for marker in markers},
        done=frozenset(marker.task for marker in markers),
        timeout=plan.spec.timeout.mapper,
        seconds=max(0.0, ended - plan.created),
    )
    return wasted(store, keys, "map", spent)


def _summary(
    plan: Plan, markers: Sequence[MapMarker], tasks: tuple[ReduceTask, ...], beside: Wasted | None
) -> ReducePlan:
    return ReducePlan(
        tasks=tasks,
        parts=tuple(marker.part for marker in markers if marker.part),
        mapped=sum((marker.stats for marker in markers), Stats()),
        counters=sum_counters(*(marker.counters for marker in markers)),
        bad=sum(marker.bad for marker in markers),
        quarantine=tuple(marker.quarantine for marker in markers if marker.quarantine),
        wasted=beside or Wasted(),
        map_started=min((marker.started for marker in markers), default=plan.created),
        map_finished=max((marker.finished for marker in markers), default=plan.created),
    )


def read_slices(store: Store, keys: RunKeys, task: ReduceTask) -> list[Slice]:
    """A reduce task's slice of the index, run files in map task order."""
    body = store.get(keys.reduce_index, task.index_start, task.index_stop)
    try:
        return _slices.decode(body)
    except UNDECODABLE as error:
        raise CorruptData(f"{keys.reduce_index.url}: byte {task.index_start}: {error}") from error


def _pieces(plan: Plan, marker: MapMarker) -> Iterator[Piece]:
    """The run files of a task, in the order of its records."""
    for piece in (*marker.earlier, Piece(run_file=marker.run_file, offsets=marker.offsets)):
        if len(piece.offsets) != plan.partitions + 1:
            raise CorruptData(
                f"map task {marker.task}: expected {plan.partitions + 1} offsets of {piece.run_file} in its marker,"
                f" got {len(piece.offsets)}"
            )
        yield piece


def _slices_of(pieces: Sequence[Piece], first: int, last: int) -> list[Slice]:
    return [
        Slice(run_file=piece.run_file, offsets=piece.offsets[first : last + 1])
        for piece in pieces
        if piece.offsets[first] < piece.offsets[last]
    ]


def _check_key_types(plan: Plan, markers: Sequence[MapMarker]) -> None:
    """A task refuses keys of two types that meet in it; whether they meet must not depend on the splits."""
    first: dict[str, int] = {}
    for marker in markers:
        for name in marker.key_types:
            first.setdefault(name, marker.task)
    if len(first) > 1:
        listed = ", ".join(f"{name} (map task {task})" for name, task in first.items())
        raise DataTypeError(f"job {plan.job}: keys of one job must be of one type, got {listed}")


def _check_bad_records(plan: Plan, markers: Sequence[MapMarker]) -> None:
    bad = sum(marker.bad for marker in markers)
    records = sum(marker.stats.records_in for marker in markers)
    reason = over_limit(plan.spec.bad_records, bad, records)
    if reason:
        listed = ", ".join(
            Loc(plan.work.bucket, marker.quarantine).url for marker in markers if marker.quarantine
        )
        raise UserError(f"job {plan.job}: {reason}; they are listed in {listed}")
