"""A second level of shuffle: whether a run has one, what its exchange tasks are, and the index over what they wrote.

`next_phase` does these things in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from msgspec.structs import replace

from ...core.errors import CorruptData, RunStopped
from ...core.keys import RunKeys
from ...core.messages import Stats, decode
from ...core.plan import Plan
from ...core.ports import Runtime, Store
from ...core.spec import JobSpec
from ...core.tasks import STOPPED, Exchanged, ExchangePlan, IndexBlock, MapMarker, Piece, ReducePlan
from ...mapreduce.exchange import grid
from ...mapreduce.shuffle.fetch import fetch_all
from ...mapreduce.shuffle.index import BlockBuilder
from ...run.plan_step import MayExchange
from ...run.progress import Spent, wasted


def may_exchange(runtime: Runtime, spec: JobSpec) -> MayExchange:
    """For a plan: whether so many map tasks and partitions may come to have a second level."""
    return partial(_may, spec, waits=runtime.seats is not None)


def _may(spec: JobSpec, tasks: int, partitions: int, *, waits: bool) -> bool:
    if spec.shuffle.levels == "auto" and (not waits or tasks * partitions <= grid.FEW):
        return False  # the arithmetic is not even imported
    from ...run.estimate import levels
    from ...run.estimate.figures import FIGURES

    return levels.possible(spec, tasks, partitions, FIGURES)


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
    markers; it may raise. Raises RunStopped if the run was.
    """
    index: list[IndexBlock] = []
    told: list[MapMarker] = []
    for block, body in _blocks(exchange, _markers(store, keys, exchange, tick), told):
        store.put(keys.index_block(len(index), "exchange"), body)
        index.append(block)
    ended = max(marker.finished for marker in told)
    spent = Spent(
        last={marker.task: marker.attempt for marker in told if marker.attempt},
        done=range(exchange.tasks),
        timeout=plan.spec.timeout.reducer,
        seconds=max(0.0, ended - exchange.reduce.map_finished),
    )
    exchanged = Exchanged(
        tasks=exchange.tasks,
        stats=sum((marker.stats for marker in told), Stats()),
        wasted=wasted(store, keys, "exchange", spent, tick),
        finished=ended,
    )
    return replace(exchange.reduce, index=tuple(index), exchanged=exchanged)


def _markers(
    store: Store, keys: RunKeys, exchange: ExchangePlan, tick: Callable[[], None]
) -> Iterator[MapMarker]:
    locs = [keys.done("exchange", task) for task in range(exchange.tasks)]
    bodies = fetch_all(store, ((loc, 0, None) for loc in locs))
    for task, (loc, body) in enumerate(zip(locs, bodies, strict=True)):
        tick()
        marker = decode(MapMarker, body, loc.url)
        where = f"job {keys.job}, run {keys.run}"
        if marker.token == STOPPED:
            raise RunStopped(f"{where}: was stopped before exchange task {task} was done")
        if marker.task != task:
            raise CorruptData(f"{where}: the marker of exchange task {task} is of {marker.task}")
        yield marker


def _blocks(
    exchange: ExchangePlan, markers: Iterator[MapMarker], told: list[MapMarker]
) -> Iterator[tuple[IndexBlock, bytes]]:
    """A block of the index, or several, for each group of partitions; `told` gets what markers tell beside offsets."""
    for first, last in exchange.columns:
        builder = BlockBuilder(last - first)
        for _ in exchange.rows:
            marker = next(markers)
            for piece in (*marker.earlier, Piece(run_file=marker.run_file, offsets=marker.offsets)):
                if builder.full:
                    yield _built(builder, first, last)
                _add(builder, marker.task, piece)
            told.append(replace(marker, offsets=b"", earlier=()))
        yield _built(builder, first, last)


def _add(builder: BlockBuilder, task: int, piece: Piece) -> None:
    try:
        builder.add(piece.run_file, piece.offsets)
    except CorruptData as error:
        raise CorruptData(f"exchange task {task}: {piece.run_file} in its marker: {error}") from error


def _built(builder: BlockBuilder, first: int, last: int) -> tuple[IndexBlock, bytes]:
    block, body, _ = builder.build()
    return replace(block, first=first, last=last), body
