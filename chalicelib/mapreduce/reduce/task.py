"""One reduce attempt's work: slices of run files to one sorted part. No protocol in here."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from ...aggregators import Aggregator
from ...core.codec import decode_column, encode_column
from ...core.errors import DataTypeError, JobCodeError, SluiceError, UserError, explain
from ...core.plan import Column
from ...core.ports import Disk, Loc, Store
from ...core.spec import BadRecordsSpec
from ...core.tasks import ReducePosition, ReduceTask, Slice
from ...job.binding import BoundJob, GroupFunction
from ..guard.deadline import Pace, StepTooLong, endless
from ..guard.quarantine import Quarantine
from ..output.text import Rows
from ..shuffle.fetch import fetch_all
from ..shuffle.key_order import check_keys
from ..shuffle.merge import groups
from ..shuffle.run_file import BLOCK_PAIRS, Block, read_blocks
from ..shuffle.secondary_sort import plain_keys, reduce_collector, unwrapped
from ..shuffle.spill import Spiller, fold_states

Pair = tuple[Any, Any]
#: After which group one may stop, as a list of that one key; nothing: not here.
Edge = list[Any] | None

#: What is wrong with a group that outlasts the alarm.
TOO_SLOW = "this group alone took longer than half the function's time: raise timeout.reducer"
#: The part of the budget that fetched, still packed slices may take.
_PACKED_SHARE = 8


class ReducePart:
    """Merges the slices of one reduce task, reduces each group and writes the rows.

    Partitions are done one after the other, so memory is that of one partition at most (or of the
    budget: beyond it, pairs are spilled and merged). After `run`, `records`, `bytes_in`, `pairs_in`
    and `spilled` say what was done.
    """

    def __init__(
        self,
        job: BoundJob,
        store: Store,
        work_bucket: str,
        budget: int,
        disk: Disk,
        pace: Pace | None = None,
        quarantine: Quarantine | None = None,
    ) -> None:
        self._job = job
        self._store = store
        self._bucket = work_bucket
        self._budget = budget
        self._disk = disk
        self._pace = pace or endless()
        self._quarantine = quarantine or Quarantine(BadRecordsSpec(), "reduce")
        self._counters = job.services.counters
        #: The group that the user's reducer is in, for the message if it goes wrong.
        self.current: Any = None
        self.records = 0
        self.bytes_in = 0
        self.pairs_in = 0
        self.spilled = 0

    def run(
        self,
        task: ReduceTask,
        slices: Sequence[Slice],
        rows: Rows,
        write: Callable[[bytes], object],
        after: ReducePosition | None = None,
    ) -> ReducePosition | None:
        """Write the rows of all partitions of `task` behind `after`, in order.

        Returns where to go on if time ran out before the end. Raises StepTooLong if the user's code
        outlasted the time there was.
        """
        job = self._job.job
        first = after.partition if after else 0
        stopped = None
        with self._pace.alarm():
            self._emit(_called(job.reducer_init, self._job.name), rows, write)
            for number, sources in self._partitions(task, slices, first):
                done = after.key if after and number == first else None
                stopped = self._partition(number, sources, done, rows, write)
                if stopped is None and self._pace.out_of_time and number + 1 < task.last - task.first:
                    stopped = ReducePosition(partition=number + 1)
                if stopped:
                    break
            self._emit(_called(job.reducer_final, self._job.name), rows, write)
        return stopped

    def _partition(
        self,
        number: int,
        sources: Iterator[Block],
        done: Column | None,
        rows: Rows,
        write: Callable[[bytes], object],
    ) -> ReducePosition | None:
        """One partition's rows, those of groups up to `done` left out; where it stopped, if it did."""
        with self._disk.folder("sluice-reduce-") as folder:
            for block, edge in self._reduced(sources, folder, done):
                self._write(block, rows, write)
                if edge and self._pace.out_of_time:
                    shape, body = encode_column(edge)
                    return ReducePosition(partition=number, key=Column(shape=shape, body=body))
        return None

    def _partitions(
        self, task: ReduceTask, slices: Sequence[Slice], first: int
    ) -> Iterator[tuple[int, Iterator[Block]]]:
        """From partition `first` on, the blocks of each, run file after run file in task order.

        As many partitions as fit a share of the budget come with one GET a run file; a partition that
        is larger than that alone is streamed.
        """
        count = task.last - task.first
        sizes = [sum(piece.offsets[i + 1] - piece.offsets[i] for piece in slices) for i in range(count)]
        while first < count:
            last, held = first + 1, sizes[first]
            while last < count and held + sizes[last] <= self._budget // _PACKED_SHARE:
                held += sizes[last]
                last += 1
            self.bytes_in += held
            if held > self._budget // _PACKED_SHARE:
                yield first, self._streamed(slices, first)
            elif held:
                yield from self._fetched(slices, first, last)
            first = last

    def _fetched(
        self, slices: Sequence[Slice], first: int, last: int
    ) -> Iterator[tuple[int, Iterator[Block]]]:
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
                blocks = (read_blocks((bytes(view[:size]),), url, size) for url, view, size in parts)
                yield partition, chain.from_iterable(blocks)

    def _streamed(self, slices: Sequence[Slice], partition: int) -> Iterator[Block]:
        for piece in slices:
            start, stop = piece.offsets[partition], piece.offsets[partition + 1]
            if start < stop:
                loc = self._loc(piece)
                yield from read_blocks(self._store.stream(loc, start, stop), loc.url, stop - start)

    def _loc(self, piece: Slice) -> Loc:
        return Loc(self._bucket, piece.run_file)

    def _reduced(
        self, sources: Iterator[Block], folder: Path, done: Column | None
    ) -> Iterator[tuple[Block, Edge]]:
        """Blocks of results for one partition."""
        budget = self._budget - self._budget // _PACKED_SHARE
        spiller = Spiller(reduce_collector(self._job), 1, budget, self._disk, folder)
        firsts: dict[type, Any] = {}
        for keys, values in sources:
            (first,) = plain_keys(keys[:1]) if self._job.order else keys[:1]
            firsts.setdefault(type(first), first)
            self.pairs_in += len(keys)
            self._fold(spiller, keys, values)
        if len(firsts) > 1:
            check_keys(list(firsts.values()))
        for _, merged in spiller.blocks():
            blocks = unwrapped(merged, self._job) if self._job.order else merged
            rest = _behind(blocks, decode_column(done.shape, done.body)[0]) if done else blocks
            yield from self._results(rest, spiller.spilled)
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

    def _results(self, blocks: Iterator[Block], spilled: bool) -> Iterator[tuple[Block, Edge]]:
        """Blocks of rows, and where one may stop after a block: at the last key of it, or nowhere."""
        reducer = self._job.reducer
        if reducer is None:
            for block in blocks:
                yield self._kept(block), None
        elif isinstance(reducer, Aggregator):
            folded = fold_states(blocks, reducer.merge) if spilled else blocks
            for keys, states in folded:
                yield self._kept(self._finished(reducer, keys, states)), keys[-1:]
        else:
            yield from self._grouped(blocks, reducer)

    def _finished(self, reducer: Aggregator, keys: list[Any], states: list[Any]) -> Block:
        """Keys and results, without the groups that are set aside."""
        if type(reducer).finish is Aggregator.finish:
            return keys, states
        good: list[Any] = []
        results: list[Any] = []
        at = 0
        while at < len(keys):
            try:
                results.extend(map(reducer.finish, states[at:] if at else states))
            except Exception as error:  # noqa: BLE001 - raises, unless the policy is to go on
                done = len(results) - len(good)
                self._group_failed(error, keys[at + done])
                good += keys[at : at + done]
                at += done + 1
            else:
                good += keys[at:]
                at = len(keys)
        return good, results

    def _grouped(self, blocks: Iterator[Block], reducer: GroupFunction) -> Iterator[tuple[Block, Edge]]:
        """The user's reducer over every group; its pairs in blocks, cut between groups where time is short."""
        pace, steps = self._pace, 0
        call = self._whole if self._quarantine.active else self._called
        batch: list[Pair] = []
        pace.begin()
        for key, values in groups(blocks):
            self.current = key
            pairs = call(reducer, key, values)
            while len(batch) + len(more := self._some(pairs, BLOCK_PAIRS - len(batch), key)) == BLOCK_PAIRS:
                yield _columns(batch + more, self._job.name), None
                batch = []
            batch += more
            steps += 1
            if steps >= pace.size:
                pace.end()
                if pace.out_of_time:
                    yield _columns(batch, self._job.name), [key]
                    batch = []
                steps = 0
                pace.begin()
        if batch:
            yield _columns(batch, self._job.name), None

    def _called(self, reducer: GroupFunction, key: Any, values: Iterator[Any]) -> Iterator[Pair]:
        try:
            pairs = iter(reducer(key, values) or ())
        except Exception as error:
            raise self._blame(error, key) from error
        return self._job.passing(pairs) if self._job.having else pairs

    def _whole(self, reducer: GroupFunction, key: Any, values: Iterator[Any]) -> Iterator[Pair]:
        """All of a group's pairs, so that they are known to be good before any of them counts, or none.

        A group that outlasts the alarm is bad if it had a fair share of the time. The alarm may have ended
        whatever was reading values, but then it is time to stop behind this group.
        """
        try:
            pairs = list(self._job.passing(reducer(key, values) or ()))
            self._counters.keep()
            return iter(pairs)
        except SluiceError:
            raise
        except StepTooLong:
            if not self._pace.careful:
                raise
            self._group_failed(UserError(TOO_SLOW), key)
        except Exception as error:  # noqa: BLE001 - the policy is to go on
            self._group_failed(error, key)
        return iter(())

    def _kept(self, block: Block) -> Block:
        """The pairs that `having` lets pass, of results that no function of the user's made."""
        having = self._job.having
        if having is None:
            return block
        kept: list[Pair] = []
        for key, value in zip(*block, strict=True):
            try:
                if having(key, value):
                    kept.append((key, value))
                self._counters.keep()
            except SluiceError:
                raise
            except Exception as error:  # noqa: BLE001 - raises, unless the policy is to go on
                self._group_failed(error, key)
        return _columns(kept, self._job.name)

    def _some(self, pairs: Iterator[Pair], count: int, key: Any) -> list[Pair]:
        try:
            return list(islice(pairs, count))
        except SluiceError:
            raise
        except Exception as error:
            raise self._blame(error, key) from error

    def _group_failed(self, error: Exception, key: Any) -> None:
        """Set a group aside, or raise what the task fails with."""
        if not self._quarantine.active:
            raise self._blame(error, key) from error
        self._counters.forget()
        self._quarantine.add(error, repr(key), None, b"")

    def _blame(self, error: Exception, key: Any) -> JobCodeError:
        return JobCodeError(f"job {self._job.name}: reducer, at key {key!r}: {explain(error)}")

    def _emit(self, pairs: Iterable[Pair], rows: Rows, write: Callable[[bytes], object]) -> None:
        batch = list(pairs)
        if batch:
            self._write(self._kept(_columns(batch, self._job.name)), rows, write)

    def _write(self, block: Block, rows: Rows, write: Callable[[bytes], object]) -> None:
        keys, values = block
        for start in range(0, len(keys), BLOCK_PAIRS):
            write(rows(keys[start : start + BLOCK_PAIRS], values[start : start + BLOCK_PAIRS]))
        self.records += len(keys)


def _behind(blocks: Iterator[Block], key: Any) -> Iterator[Block]:
    """What comes after `key` in sorted blocks."""
    for keys, values in blocks:
        if key is None:
            continue  # then it is the only key there is
        start = bisect_right(keys, key)
        if start < len(keys):
            yield keys[start:], values[start:]


def _columns(batch: list[Any], job: str) -> Block:
    if not batch:
        return [], []
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
