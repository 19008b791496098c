"""The order of keys: Python's own, checked. Ties keep the order in which pairs came.

Keys of one job must compare with each other and be of one type at each place, because keys that are
equal though of two types (`1` and `1.0`) would be written as whichever came first. For the same reason a datetime or
time that has a zone must be in UTC; with and without a zone are two types. Sets are no keys: `<` among them says
which holds the other, which is no order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, time, timezone
from itertools import chain, islice
from operator import itemgetter, le
from typing import Any, NamedTuple

from ...core.codec import KEY_TYPES, KEYS_ARE, Unsupported
from ...core.errors import DataTypeError

Pair = tuple[Any, Any]
_first = itemgetter(0)
_second = itemgetter(1)
#: Keys from which on it pays to look closer before they are sorted, how many of them are looked at, and the share of
#: these that are not behind the next one, if all are in order for the most part.
_MANY, _LOOK, _IN_ORDER = 4096, 256, 0.9
#: Parts that compare with each other and are one type at their place.
_ONE_TYPE: tuple[set[type], ...] = ({str}, {bytes}, {int})
#: What keys that are tuples may hold without a closer look.
_PLAIN_PARTS = frozenset({str, bytes, int})
#: What may have a zone; what has no order; what may hold either.
_ZONED, _SETS, _LISTS = frozenset({datetime, time}), frozenset({set, frozenset}), frozenset({tuple, list})
_LOOKED_INTO = _ZONED | _LISTS


class KeyKinds:
    """The types of keys and of what keys that are tuples hold, noted while these are in the cache."""

    def __init__(self) -> None:
        self._kinds: set[type] = set()
        self._inner: set[type] = set()

    def note(self, keys: Collection[Any]) -> None:
        self._kinds.update(map(type, keys))
        if self._kinds == {tuple}:
            self._inner.update(map(type, chain.from_iterable(keys)))

    @property
    def are_plain(self) -> bool:
        """Whether none of the keys can be one that `check_keys` refuses."""
        return self._kinds in _ONE_TYPE or (self._kinds == {tuple} and self._inner <= _PLAIN_PARTS)


def check_keys(keys: Collection[Any]) -> None:
    """Raise DataTypeError unless every key is of a type that is carried and all are of one type."""
    kinds = set(map(type, keys))
    if kinds in ({str}, {bytes}, {int}):
        return
    for kind in kinds - KEY_TYPES:
        sample = next(key for key in keys if type(key) is kind)
        raise Unsupported(f"key {sample!r} is of type {kind.__name__}; a key is {KEYS_ARE}: {way_out(kind)}")
    if len(kinds) > 1:
        samples: dict[type, Any] = {}
        for key in keys:
            samples.setdefault(type(key), key)
        listed = ", ".join(f"{key!r} ({kind.__name__})" for kind, key in samples.items())
        raise DataTypeError(f"keys of one job must be of one type, got {listed}")
    if float in kinds and any(key != key for key in keys):
        raise DataTypeError("a key is NaN, which equals nothing, not even itself: map it to None or a word")
    if kinds & _ZONED:
        _check_zones(keys)
    if tuple in kinds:
        check_parts(keys)


def check_parts(keys: Collection[tuple[Any, ...]]) -> None:
    """The same for the parts of tuple keys."""
    kinds = set(map(type, chain.from_iterable(keys)))
    for kind in kinds - KEY_TYPES:
        sample = next(key for key in keys if kind in map(type, key))
        raise Unsupported(f"key {sample!r} holds a {kind.__name__}; a key is {KEYS_ARE}: {way_out(kind)}")
    if float in kinds and any(part != part for key in keys for part in key):
        raise DataTypeError("a key holds NaN, which equals nothing: map it to None or a word")
    while kinds & _LOOKED_INTO:
        parts = list(chain.from_iterable(key for key in keys if type(key) in _LISTS))
        kinds = set(map(type, parts))
        for part in parts if kinds & _ZONED else ():
            if type(part) in _ZONED:
                _check_zones((part,))
        if kinds & _SETS:
            raise Unsupported(
                f"a key holds {next(part for part in parts if type(part) in _SETS)!r}: {way_out(set)}"
            )
        keys = parts


def way_out(kind: type) -> str:
    """What to do about a key of this type, or that holds one."""
    if kind in _SETS:
        return "a set has no order; convert it first (`tuple(sorted(...))`)"
    return "convert it first"


def _check_zones(moments: Collection[Any]) -> None:
    """Raise DataTypeError for datetimes or times in another zone than UTC, or of which some have a zone."""
    for item in moments:
        if item.tzinfo is not None and (type(item.tzinfo) is not timezone or item.tzinfo != UTC):
            raise DataTypeError(
                f"key {item!r} is in another zone than UTC; equal keys would be written in whichever zone came first:"
                " convert it first (`.astimezone(timezone.utc)`)"
            )
    naive = next((item for item in moments if item.tzinfo is None), None)
    aware = next((item for item in moments if item.tzinfo is not None), None)
    if naive is not None and aware is not None:
        raise DataTypeError(
            f"keys of one job must be of one type, got {naive!r} (without a zone) and {aware!r} (in UTC)"
        )


def type_names(keys: Iterable[Any]) -> set[str]:
    """The names of the keys' types; of moments and times also whether they have a zone."""
    kinds = set(map(type, keys))
    if not kinds & _ZONED:
        return {kind.__name__ for kind in kinds}
    zoned = {kind.__name__ for kind in kinds - _ZONED}
    for key in keys:
        if type(key) in _ZONED:
            zoned.add(f"{type(key).__name__}{' in UTC' if key.tzinfo else ' without a zone'}")
    return zoned


