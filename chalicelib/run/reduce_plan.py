"""Between the phases: from the map markers to reduce tasks, and the index that tells each what to fetch.

Markers are read once, in task order, and none is kept: what they say is added up, and their offsets go to the index
block by block. With each block its sums are stored, so that whoever comes after a crash goes on behind them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Container, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import pairwise

import msgspec
from msgspec import Struct, field

from ..core.errors import CorruptData, DataTypeError, NotFound, RunStopped, UserError
from ..core.keys import Phase, RunKeys
from ..core.messages import UNDECODABLE, Stats, Wasted, decode, encode, sum_counters
from ..core.plan import LeftOut, Plan
from ..core.ports import Loc, Store
from ..core.tasks import STOPPED, MapMarker, MapSums, Part, Piece, ReducePlan, ReduceTask, Slice
from ..mapreduce.exchange.partitions import pack_partitions
from ..mapreduce.guard.quarantine import over_limit
from ..mapreduce.shuffle.fetch import fetch_all, share_of_reads
from ..mapreduce.shuffle.index import BLOCK_ROWS, BlockBuilder, Slices, StoredSlices
from .progress import Spent, wasted

#: Bytes of shuffled data that are not worth a reduce task of their own.
SMALLEST_SHARE = 1 << 18
_slices = msgspec.msgpack.Decoder(list[Slice])


def plan_reduce(
    store: Store,
    keys: RunKeys,
    plan: Plan,
    tick: Callable[[], None] = lambda: None,
    beside: Wasted | None = None,
) -> ReducePlan:
    """The reduce phase over the markers of all map tasks; writes the shuffle index, but not the plan.

    A pure function of the markers, so that two supervisors write the same; but for what other attempts used, which is
    told and changes nothing (`beside`, if that is known already). `tick` is called between markers; it may raise, and
    what was done stays. A run without map tasks has no reduce tasks; any other has one at least. Raises DataTypeError
    if keys of two types were written, UserError for too many bad records or failed tasks, RunStopped if the run was.
    """
    sums = list(_all_sums(store, keys, plan, tick))
    _check_key_types(plan, sums)
    _check_bad_records(plan, sums)
    _check_left_out(plan, sums)
    tasks = () if plan.map_only or not plan.tasks else _reduce_tasks(plan, _partition_sizes(plan, sums))
    beside = _wasted(store, keys, plan, sums, tick) if beside is None else beside
    return _summary(plan, sums, tasks, beside)


def read_map_markers(store: Store, keys: RunKeys, plan: Plan, first: int = 0) -> Generator[MapMarker]:
    """The markers of the map phase from task `first` on, in task order."""
    locs = (keys.done("map", task) for task in range(first, plan.tasks))
    bodies = fetch_all(store, ((loc, 0, None) for loc in locs))
    for task, body in enumerate(bodies, first):
        yield decode(MapMarker, body, keys.done("map", task).url)


def read_slices(store: Store, keys: RunKeys, reduce_plan: ReducePlan, task: ReduceTask) -> Slices:
    """A reduce task's slice of the index, run files in map task order."""
    if reduce_plan.index:
        slices: Slices = _stored_slices(store, keys, reduce_plan, task)
    else:
        slices = _slices_of_old(store, keys, task)
    slices.reads = share_of_reads(len(reduce_plan.tasks))
    return slices


def _stored_slices(store: Store, keys: RunKeys, reduce_plan: ReducePlan, task: ReduceTask) -> StoredSlices:
    """From all blocks of the index or, with two levels, from those of the task's group of partitions."""
    phase: Phase = "exchange" if reduce_plan.exchanged else "reduce"
    blocks = [
        (keys.index_block(number, phase), block)
        for number, block in enumerate(reduce_plan.index)
        if not block.last or block.first <= task.first < block.last
    ]
    if reduce_plan.exchanged and not blocks:
        raise CorruptData(f"{keys.reduce_plan.url}: expected a block of the index for partition {task.first}")
    before = blocks[0][1].first if blocks else 0
    return StoredSlices(store, blocks, task.first - before, task.last - before)


def _slices_of_old(store: Store, keys: RunKeys, task: ReduceTask) -> Slices:
    """From the index of an earlier version: a msgpack list of `Slice` for each reduce task."""
    body = store.get(keys.reduce_index, task.index_start, task.index_stop)
    try:
        return Slices.of(_slices.decode(body))
    except (*UNDECODABLE, ValueError) as error:
        raise CorruptData(f"{keys.reduce_index.url}: byte {task.index_start}: {error}") from error


# -- the markers, added up --------------------------------------------------------------------------------


