"""Secondary sort: the values of a group reach the reducer in an order of their own.

Inside, a pair's key is (key, sort key): collected, spilled, shuffled and merged in that order, so that a
group may be larger than memory. Only the key decides the partition, and only the key reaches the user's
reducer. Where values are sorted by themselves, the value is the sort key and nothing travels beside it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, TypeVar

from ...aggregators import Aggregator
from ...aggregators.values import hold_set
from ...core.errors import DataTypeError
from ...job.binding import BoundJob, GroupFunction, ValueOrder
from ...job.partitioners import Hash, Partitioner, Range
from . import collect
from .collect import Collector, GroupCollector, PairCollector, Piece
from .key_order import check_keys
from .run_file import BLOCK_PAIRS, Block

_first = itemgetter(0)
_second = itemgetter(1)
T = TypeVar("T")


class OfKey(Partitioner):
    """Another partitioner's choice, by the key alone."""

    def __init__(self, inner: Partitioner) -> None:
        # A tuple of one comes before all longer ones that begin alike: a bound is before all pairs of its key.
        self._inner = (
            inner.with_bounds([(bound,) for bound in inner.bounds]) if isinstance(inner, Range) else inner
        )
        self.ordered = inner.ordered

    def partitions_of(self, keys: Collection[Any], partitions: int) -> Iterable[int]:
        if isinstance(self._inner, Range):
            return self._inner.partitions_of(keys, partitions)
        return self._inner.partitions_of(list(map(_first, keys)), partitions)

    def cuts(self, keys: Sequence[Any], partitions: int) -> Iterator[tuple[int, int, int]]:
        return self._inner.cuts(keys, partitions)


class SortedPairs(PairCollector):
    """Pairs whose keys are (key, sort key)."""

    def drain(self, partitions: int, in_order: bool = True) -> Iterator[Piece]:
        return _comparing(super().drain(partitions, in_order))

    @property
    def _are_plain(self) -> bool:
        return False  # what was noted is of keys and sort keys alike

    def check(self, keys: list[Any]) -> None:
        check_keys(plain_keys(keys))
        _check_sort_keys(list(map(_second, keys)))


class SortingPairs(SortedPairs):
    """Takes pairs as the user's code gives them."""

    def __init__(self, partitioner: Partitioner, order: ValueOrder) -> None:
        super().__init__(OfKey(partitioner))
        self._order = order

    def absorb_block(self, keys: list[Any], values: list[Any]) -> None:
        order = self._order
        if order.by_first:
            sort_keys, values = list(map(_first, values)), list(map(_second, values))
        elif order.key is None:
            sort_keys, values = values, [None] * len(values)
        else:
            sort_keys = list(map(order.key, keys, values))
        super().absorb_block(list(zip(keys, sort_keys, strict=True)), values)


class _SortingGroups(GroupCollector):
    """The same behind the user's combiner."""

    def __init__(self, job: BoundJob, combiner: GroupFunction, order: ValueOrder) -> None:
        super().__init__(combiner, job.partitioner, job.job)
        self._order = order

    def combined(self) -> PairCollector:
        return SortingPairs(self._partitioner, self._order)


def map_collector(job: BoundJob) -> Collector:
    """The collector of a map task."""
    if job.order is None:
        return collect.map_collector(job)
    if job.combiner and not isinstance(job.combiner, Aggregator):
        return _SortingGroups(job, job.combiner, job.order)
    return SortingPairs(job.partitioner, job.order)


def reduce_collector(job: BoundJob) -> Collector:
    """The collector of one partition in a reduce task."""
    return SortedPairs(Hash(), checked=True) if job.order else collect.reduce_collector(job)


def plain_keys(keys: list[Any]) -> list[Any]:
    """The user's keys of a block's."""
    return list(map(_first, keys))


def unwrapped(blocks: Iterator[Block], job: BoundJob) -> Iterator[Block]:
    """Merged blocks with the user's keys and values, in pieces of a block's size.

    Raises DataTypeError if sort keys of one group turn out not to compare.
    """
    order = job.order
    assert order is not None
    for all_keys, all_values in _comparing(blocks):
        for start in range(0, len(all_keys), BLOCK_PAIRS):
            keys, values = all_keys[start : start + BLOCK_PAIRS], all_values[start : start + BLOCK_PAIRS]
            if order.by_first:
                values = list(zip(map(_second, keys), values, strict=True))
            elif order.key is None:
                values = list(map(_second, keys))
            yield plain_keys(keys), values


def _comparing(items: Iterator[T]) -> Iterator[T]:
    """The items of sorted runs; what does not compare is told in the user's words."""
    while True:
        try:
            item = next(items, None)
        except (TypeError, DataTypeError) as error:
            cause = error if isinstance(error, TypeError) else error.__cause__
            if not isinstance(cause, TypeError) or "not supported between" not in str(cause):
                raise
            raise DataTypeError(
                f"sort_values: values of one group do not compare ({cause}): give all of them sort keys of one"
                " type, with a method sort_key(self, key, value)"
            ) from error
        if item is None:
            return
        yield item


def _check_sort_keys(sort_keys: Collection[Any]) -> None:
    if hold_set(sort_keys):
        raise DataTypeError(
            "sort_values: a sort key is or holds a set, which has no order: convert it first (`sorted(...)`)"
        )
    kinds = set(map(type, sort_keys))
    parts: Iterable[Any] = sort_keys if float in kinds else ()
    if tuple in kinds:
        parts = chain(parts, *(item for item in sort_keys if type(item) is tuple))
    if any(part != part for part in parts):
        raise DataTypeError(
            "sort_values: a sort key is NaN, which is neither less nor greater than anything: map it to None"
            " or a number"
        )
