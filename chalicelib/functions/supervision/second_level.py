"""A second level of shuffle: whether there is one, what its exchange tasks are, and the index over what they wrote.

`next_phase` does these things in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing

from msgspec.structs import replace

from ...core.errors import CorruptData, NotFound, RunStopped
from ...core.keys import RunKeys
from ...core.messages import Stats, decode, encode
from ...core.plan import Plan
from ...core.ports import Store
from ...core.tasks import (
    STOPPED,
    Exchanged,
    ExchangePlan,
    ExchangeSums,
    IndexBlock,
    MapMarker,
    Piece,
    ReducePlan,
)
from ...mapreduce.exchange import grid
from ...mapreduce.shuffle.fetch import fetch_all
from ...mapreduce.shuffle.index import BlockBuilder
from ...run.progress import Spent, wasted

#: Exchange tasks up to which their markers are read as fast as word of them.
_FEW = 512


def plan_exchange(plan: Plan, reduce_plan: ReducePlan) -> ExchangePlan:
    """The exchange phase over what one level would do; without tasks if that is better. A function of both plans."""
    from ...run.estimate import levels  # large runs alone need it
    from ...run.estimate.figures import FIGURES

    given = levels.Shuffled(
        tasks=plan.tasks,
        partitions=plan.partitions,
        reducers=len(reduce_plan.tasks),
        bytes=sum(task.bytes for task in reduce_plan.tasks),
    )
    if not reduce_plan.tasks or not levels.wanted(plan.spec, given, FIGURES):
        return ExchangePlan(reduce=reduce_plan)
    blocks = [block.rows for block in reduce_plan.index]
    rows, columns = grid.groups(sum(blocks), given.reducers, given.bytes, plan.own_spec.budget("reducer"))
    return ExchangePlan(
        rows=grid.rows(blocks, rows), columns=grid.columns(reduce_plan.tasks, columns), reduce=reduce_plan
    )


def plan_reduce(
    store: Store, keys: RunKeys, plan: Plan, exchange: ExchangePlan, tick: Callable[[], None]
) -> ReducePlan:
    """The reduce phase over the markers of all exchange tasks; writes their index, but not the plan.

    Like the plan over map tasks it is a function of markers, but for what other attempts used. `tick` is called between
    markers; it may raise, and what was done stays. Raises RunStopped if the run was.
    """
    index: list[IndexBlock] = []
    stats, ended, repeated = Stats(), exchange.reduce.map_finished, dict[int, int]()
    for sums in _all_sums(store, keys, exchange, tick):
        index += sums.blocks
        stats, ended = stats + sums.stats, max(ended, sums.finished)
        repeated |= sums.repeated
    spent = Spent(
        last=repeated,
        done=range(exchange.tasks),
        timeout=plan.spec.timeout.reducer,
        seconds=ended - exchange.reduce.map_finished,
    )
    exchanged = Exchanged(
        tasks=exchange.tasks,
        stats=stats,
        wasted=wasted(store, keys, "exchange", spent, tick),
        finished=ended,
    )
    return replace(exchange.reduce, index=tuple(index), exchanged=exchanged)


def _all_sums(
    store: Store, keys: RunKeys, exchange: ExchangePlan, tick: Callable[[], None]
) -> Iterator[ExchangeSums]:
    """The sums of each group of partitions; those of an earlier supervisor are not made again."""
    resumable, blocks = exchange.tasks > _FEW, 0
    there = resumable
    for column in range(len(exchange.columns)):
        tick()
        sums = _stored_sums(store, keys, column) if there else None
        if sums is None:
            there = False
            sums = _sums(store, keys, exchange, column, blocks, tick)
            if resumable:
                store.put(keys.sums(column, "exchange"), encode(sums))
        blocks += len(sums.blocks)
        yield sums


def _stored_sums(store: Store, keys: RunKeys, column: int) -> ExchangeSums | None:
    loc = keys.sums(column, "exchange")
    try:
        return decode(ExchangeSums, store.get(loc), loc.url)
    except NotFound:
        return None


def _sums(
    store: Store, keys: RunKeys, exchange: ExchangePlan, column: int, number: int, tick: Callable[[], None]
) -> ExchangeSums:
    """Add up the markers of one group of partitions, and write its blocks of the index, from block `number` on."""
    first, last = exchange.columns[column]
    builder, blocks = BlockBuilder(last - first), list[IndexBlock]()
    stats, ended, repeated = Stats(), 0.0, dict[int, int]()

    def write() -> None:
        block, body, _ = builder.build()
        store.put(keys.index_block(number + len(blocks), "exchange"), body)
        blocks.append(replace(block, first=first, last=last))

    with closing(_markers(store, keys, exchange, column)) as markers:
        for marker in markers:
            tick()
            for piece in (*marker.earlier, Piece(run_file=marker.run_file, offsets=marker.offsets)):
                if builder.full:
                    write()
                _add(builder, marker.task, piece)
            stats, ended = stats + marker.stats, max(ended, marker.finished)
            repeated |= {marker.task: marker.attempt} if marker.attempt else {}
    write()
    return ExchangeSums(blocks=tuple(blocks), stats=stats, repeated=repeated, finished=ended)


def _markers(store: Store, keys: RunKeys, exchange: ExchangePlan, column: int) -> Generator[MapMarker]:
    tasks = range(column * len(exchange.rows), (column + 1) * len(exchange.rows))
    locs = [keys.done("exchange", task) for task in tasks]
    bodies = fetch_all(store, ((loc, 0, None) for loc in locs))
    for task, loc, body in zip(tasks, locs, bodies, strict=True):
        marker = decode(MapMarker, body, loc.url)
        where = f"job {keys.job}, run {keys.run}"
        if marker.token == STOPPED:
            raise RunStopped(f"{where}: was stopped before exchange task {task} was done")
        if marker.task != task:
            raise CorruptData(f"{where}: the marker of exchange task {task} is of {marker.task}")
        yield marker


def _add(builder: BlockBuilder, task: int, piece: Piece) -> None:
    try:
        builder.add(piece.run_file, piece.offsets)
    except CorruptData as error:
        raise CorruptData(f"exchange task {task}: {piece.run_file} in its marker: {error}") from error
