"""Collect pairs in memory until they are drained, sorted and cut into partitions.

Three ways, for what folds the values: an aggregator (one state a key), the user's combiner (the list
of a key's values), or nothing (the pairs as they come). All take pairs in blocks at C speed where they
can, and estimate their size by sampling so that the caller can spill in time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from operator import itemgetter
from typing import Any, Protocol

from .aggregators import Aggregator
from .errors import DataTypeError
from .job import BoundJob, GroupFunction
from .order import check_keys, sort_keys, sort_pairs
from .partition import partitions_of
from .sizes import DICT_SLOT, LIST_SLOT, PAIR, mean_size

Pair = tuple[Any, Any]
#: (partition, keys in order, their values)
Piece = tuple[int, list[Any], list[Any]]

#: Pairs taken between two looks at the memory.
CHUNK = 16_384
_SAMPLE = 64
_first = itemgetter(0)
_second = itemgetter(1)


class Collector(Protocol):
    """Holds pairs; `weight` is an estimate of their bytes in memory."""

    def absorb(self, pairs: Iterator[Pair]) -> bool:
        """Take some pairs; False when there were none left."""

    def weight(self) -> int: ...

    def drain(self, partitions: int) -> Iterator[Piece]:
        """Give everything up, by partition, sorted by key; empty partitions are left out."""


class StateCollector:
    """One state a key, folded by an aggregator."""

    def __init__(self, absorb: Callable[[dict[Any, Any], Iterable[Pair]], None]) -> None:
        self._absorb = absorb
        self._table: dict[Any, Any] = {}
        self._entry = 0.0
        self._sampled = 0

    def absorb(self, pairs: Iterator[Pair]) -> bool:
        for first in pairs:
            try:
                self._absorb(self._table, chain((first,), islice(pairs, CHUNK)))
            except (TypeError, ValueError) as error:
                _refuse_pair(error)
                raise
            return True
        return False

    def weight(self) -> int:
        count = len(self._table)
        if count > self._sampled * 1.25 or count < self._sampled:
            newest = islice(reversed(self._table.items()), _SAMPLE)
            self._entry = mean_size(newest) - PAIR + DICT_SLOT
            self._sampled = count
        return int(count * self._entry)

    def drain(self, partitions: int) -> Iterator[Piece]:
        table, self._table, self._sampled = self._table, {}, 0
        keys = list(table)
        check_keys(keys)
        for partition, own in _by_partition(keys, keys, partitions):
            ordered = sort_keys(own)
            yield partition, ordered, list(map(table.__getitem__, ordered))


class PairCollector:
    """Pairs as they come; those of one key stay in their order."""

    def __init__(self) -> None:
        self._pairs: list[Pair] = []
        self._bytes = 0.0

    def absorb(self, pairs: Iterator[Pair]) -> bool:
        chunk = list(islice(pairs, CHUNK))
        if not chunk:
            return False
        check_pairs(chunk)
        self._pairs += chunk
        step = max(1, len(chunk) // _SAMPLE)
        self._bytes += len(chunk) * (mean_size(chunk[::step]) + LIST_SLOT)
        return True

    def weight(self) -> int:
        return int(self._bytes)

    def drain(self, partitions: int) -> Iterator[Piece]:
        pairs, self._pairs, self._bytes = self._pairs, [], 0.0
        keys = list(map(_first, pairs))
        check_keys(keys)
        split = _by_partition(keys, pairs, partitions)
        del keys, pairs
        for partition, own in split:
            sort_pairs(own)
            yield partition, list(map(_first, own)), list(map(_second, own))


class GroupCollector:
    """The values of each key, for the user's combiner; it may emit other keys than it was given."""

    def __init__(self, combiner: GroupFunction) -> None:
        self._combiner = combiner
        self._table: defaultdict[Any, list[Any]] = defaultdict(list)
        self._bytes = 0.0

    def absorb(self, pairs: Iterator[Pair]) -> bool:
        chunk = list(islice(pairs, CHUNK))
        if not chunk:
            return False
        check_pairs(chunk)
        table, before = self._table, len(self._table)
        for key, value in chunk:
            table[key].append(value)
        sample = chunk[:: max(1, len(chunk) // _SAMPLE)]
        self._bytes += len(chunk) * (mean_size(map(_second, sample)) + LIST_SLOT)
        new = len(table) - before
        self._bytes += new * (mean_size(map(_first, sample)) + DICT_SLOT + PAIR)
        return True

    def weight(self) -> int:
        return int(self._bytes)

    def drain(self, partitions: int) -> Iterator[Piece]:
        table, self._table, self._bytes = self._table, defaultdict(list), 0.0
        combined = PairCollector()
        pairs = chain.from_iterable(self._combiner(key, iter(values)) or () for key, values in table.items())
        while combined.absorb(pairs):
            pass
        return combined.drain(partitions)


class _FinishedCollector(StateCollector):
    """An aggregator as combiner of another reducer: what is shuffled is its results, not its states."""

    def __init__(self, aggregator: Aggregator) -> None:
        super().__init__(aggregator.absorb)
        self._finish = aggregator.finish

    def drain(self, partitions: int) -> Iterator[Piece]:
        for partition, keys, states in super().drain(partitions):
            yield partition, keys, list(map(self._finish, states))


def map_collector(job: BoundJob) -> Collector:
    """The collector of a map task."""
    if isinstance(job.combiner, Aggregator):
        return (
            StateCollector(job.combiner.absorb) if job.shuffles_states else _FinishedCollector(job.combiner)
        )
    return GroupCollector(job.combiner) if job.combiner else PairCollector()


def reduce_collector(job: BoundJob) -> Collector:
    """The collector of one partition in a reduce task."""
    if isinstance(job.reducer, Aggregator):
        return StateCollector(job.reducer.absorb_states if job.shuffles_states else job.reducer.absorb)
    return PairCollector()


def check_pairs(chunk: list[Any]) -> None:
    """Raise DataTypeError unless every item is a (key, value) pair."""
    if set(map(type, chunk)) <= {tuple, list} and set(map(len, chunk)) == {2}:
        return
    bad = next(item for item in chunk if not (isinstance(item, tuple | list) and len(item) == 2))
    raise DataTypeError(f"expected (key, value) pairs, got {bad!r}: write `yield key, value`")


def _refuse_pair(error: Exception) -> None:
    """Raise DataTypeError if it was the fold that failed, not the user's code that makes the pairs."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None or trace.tb_frame.f_code.co_name not in ("absorb", "absorb_states", "lift", "merge"):
        return
    if "unpack" in str(error):
        raise DataTypeError(f"expected (key, value) pairs: {error}: write `yield key, value`") from error
    names = trace.tb_frame.f_locals
    if "key" not in names:
        return
    key, value = names["key"], names.get("value", names.get("state"))
    raise DataTypeError(
        f"{error}: key {key!r} ({type(key).__name__}), value {value!r} ({type(value).__name__});"
        " keys are None, bool, int, float, str, bytes or tuples of them"
    ) from error


def _by_partition(keys: list[Any], items: list[Any], partitions: int) -> Iterator[tuple[int, list[Any]]]:
    """The items of each partition that has any, in partition order, each in the order given."""
    if partitions == 1:
        return iter([(0, items)] if items else [])
    parts: list[list[Any]] = [[] for _ in range(partitions)]
    for item, partition in zip(items, partitions_of(keys, partitions), strict=True):
        parts[partition].append(item)
    return ((partition, own) for partition, own in enumerate(parts) if own)