def _all_sums(store: Store, keys: RunKeys, plan: Plan, tick: Callable[[], None]) -> Iterator[MapSums]:
    """The sums of all map tasks, some thousand at a time; those of an earlier supervisor are not made again."""
    number, done = 0, 0
    resumable = plan.tasks > BLOCK_ROWS // 8  # fewer are read as fast as word of them
    while resumable and done < plan.tasks and (found := _stored_sums(store, keys, number)):
        tick()
        yield found
        number, done = number + 1, found.stop
    with closing(read_map_markers(store, keys, plan, done)) as markers:
        for made, body in _blocks(plan, markers, done, tick):
            if made.block:
                store.put(keys.index_block(number), body)
            body = b""  # not two blocks in memory
            if resumable and made.stop < plan.tasks:
                store.put(keys.sums(number), encode(made))
            yield made
            number += 1


def _blocks(
    plan: Plan, markers: Iterable[MapMarker], first: int, tick: Callable[[], None]
) -> Iterator[tuple[MapSums, bytes]]:
    """The sums of so many markers, from task `first` on, as fill a block of the index, and that block's bytes."""
    adder = _Adder(plan)
    for task, marker in enumerate(markers, first):
        tick()
        if marker.token == STOPPED:
            raise RunStopped(f"job {plan.job}, run {plan.run}: was stopped before map task {task} was done")
        if marker.task != task:
            raise CorruptData(
                f"job {plan.job}, run {plan.run}: the marker of map task {task} is of {marker.task}"
            )
        adder.add(marker)
        if adder.full or adder.stop == plan.tasks:
            yield adder.sums()
            adder = _Adder(plan)


def _stored_sums(store: Store, keys: RunKeys, number: int) -> MapSums | None:
    loc = keys.sums(number)
    try:
        return decode(MapSums, store.get(loc), loc.url)
    except NotFound:
        return None


class _Adder(Struct, dict=True):
    """Adds up markers in task order, until a block of the index is full of their run files."""

    plan: Plan
    stop: int = 0
    stats: Stats = field(default_factory=Stats)
    counters: dict[str, int] = field(default_factory=dict)
    bad: int = 0
    quarantine: list[str] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    key_types: dict[str, int] = field(default_factory=dict)
    repeated: dict[int, int] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)
    started: float = float("inf")
    finished: float = 0.0
    added: int = 0

    def __post_init__(self) -> None:
        self._block = BlockBuilder(self.plan.partitions)

    @property
    def full(self) -> bool:
        return self._block.full or self.added >= BLOCK_ROWS

    def add(self, marker: MapMarker) -> None:
        """Raises CorruptData if the marker's offsets are not of this plan."""
        self.stats += marker.stats
        self.counters = sum_counters(self.counters, marker.counters) if marker.counters else self.counters
        self.bad += marker.bad
        self.quarantine += [marker.quarantine] if marker.quarantine else []
        self.parts += [marker.part] if marker.part else []
        for name in marker.key_types:
            self.key_types.setdefault(name, marker.task)
        if marker.attempt:
            self.repeated[marker.task] = marker.attempt
        self.started, self.finished = min(self.started, marker.started), max(self.finished, marker.finished)
        self.stop, self.added = marker.task + 1, self.added + 1
        if marker.left_out:
            self.left_out.append(marker.left_out)
        elif not self.plan.map_only:
            self._add_run_files(marker)

    def _add_run_files(self, marker: MapMarker) -> None:
        """The run files of a task, in the order of its records."""
        for piece in (*marker.earlier, Piece(run_file=marker.run_file, offsets=marker.offsets)):
            try:
                self._block.add(piece.run_file, piece.offsets)
            except CorruptData as error:
                raise CorruptData(
                    f"map task {marker.task}: {piece.run_file} in its marker: {error}"
                ) from error

    def sums(self) -> tuple[MapSums, bytes]:
        """What was added, and its block of the index."""
        block, body, columns = self._block.build() if len(self._block) else (None, b"", [])
        made = MapSums(
            stop=self.stop,
            block=block,
            columns=struct.pack(f"<{len(columns)}Q", *columns),
            stats=self.stats,
            counters=self.counters,
            bad=self.bad,
            quarantine=tuple(self.quarantine),
            parts=tuple(self.parts),
            key_types=self.key_types,
            repeated=self.repeated,
            left_out=tuple(self.left_out),
            started=self.started,
            finished=self.finished,
        )
        return made, body


# -- what they come to ------------------------------------------------------------------------------------


