"""One reduce attempt's work: slices of run files to one sorted part. No protocol in here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .aggregators import Aggregator
from .blame import explain
from .collect import reduce_collector
from .errors import DataTypeError, JobCodeError, SluiceError
from .fetch import fetch_all
from .job import BoundJob, GroupFunction
from .merge import groups
from .model import ReduceTask, Slice
from .order import check_keys
from .ports import Loc, Store
from .runfile import BLOCK_PAIRS, Block, read_blocks
from .spill import Spiller, fold_states
from .writing import Rows

Pair = tuple[Any, Any]

#: The part of the budget that fetched, still packed slices may take.
_PACKED_SHARE = 8


class ReducePart:
    """Merges the slices of one reduce task, reduces each group and writes the rows.

    Partitions are done one after the other, so memory is that of one partition at most (or of the
    budget: beyond it, pairs are spilled and merged). After `run`, `records`, `bytes_in`, `pairs_in`
    and `spilled` say what was done.
    """

    def __init__(self, job: BoundJob, store: Store, work_bucket: str, budget: int, scratch: Path) -> None:
        self._job = job
        self._store = store
        self._bucket = work_bucket
        self._budget = budget
        self._scratch = scratch
        self.records = 0
        self.bytes_in = 0
        self.pairs_in = 0
        self.spilled = 0

    def run(
        self, task: ReduceTask, slices: Sequence[Slice], rows: Rows, write: Callable[[bytes], object]
    ) -> None:
        """Write the rows of all partitions of `task`, in order."""
        job = self._job.job
        self._emit(_called(job.reducer_init, self._job.name), rows, write)
        for sources in self._partitions(task, slices):
            with TemporaryDirectory(prefix="sluice-reduce-", dir=self._scratch) as scratch:
                for block in self._reduced(sources, Path(scratch)):
                    self._write(block, rows, write)
        self._emit(_called(job.reducer_final, self._job.name), rows, write)

    def _partitions(self, task: ReduceTask, slices: Sequence[Slice]) -> Iterator[Iterator[Block]]:
        """The blocks of each partition, run file after run file in task order.

        As many partitions as fit a share of the budget come with one GET a run file; a partition that
        is larger than that alone is streamed.
        """
        count = task.last - task.first
        sizes = [sum(piece.offsets[i + 1] - piece.offsets[i] for piece in slices) for i in range(count)]
        first = 0
        while first < count:
            last, held = first + 1, sizes[first]
            while last < count and held + sizes[last] <= self._budget // _PACKED_SHARE:
                held += sizes[last]
                last += 1
            self.bytes_in += held
            if held > self._budget // _PACKED_SHARE:
                yield self._streamed(slices, first)
            elif held:
                yield from self._fetched(slices, first, last)
            first = last

    def _fetched(self, slices: Sequence[Slice], first: int, last: int) -> Iterator[Iterator[Block]]:
        wanted = [piece for piece in slices if piece.offsets[first] < piece.offsets[last]]
        ranges = [(self._loc(piece), piece.offsets[first], piece.offsets[last]) for piece in wanted]
        bodies = list(fetch_all(self._store, ranges))
        for partition in range(first, last):
            parts = [
                (
                    self._loc(piece).url,
                    memoryview(body)[piece.offsets[partition] - piece.offsets[first] :],
                    size,
                )
                for piece, body in zip(wanted, bodies, strict=True)
                if (size := piece.offsets[partition + 1] - piece.offsets[partition])
            ]
            if parts:
                yield chain.from_iterable(
                    read_blocks((bytes(view[:size]),), url) for url, view, size in parts
                )

    def _streamed(self, slices: Sequence[Slice], partition: int) -> Iterator[Block]:
        for piece in slices:
            start, stop = piece.offsets[partition], piece.offsets[partition + 1]
            if start < stop:
                loc = self._loc(piece)
                yield from read_blocks(self._store.stream(loc, start, stop), loc.url)

    def _loc(self, piece: Slice) -> Loc:
        return Loc(self._bucket, piece.run_file)

    def _reduced(self, sources: Iterator[Block], scratch: Path) -> Iterator[Block]:
        """Blocks of results for one partition."""
        budget = self._budget - self._budget // _PACKED_SHARE
        spiller = Spiller(reduce_collector(self._job), 1, budget, scratch)
        firsts: dict[type, Any] = {}
        for keys, values in sources:
            firsts.setdefault(type(keys[0]), keys[0])
            self.pairs_in += len(keys)
            self._fold(spiller, keys, values)
        if len(firsts) > 1:
            check_keys(list(firsts.values()))
        for _, blocks in spiller.blocks():
            yield from self._results(blocks, spiller.spilled)
        self.spilled += spiller.bytes

    def _fold(self, spiller: Spiller, keys: list[Any], values: list[Any]) -> None:
        try:
            spiller.add_block(keys, values)
        except DataTypeError as error:
            raise DataTypeError(f"job {self._job.name}: reducer: {error}") from error
        except SluiceError:
            raise
        except Exception as error:
            raise self._blame(error, keys[0]) from error

    def _results(self, blocks: Iterator[Block], spilled: bool) -> Iterator[Block]:
        reducer = self._job.reducer
        if reducer is None:
            yield from blocks
        elif isinstance(reducer, Aggregator):
            folded = fold_states(blocks, reducer.merge) if spilled else blocks
            if type(reducer).finish is Aggregator.finish:
                yield from folded
                return
            for keys, states in folded:
                try:
                    yield keys, list(map(reducer.finish, states))
                except Exception as error:
                    raise self._blame(error, keys[0]) from error
        else:
            yield from self._grouped(blocks, reducer)

    def _grouped(self, blocks: Iterator[Block], reducer: GroupFunction) -> Iterator[Block]:
        """The user's reducer over every group; its pairs in blocks."""
        current: list[Any] = [None]

        def pairs() -> Iterator[Pair]:
            for key, values in groups(blocks):
                current[0] = key
                yield from reducer(key, values) or ()

        source = pairs()
        while True:
            try:
                batch = list(islice(source, BLOCK_PAIRS))
            except SluiceError:
                raise
            except Exception as error:
                raise self._blame(error, current[0]) from error
            if not batch:
                return
            yield _columns(batch, self._job.name)

    def _blame(self, error: Exception, key: Any) -> JobCodeError:
        return JobCodeError(f"job {self._job.name}: reducer, at key {key!r}: {explain(error)}")

    def _emit(self, pairs: Iterable[Pair], rows: Rows, write: Callable[[bytes], object]) -> None:
        batch = list(pairs)
        if batch:
            self._write(_columns(batch, self._job.name), rows, write)

    def _write(self, block: Block, rows: Rows, write: Callable[[bytes], object]) -> None:
        keys, values = block
        for start in range(0, len(keys), BLOCK_PAIRS):
            write(rows(keys[start : start + BLOCK_PAIRS], values[start : start + BLOCK_PAIRS]))
        self.records += len(keys)


def _columns(batch: list[Any], job: str) -> Block:
    try:
        keys, values = zip(*batch, strict=True)
    except (TypeError, ValueError) as error:
        raise DataTypeError(
            f"job {job}: reducer: expected (key, value) pairs, got {batch[0]!r}: write `yield key, value`"
        ) from error
    return list(keys), list(values)


def _called(method: Any, job: str) -> Iterator[Pair]:
    try:
        yield from method() or ()
    except Exception as error:
        raise JobCodeError(f"job {job}: {method.__name__}: {explain(error)}") from error
