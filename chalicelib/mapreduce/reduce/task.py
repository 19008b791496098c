"""One reduce attempt's work: slices of run files to one sorted part. No protocol in here."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import Any

from msgspec import Struct, field

from ...core.codec import decode_column, encode_column
from ...core.errors import DataTypeError, DiskError, JobCodeError, SluiceError, explain
from ...core.plan import Column
from ...core.ports import Disk, Store, Trail
from ...core.spec import BadRecordsSpec
from ...core.tasks import ReducePosition, ReduceTask
from ...job.binding import BoundJob
from ..guard.deadline import Pace, StepTooLong, endless
from ..guard.location import located
from ..guard.quarantine import Quarantine
from ..output.text import Rows
from ..shuffle.fetch_slices import SliceReader
from ..shuffle.index import Slices
from ..shuffle.key_order import check_keys
from ..shuffle.run_file import BLOCK_PAIRS, Block
from ..shuffle.secondary_sort import plain_keys, reduce_collector, unwrapped
from ..shuffle.spill import Spiller
from .bad_groups import BadGroups, columns
from .groups import Groups

#: The part of the budget that fetched, still packed slices may take.
_PACKED_SHARE = 8


class ReducePart(Struct, kw_only=True, dict=True):
    """Merges the slices of one reduce task, reduces each group and writes the rows.

    Partitions are done one after the other, so memory is that of one partition at most (or of the
    budget: beyond it, pairs are spilled and merged).
    """

    job: BoundJob
    store: Store
    work_bucket: str
    disk: Disk
    #: Bytes of pairs in memory: fetched, or collected before they are spilled.
    budget: int
    pace: Pace = field(default_factory=endless)
    quarantine: Quarantine = field(default_factory=partial(Quarantine, BadRecordsSpec(), "reduce"))
    #: Tells whoever outlives this process which group is in hand.
    trail: Trail | None = None
    #: After `run`: rows written, bytes and pairs read, bytes of spills.
    records: int = 0
    bytes_in: int = 0
    pairs_in: int = 0
    spilled: int = 0
    #: After StepTooLong: the group that the user's reducer was in.
    current: Any = None

    def __post_init__(self) -> None:
        self._bad = BadGroups(self.job, self.pace, self.quarantine, self.trail)
        self._groups = Groups(self.job, self.pace, self._bad)

    def run(
        self,
        task: ReduceTask,
        slices: Slices,
        rows: Rows,
        write: Callable[[bytes], object],
        after: ReducePosition | None = None,
    ) -> ReducePosition | None:
        """Write the rows of all partitions of `task` behind `after`, in order.

        Returns where to go on if time ran out before the end. Raises DiskError if the local disk is full, and
        StepTooLong if the user's code outlasted the time there was.
        """
        count = task.last - task.first
        put = partial(self._put, rows, write)
        reader = SliceReader(self.store, self.work_bucket, slices, self.budget // _PACKED_SHARE)
        with located(f"job {self.job.name}: reducer"), self.pace.alarm(), reader:
            try:
                self._outside_groups(self.job.job.reducer_init, put)
                stopped = self._reduce(reader, count, after, put)
                self._outside_groups(self.job.job.reducer_final, put)
            except StepTooLong:
                self.current = self._groups.current
                raise
        self.bytes_in += reader.bytes
        return stopped

    def _reduce(
        self,
        reader: SliceReader,
        count: int,
        after: ReducePosition | None,
        put: Callable[[Block], None],
    ) -> ReducePosition | None:
        """Partition after partition, from where an earlier invocation stopped; where this one does, if it does."""
        first = after.partition if after else 0
        for number, blocks in reader.partitions(first, count):
            done = after.key if after and number == first else None
            last_key = self._partition(blocks, done, put)
            if last_key:
                return ReducePosition(partition=number, key=last_key)
            if self.pace.out_of_time and number + 1 < count:
                return ReducePosition(partition=number + 1)
        return None

    def _partition(
        self, blocks: Iterator[Block], done: Column | None, put: Callable[[Block], None]
    ) -> Column | None:
        """One partition's rows, those of groups up to `done` left out; the last key, if it stopped before the end."""
        budget = self.budget - self.budget // _PACKED_SHARE
        with self.disk.folder("sluice-reduce-") as folder:
            spiller = Spiller(reduce_collector(self.job), 1, budget, self.disk, folder)
            self._collect(blocks, spiller)
            for _, merged in spiller.blocks():
                rest = _behind(self._unwrapped(merged), done)
                for block, edge in self._groups.results(rest, spiller.spilled):
                    put(block)
                    if edge and self.pace.out_of_time:
                        shape, body = encode_column(edge)
                        return Column(shape=shape, body=body)
            self.spilled += spiller.bytes
        return None

    def _collect(self, blocks: Iterator[Block], spiller: Spiller) -> None:
        """Fold or gather all pairs. Raises DataTypeError if keys of several map tasks do not compare."""
        kinds: dict[type, Any] = {}
        for keys, values in blocks:
            plain = plain_keys(keys) if self.job.order else keys
            for kind in set(map(type, plain)) - kinds.keys():
                kinds[kind] = next(key for key in plain if type(key) is kind)
            self.pairs_in += len(keys)
            try:
                spiller.add_block(keys, values)
            except DataTypeError as error:
                raise DataTypeError(f"job {self.job.name}: reducer: {error}") from error
            except SluiceError:
                raise
            except (Exception, SystemExit) as error:
                raise self._bad.blame(error, keys[0]) from error
        if len(kinds) > 1:
            check_keys(list(kinds.values()))

    def _unwrapped(self, blocks: Iterator[Block]) -> Iterator[Block]:
        return unwrapped(blocks, self.job) if self.job.order else blocks

    def _outside_groups(self, method: Callable[[], Any], put: Callable[[Block], None]) -> None:
        """What `reducer_init` or `reducer_final` gives, as far as `having` keeps it, in blocks."""
        pairs: Iterator[Any] | None = None
        while True:
            try:
                pairs = iter(method() or ()) if pairs is None else pairs
                some = list(islice(pairs, BLOCK_PAIRS))
            except DiskError:
                raise
            except (Exception, SystemExit) as error:
                raise JobCodeError(f"job {self.job.name}: {method.__name__}: {explain(error)}") from error
            if not some:
                return
            put(self._bad.kept(columns(some, self.job.name)))

    def _put(self, rows: Rows, write: Callable[[bytes], object], block: Block) -> None:
        """Write a block of results as rows."""
        keys, values = block
        if 0 < len(keys) <= BLOCK_PAIRS:  # no need to cut them
            write(rows(keys, values))
        else:
            for start in range(0, len(keys), BLOCK_PAIRS):
                write(rows(keys[start : start + BLOCK_PAIRS], values[start : start + BLOCK_PAIRS]))
        self.records += len(keys)


def _behind(blocks: Iterator[Block], done: Column | None) -> Iterator[Block]:
    """What comes after the key `done` in sorted blocks; all of them, if nothing is done."""
    if done is None:
        return blocks
    (key,) = decode_column(done.shape, done.body)
    if key is None:  # then it is the only key there is
        return iter(())
    return _after(blocks, key)


def _after(blocks: Iterator[Block], key: Any) -> Iterator[Block]:
    for keys, values in blocks:
        start = bisect_right(keys, key)
        if start < len(keys):
            yield keys[start:], values[start:]