def _partition_sizes(plan: Plan, sums: Sequence[MapSums]) -> list[int]:
    """Bytes of each partition in all run files."""
    totals = [0] * (plan.partitions + 1)
    for some in sums:
        try:
            columns = struct.unpack(f"<{plan.partitions + 1}Q", some.columns)
        except struct.error as error:
            raise CorruptData(
                f"job {plan.job}, run {plan.run}: sums up to map task {some.stop}: {error}"
            ) from error
        totals = [total + column for total, column in zip(totals, columns, strict=True)]
    return [stop - start for start, stop in pairwise(totals)]


def _reduce_tasks(plan: Plan, sizes: list[int]) -> tuple[ReduceTask, ...]:
    share = max(-(-sum(sizes) // plan.reducers), SMALLEST_SHARE)
    ranges = pack_partitions(sizes, min(plan.spec.reduce_size, share), _most(plan, share))
    return tuple(ReduceTask(first=first, last=last, bytes=sum(sizes[first:last])) for first, last in ranges)


def _most(plan: Plan, share: int) -> int | None:
    """At most so many reduce tasks; one for what is to be one file."""
    most = 1 if plan.own_spec.output.one_file else plan.spec.reducers
    if share > plan.spec.reduce_size:
        return most
    # As many as are wanted, about even: a small one more, for which all others wait, would be too many.
    return min(plan.reducers, most or plan.reducers)


def _wasted(
    store: Store, keys: RunKeys, plan: Plan, sums: Sequence[MapSums], tick: Callable[[], None]
) -> Wasted:
    """What the map phase used beside what its markers tell."""
    ended = max((some.finished for some in sums), default=plan.created)
    spent = Spent(
        last={task: attempt for some in sums for task, attempt in some.repeated.items()},
        done=_But(range(plan.tasks), frozenset(one.task for some in sums for one in some.left_out)),
        timeout=plan.spec.timeout.mapper,
        seconds=max(0.0, ended - plan.created),
    )
    return wasted(store, keys, "map", spent, tick) if plan.tasks else Wasted()


class _But(Container[int]):
    """What is in the one and not in the other."""

    def __init__(self, all: Container[int], but: Container[int]) -> None:
        self._all, self._but = all, but

    def __contains__(self, task: object) -> bool:
        return task in self._all and task not in self._but


def _summary(
    plan: Plan, sums: Sequence[MapSums], tasks: tuple[ReduceTask, ...], beside: Wasted
) -> ReducePlan:
    return ReducePlan(
        tasks=tasks,
        index=tuple(some.block for some in sums if some.block),
        parts=tuple(part for some in sums for part in some.parts),
        mapped=sum((some.stats for some in sums), Stats()),
        counters=sum_counters(*(some.counters for some in sums)),
        bad=sum(some.bad for some in sums),
        quarantine=_quarantined(sums),
        wasted=beside,
        left_out=tuple(one for some in sums for one in some.left_out),
        map_started=min((some.started for some in sums), default=plan.created),
        map_finished=max((some.finished for some in sums), default=plan.created),
    )


def _quarantined(sums: Sequence[MapSums]) -> tuple[str, ...]:
    return tuple(key for some in sums for key in some.quarantine)


def _check_key_types(plan: Plan, sums: Sequence[MapSums]) -> None:
    """A task refuses keys of two types that meet in it; whether they meet must not depend on the splits."""
    first: dict[str, int] = {}
    for some in sums:
        for name, task in some.key_types.items():
            first.setdefault(name, task)
    if len(first) > 1:
        listed = ", ".join(f"{name} (map task {task})" for name, task in first.items())
        raise DataTypeError(f"job {plan.job}: keys of one job must be of one type, got {listed}")


def _check_bad_records(plan: Plan, sums: Sequence[MapSums]) -> None:
    records = sum(some.stats.records_in for some in sums)
    reason = over_limit(plan.spec.bad_records, sum(some.bad for some in sums), records)
    if reason:
        listed = ", ".join(Loc(plan.work.bucket, key).url for key in _quarantined(sums))
        raise UserError(f"job {plan.job}: {reason}; they are listed in {listed}")


def _check_left_out(plan: Plan, sums: Sequence[MapSums]) -> None:
    """Whoever leaves a task out has seen how many there were; here all agree on how many there are."""
    left_out = [one for some in sums for one in some.left_out]
    if len(left_out) > plan.may_fail:
        raise UserError(
            f"{len(left_out)} of {plan.tasks} map tasks failed for good, and limits.failed_tasks allows"
            f" {plan.may_fail}; map task {left_out[0].task}: {left_out[0].message}"
        )