def sort_keys(keys: list[Any]) -> None:
    """Sort keys in place."""
    try:
        if found := _by_first(keys, keys):
            keys.clear()
            for bucket in found.buckets:
                bucket.sort(key=_second)
                keys += bucket
        else:
            keys.sort()
    except TypeError as error:
        if any(key is not None for key in keys):
            raise _incomparable(keys, error) from error


def sort_order(keys: Sequence[Any], numbers: Iterable[int] | None = None) -> list[int]:
    """The numbers (of all keys, or those given) in the order of their keys, stably.

    Keys that come as sorted stretches cost one comparison each (timsort).
    """
    order = list(range(len(keys)) if numbers is None else numbers)
    if numbers is not None and keys and type(keys[0]) is tuple:
        return gather(sort_order([keys[number] for number in order]), order)[0]
    try:
        if found := _by_first(keys, order):
            for bucket in found.buckets:
                bucket.sort(key=found.seconds.__getitem__)
            return list(chain.from_iterable(found.buckets))
        order.sort(key=keys.__getitem__)
    except TypeError as error:
        if any(key is not None for key in keys):
            raise _incomparable(keys, error) from error
    return order


class _ByFirst(NamedTuple):
    """What belongs to keys that are pairs, in lists by the first parts of their keys, these in order."""

    buckets: list[list[Any]]
    #: The second part of each key.
    seconds: list[Any]


def _by_first(keys: Sequence[Any], items: Iterable[Any]) -> _ByFirst | None:
    """The items of keys by the first parts of these: to sort each list by the second parts sorts all.

    That costs a fraction of what it costs to compare pairs. Nothing where it does not: of keys in order already, or
    with many first parts, or with parts of several types. Each key is looked at once: most are not in the cache.
    """
    if len(keys) < _MANY or type(keys[0]) is not tuple:
        return None
    sample = keys[:: len(keys) // _LOOK]
    if set(map(len, sample)) != {2} or len(set(map(_first, sample))) > _LOOK // 2 or _ascend(keys):
        return None
    buckets: defaultdict[Any, list[Any]] = defaultdict(list)
    seconds: list[Any] = []
    add = seconds.append
    try:
        for item, (first, second) in zip(items, keys, strict=True):
            buckets[first].append(item)
            add(second)
    except ValueError:  # not all keys are pairs
        return None
    if set(map(type, buckets)) in _ONE_TYPE and set(map(type, seconds)) in _ONE_TYPE:
        return _ByFirst([buckets[first] for first in sorted(buckets)], seconds)
    return None


def _ascend(keys: Sequence[Any]) -> bool:
    """Whether keys are in order for the most part, as where sorted stretches follow each other."""
    step = len(keys) // _LOOK
    places = range(0, len(keys) - 1, step)
    return sum(1 for at in places if keys[at] <= keys[at + 1]) > len(places) * _IN_ORDER


def in_order(keys: Sequence[Any]) -> bool:
    """Whether keys are in order already; found out at the first that is not."""
    try:
        return all(map(le, keys, islice(keys, 1, None)))
    except TypeError:
        return False


def gather(order: Sequence[int], *columns: Sequence[Any]) -> tuple[list[Any], ...]:
    """Each column's items by their numbers."""
    if len(order) < 2:
        return tuple([column[number] for number in order] for column in columns)
    pick = itemgetter(*order)
    return tuple(list(pick(column)) for column in columns)


def sort_pairs(pairs: list[Pair]) -> None:
    """Sort by key in place, stably. Already sorted stretches cost one comparison a pair (timsort)."""
    try:
        pairs.sort(key=_first)
    except TypeError as error:
        if any(key is not None for key, _ in pairs):
            raise _incomparable([key for key, _ in pairs], error) from error


def _incomparable(keys: Sequence[Any], error: TypeError) -> DataTypeError:
    shapes: dict[str, Any] = {}
    for key in keys:
        shapes.setdefault(_shape(key), key)
    listed = ", ".join(f"{key!r} ({shape})" for shape, key in list(shapes.items())[:4])
    return DataTypeError(
        f"keys do not compare ({error}): a job's keys must all be of one shape, got {listed}"
    )


def _shape(key: Any) -> str:
    if isinstance(key, tuple):
        return f"({', '.join(map(_shape, key))})"
    return type_names((key,)).pop()
