"""Collect pairs in memory until they are drained, sorted and cut into partitions.

Three ways, for what folds the values: an aggregator (one state a key), the user's combiner (the list
of a key's values), or nothing (the pairs as they come). All take pairs in blocks at C speed where they
can, and estimate their size by sampling so that the caller can spill in time.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice, repeat
from operator import itemgetter
from typing import Any, Protocol

from ...aggregators import Aggregator, Count, Sum
from ...aggregators.base import NoPair, PairRefused
from ...core.codec import KEYS_ARE
from ...core.errors import DataTypeError
from ...job.binding import BoundJob, GroupFunction
from ...job.job import Each, Job
from ...job.partitioners import Hash, Partitioner
from .key_order import KeyKinds, check_keys, gather, in_order, sort_keys, sort_order, way_out
from .memory_size import DICT_SLOT, DRAIN_SLOTS, LIST_SLOT, ORDER, PAIR, mean_size

Pair = tuple[Any, Any]
#: (partition, keys in order, their values)
Piece = tuple[int, list[Any], list[Any]]

#: Pairs taken between two looks at the memory.
CHUNK = 16_384
#: The same where pairs are put into lists: few enough to be looked at once more while they are in the cache.
_FEW = 2048
_SAMPLE = 16
#: Looks at a table's weight after which it is sampled again at the latest.
_LOOKS = 32
_first = itemgetter(0)
_second = itemgetter(1)


class Collector(Protocol):
    """Holds pairs; `weight` is an estimate of their bytes in memory."""

    def absorb(self, pairs: Iterator[Pair]) -> bool:
        """Take some pairs; False when there are none left."""

    def absorb_each(self, each: Each) -> None:
        """Take keys that share one value."""

    def absorb_block(self, keys: list[Any], values: list[Any]) -> None:
        """Take pairs that were checked before, as columns."""

    def weight(self) -> int: ...

    def drain(self, partitions: int, in_order: bool = True) -> Iterator[Piece]:
        """Give everything up, by partition, sorted by key; empty partitions are left out.

        Without `in_order` the keys of a partition may come in any order that is the same every time.
        """


class StateCollector:
    """One state a key, folded by an aggregator.

    `merging`: what comes in are states, not values. `checked`: of keys that map tasks have looked at.
    """

    def __init__(
        self,
        aggregator: Aggregator,
        partitioner: Partitioner,
        *,
        merging: bool = False,
        checked: bool = False,
    ) -> None:
        self._absorb = aggregator.absorb_states if merging else aggregator.absorb
        self._merging, self._checked = merging, checked
        # How often each key occurs is counted in C.
        self._tallies = type(aggregator) in (Sum, Count) and not getattr(aggregator, "exact", False)
        self._partitioner, self._counts = partitioner, type(aggregator) is Count
        self._table: dict[Any, Any] = {}
        #: Bytes of all that was looked at (numbers), or of the mean entry (all else).
        self._bytes, self._entry = 0.0, 0.0
        #: How many keys there were at the last sample, how often the weight was asked, and when to sample next.
        self._sampled, self._looks, self._next_look = 0, 0, 1
        self._kinds, self._noted = KeyKinds(), 0  # what keys are, and of how many that was noted

    def absorb(self, pairs: Iterator[Pair]) -> bool:
        self._fold(islice(pairs, CHUNK))
        for pair in pairs:
            self._fold((pair,))
            return True
        return False

    def absorb_each(self, each: Each) -> None:
        if self._tallies and (self._counts or (type(each.value) is int and each.value == 1)):
            Counter.update(self._table, iter(each.keys))  # type: ignore[call-overload]
        else:
            self._fold(zip(each.keys, repeat(each.value)))

    def absorb_block(self, keys: list[Any], values: list[Any]) -> None:
        if not (self._merging and self._adopt(keys, values)):
            self._fold(zip(keys, values, strict=True))

    def _adopt(self, keys: list[Any], states: list[Any]) -> bool:
        """Take the states of keys that are all new as they are, at C speed; whether they are.

        Not of numbers that adding them to nothing makes others of: truth, and zero, which may be below it.
        """
        table, before = self._table, len(self._table)
        kinds = set(map(type, states))
        if bool in kinds or (float in kinds and 0.0 in states) or not table.keys().isdisjoint(keys):
            return False
        table.update(zip(keys, states, strict=True))
        if len(table) == before + len(keys):
            return True
        for key in keys:  # one of them came twice
            table.pop(key, None)
        return False

    def _fold(self, pairs: Iterable[Pair]) -> None:
        try:
            self._absorb(self._table, pairs)
        except NoPair as error:
            raise DataTypeError(f"expected (key, value) pairs: {error}: write `yield key, value`") from error
        except PairRefused as error:
            raise _refusal(error, error.key, error.value) from error

    def weight(self) -> int:
        self._note_new()
        count = len(self._table)
        if self._tallies:
            # A number does not grow, so it is enough to look at what is new, which a dict has at its end.
            new = count - self._sampled
            if new:
                sample = islice(reversed(self._table.items()), 0, new, max(1, new // _SAMPLE))
                self._bytes += new * self._mean(sample)
                self._sampled = count
            return int(self._bytes)
        self._looks += 1
        if self._looks >= self._next_look or count > self._sampled * 1.25:
            # Spread over all keys, old and new: states such as sets grow though no key is added.
            step = max(1, count // (4 * _SAMPLE))
            self._entry = self._mean(islice(self._table.items(), 0, None, step))
            self._sampled = count
            self._next_look = self._looks + min(self._looks, _LOOKS)
        return int(count * self._entry)

    def _note_new(self) -> None:
        """What the keys are that came since it was noted last: a dict has these at its end."""
        if not self._checked:
            self._kinds.note(list(islice(reversed(self._table), len(self._table) - self._noted)))
            self._noted = len(self._table)

    @staticmethod
    def _mean(items: Iterable[Pair]) -> float:
        """Bytes of an entry. Keys that are tuples are put in order by their numbers."""
        some = list(items)
        drain = DRAIN_SLOTS + ORDER if some and type(some[0][0]) is tuple else DRAIN_SLOTS // 2
        return mean_size(some) - PAIR + DICT_SLOT + drain

    def drain(self, partitions: int, in_order: bool = True) -> Iterator[Piece]:
        self._note_new()
        table, kinds = self._table, self._kinds
        self._table, self._kinds, self._noted = {}, KeyKinds(), 0
        self._bytes, self._sampled, self._looks, self._next_look = 0.0, 0, 0, 1
        if not (self._checked or kinds.are_plain):
            check_keys(table)
        if not (in_order or self._partitioner.ordered):
            for partition, (keys, values) in enumerate(self._partitioner.scatter_table(table, partitions)):
                if keys:
                    yield partition, keys, values
            return
        if partitions == 1 and type(next(iter(table), None)) is tuple:  # whose hashes nobody remembers
            keys = list(table)
            keys, values = gather(sort_order(keys), keys, list(table.values()))
            yield 0, keys, values
            return
        lookup = table.__getitem__
        for partition, keys in self._sorted(table, partitions):
            yield partition, keys, list(map(lookup, keys))

    def _sorted(self, table: dict[Any, Any], partitions: int) -> Iterator[tuple[int, list[Any]]]:
        if partitions == 1 or self._partitioner.ordered:
            keys = list(table)
            sort_keys(keys)
            for partition, start, stop in _cuts(self._partitioner, keys, partitions):
                yield partition, keys[start:stop]
            return
        for partition, own in enumerate(self._partitioner.scatter(table, table, partitions)):
            if own:
                sort_keys(own)
                yield partition, own


class PairCollector:
    """Pairs as they come, as columns; those of one key stay in their order."""

    def __init__(self, partitioner: Partitioner, *, checked: bool = False) -> None:
        self._partitioner, self._checked = partitioner, checked
        self._kinds = KeyKinds()
        self._keys: list[Any] = []
        #: The values; none as long as all of them are None, for keys alone are sorted faster.
        self._values: list[Any] | None = None
        self._bytes = 0.0

    def absorb(self, pairs: Iterator[Pair]) -> bool:
        keys, values = _taken_apart(islice(pairs, _FEW))
        if keys:
            self.absorb_block(keys, values)
        return len(keys) == _FEW

    def absorb_each(self, each: Each) -> None:
        keys = list(each.keys)
        self.absorb_block(keys, [each.value] * len(keys))

    def absorb_block(self, keys: list[Any], values: list[Any]) -> None:
        bare = not values or (values[0] is None and values.count(None) == len(values))
        if not bare and self._values is None:
            self._values = [None] * len(self._keys)
        if self._values is not None:
            self._values += values
        self._keys += keys
        if not self._checked:
            self._kinds.note(keys)
        step = max(1, len(keys) // _SAMPLE)
        each = mean_size(keys[::step]) + LIST_SLOT + DRAIN_SLOTS
        if not bare:
            each += mean_size(values[::step]) + LIST_SLOT + ORDER
        self._bytes += len(keys) * each

    def weight(self) -> int:
        return int(self._bytes)

    def drain(self, partitions: int, in_order: bool = True) -> Iterator[Piece]:  # noqa: ARG002
        keys, values = self._keys, self._values
        self._keys, self._values, self._bytes = [], None, 0.0
        if not (self._checked or self._are_plain):
            self.check(keys)
        if partitions > 1 and not self._partitioner.ordered:
            return self._scattered(keys, values, partitions)
        return self._cut(keys, values, partitions)

    @property
    def _are_plain(self) -> bool:
        return self._kinds.are_plain

    def check(self, keys: list[Any]) -> None:
        """Raise DataTypeError for keys that cannot be sorted or stored."""
        check_keys(keys)

    def _cut(self, keys: list[Any], values: list[Any] | None, partitions: int) -> Iterator[Piece]:
        if not in_order(keys):
            if values is None:
                sort_keys(keys)
            else:
                keys, values = gather(sort_order(keys), keys, values)
        for partition, start, stop in _cuts(self._partitioner, keys, partitions):
            own = values[start:stop] if values is not None else [None] * (stop - start)
            yield partition, keys[start:stop], own

    def _scattered(self, keys: list[Any], values: list[Any] | None, partitions: int) -> Iterator[Piece]:
        if values is None:
            for partition, own in enumerate(self._partitioner.scatter(keys, keys, partitions)):
                if own:
                    sort_keys(own)
                    yield partition, own, [None] * len(own)
            return
        numbers = self._partitioner.scatter(keys, range(len(keys)), partitions)
        for partition, some in enumerate(numbers):
            if some:
                own, theirs = gather(sort_order(keys, some), keys, values)
                yield partition, own, theirs


class GroupCollector:
    """The values of each key, for the user's combiner; it may emit other keys than it was given."""

    def __init__(self, combiner: GroupFunction, partitioner: Partitioner, job: Job | None = None) -> None:
        self._combiner = combiner
        self._partitioner = partitioner
        self._job = job or Job()  # for what goes before the first group and after the last
        self._table: defaultdict[Any, list[Any]] = defaultdict(list)
        self._bytes = 0.0

    def absorb(self, pairs: Iterator[Pair]) -> bool:
        chunk = list(islice(pairs, CHUNK))
        check_pairs(chunk)
        self._take(chunk)
        return len(chunk) == CHUNK

    def absorb_each(self, each: Each) -> None:
        self._take(list(zip(each.keys, repeat(each.value))))

    def absorb_block(self, keys: list[Any], values: list[Any]) -> None:
        self._take(list(zip(keys, values, strict=True)))

    def _take(self, chunk: list[Pair]) -> None:
        table, before = self._table, len(self._table)
        for key, value in chunk:
            try:
                table[key].append(value)
            except TypeError as error:
                raise _refusal(error, key, value) from error
        sample = chunk[:: max(1, len(chunk) // _SAMPLE)]
        self._bytes += len(chunk) * (mean_size(map(_second, sample)) + LIST_SLOT)
        new = len(table) - before
        self._bytes += new * (mean_size(map(_first, sample)) + DICT_SLOT + PAIR)

    def weight(self) -> int:
        return int(self._bytes)

    def drain(self, partitions: int, in_order: bool = True) -> Iterator[Piece]:  # noqa: ARG002
        table, self._table, self._bytes = self._table, defaultdict(list), 0.0
        combined = self.combined()
        groups = chain.from_iterable(self._combiner(key, iter(values)) or () for key, values in table.items())
        pairs = chain(self._job.combiner_init() or (), groups, _when_reached(self._job.combiner_final))
        while combined.absorb(pairs):
            pass
        return combined.drain(partitions)

    def combined(self) -> PairCollector:
        """What takes the combiner's pairs."""
        return PairCollector(self._partitioner)


class _FinishedCollector(StateCollector):
    """An aggregator as combiner of another reducer: what is shuffled is its results, not its states."""

    def __init__(self, aggregator: Aggregator, partitioner: Partitioner) -> None:
        super().__init__(aggregator, partitioner)
        self._finish: Callable[[Any], Any] = aggregator.finish

    def drain(self, partitions: int, in_order: bool = True) -> Iterator[Piece]:
        for partition, keys, states in super().drain(partitions, in_order):
            yield partition, keys, list(map(self._finish, states))


def map_collector(job: BoundJob) -> Collector:
    """The collector of a map task."""
    if isinstance(job.combiner, Aggregator):
        collector = StateCollector if job.shuffles_states else _FinishedCollector
        return collector(job.combiner, job.partitioner)
    if job.combiner:
        return GroupCollector(job.combiner, job.partitioner, job.job)
    return PairCollector(job.partitioner)


def reduce_collector(job: BoundJob) -> Collector:
    """The collector of one partition in a reduce task."""
    if isinstance(job.reducer, Aggregator):
        return StateCollector(job.reducer, Hash(), merging=job.shuffles_states, checked=True)
    return PairCollector(Hash(), checked=True)


def _taken_apart(pairs: Iterable[Any]) -> tuple[list[Any], list[Any]]:
    """Keys and values; each pair is taken apart before the next one is made, so that it never leaves the cache."""
    columns: tuple[list[Any], list[Any]] = [], []
    add_key, add_value = columns[0].append, columns[1].append
    for pair in pairs:
        if (type(pair) is not tuple and type(pair) is not list) or len(pair) != 2:
            check_pairs([pair])
        key, value = pair
        add_key(key)
        add_value(value)
    return columns


def check_pairs(chunk: list[Any]) -> None:
    """Raise DataTypeError unless every item is a (key, value) pair."""
    if set(map(type, chunk)) <= {tuple, list} and set(map(len, chunk)) <= {2}:
        return
    for item in chunk:
        if not (isinstance(item, tuple | list) and len(item) == 2):
            raise DataTypeError(f"expected (key, value) pairs, got {item!r}: write `yield key, value`")


def _refusal(error: Exception, key: Any, value: Any) -> DataTypeError:
    """The error for a pair that cannot be collected."""
    allowed = "" if _is_hashable(key) else f"; keys are {KEYS_ARE}: {way_out(type(key))}"
    about = f"key {key!r:.200} ({type(key).__name__}), value {value!r:.200} ({type(value).__name__})"
    return DataTypeError(f"{error}: {about}{allowed}")


def _is_hashable(key: Any) -> bool:
    try:
        return bool({key})
    except TypeError:
        return False


def _when_reached(method: Callable[[], Iterable[Pair] | None]) -> Iterator[Pair]:
    """What a method gives, which is called when all before it has been taken."""
    yield from method() or ()


def _cuts(partitioner: Partitioner, keys: list[Any], partitions: int) -> Iterator[tuple[int, int, int]]:
    if partitions == 1:
        return iter([(0, 0, len(keys))] if keys else [])
    return partitioner.cuts(keys, partitions)
