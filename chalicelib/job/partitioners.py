"""Which partition a key belongs to: the same on every engine and in every process.

`Hash` is the default: a stable hash of the encoded key, never Python's `hash()`. Keys that are equal in
Python (`1`, `1.0`, `True`) are one key, so they hash alike. `Range` puts keys in order over the
partitions, so that the parts, one after the other, are sorted from end to end.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice, pairwise
from typing import Any
from zlib import crc32

import msgspec

from ..core.codec import CALENDAR, Unsupported, surrogate_text
from ..core.errors import DataTypeError

_encode = msgspec.msgpack.Encoder().encode
_EXACT = frozenset({str, bytes, type(None)})
#: Keys that are hashed together.
_FEW = 2048
#: What `_canonical` leaves alone.
_ENCODED_AS_THEY_ARE = _EXACT | {int}


def key_bytes(key: Any) -> bytes:
    """The canonical encoding of a key: UTF-8 of text, bytes as they are, else msgpack."""
    if type(key) is str:
        return key.encode()
    if type(key) is bytes:
        return key
    try:
        return _encode(_canonical(key))
    except OverflowError:
        return repr(_canonical(key)).encode()


def _canonical(key: Any) -> Any:
    """Equal numbers as one number; moments as text, without their fold, by which equal ones may differ."""
    kind = type(key)
    if kind in _EXACT:
        return key
    if kind is bool:
        return int(key)
    if kind is float and key.is_integer():
        return int(key)
    if kind is tuple:
        return tuple(map(_canonical, key))
    return key.isoformat() if kind in CALENDAR else key


class Partitioner:
    """Base of all partitioners: write `partitions_of`."""

    #: Partitions are in key order, so sorted keys need only be cut.
    ordered = False

    def partitions_of(self, keys: Collection[Any], partitions: int) -> Iterable[int]:
        """The partition, from 0 up to `partitions - 1`, of each key in turn."""
        raise NotImplementedError(
            f"{type(self).__name__}: partitions_of(self, keys, partitions) is not written"
        )

    def codes(self, keys: Collection[Any], partitions: int) -> Iterable[int]:
        """What gives each key's partition when divided by their number, as cheaply as can be had."""
        return self.partitions_of(keys, partitions)

    def scatter(self, keys: Collection[Any], items: Iterable[Any], partitions: int) -> list[list[Any]]:
        """For each partition the items whose keys belong to it, in the order given.

        Raises Unsupported for text that is not valid Unicode.
        """
        parts: list[list[Any]] = [[] for _ in range(partitions)]
        appends = [part.append for part in parts]
        with _valid_text():
            for item, code in zip(items, self.codes(keys, partitions), strict=True):
                appends[code % partitions](item)
        return parts

    def scatter_table(self, table: dict[Any, Any], partitions: int) -> list[tuple[list[Any], list[Any]]]:
        """For each partition its keys and their values, in the table's order. Raises as `scatter` does."""
        if partitions == 1:
            return [(list(table), list(table.values()))]
        parts: list[tuple[list[Any], list[Any]]] = [([], []) for _ in range(partitions)]
        appends = [(keys.append, values.append) for keys, values in parts]
        with _valid_text():
            for (key, value), code in zip(table.items(), self.codes(table, partitions), strict=True):
                add_key, add_value = appends[code % partitions]
                add_key(key)
                add_value(value)
        return parts

    def cuts(self, keys: Sequence[Any], partitions: int) -> Iterator[tuple[int, int, int]]:
        """(partition, start, stop) of the stretches of sorted keys; for an `ordered` partitioner."""
        raise NotImplementedError(f"{type(self).__name__} is not ordered")


class Hash(Partitioner):
    """CRC-32 of the encoded key, modulo the number of partitions."""

    def partitions_of(self, keys: Collection[Any], partitions: int) -> Iterable[int]:
        """Raises Unsupported for text that is not valid Unicode."""
        with _valid_text():
            return [code % partitions for code in self.codes(keys, partitions)]

    def codes(self, keys: Collection[Any], partitions: int) -> Iterable[int]:  # noqa: ARG002
        return chain.from_iterable(map(self._codes, _some(keys)))

    @staticmethod
    def _codes(keys: list[Any]) -> Iterable[int]:
        kinds = set(map(type, keys))
        if kinds == {bytes}:
            return map(crc32, keys)
        if kinds == {str}:
            return map(crc32, map(str.encode, keys))
        if kinds == {int} or (
            kinds == {tuple} and set(map(type, chain.from_iterable(keys))) <= _ENCODED_AS_THEY_ARE
        ):
            try:
                return list(map(crc32, map(_encode, keys)))
            except OverflowError:
                pass  # an int over 64 bits has an encoding of its own
        return map(crc32, map(key_bytes, keys))


def _some(keys: Iterable[Any]) -> Iterator[list[Any]]:
    """Some keys after the other: few enough that what is looked at twice is in the cache still."""
    rest = iter(keys)
    while some := list(islice(rest, _FEW)):
        yield some


@contextmanager
def _valid_text() -> Iterator[None]:
    try:
        yield
    except UnicodeEncodeError as error:
        raise Unsupported(surrogate_text(error)) from error


class Range(Partitioner):
    """Total order: all keys of a partition come before those of the next.

    The coordinator runs the mapper over `samples` evenly placed pieces of the input and chooses the
    bounds so that partitions are about even; they are written in the plan, the same for every task.
    """

    ordered = True

    def __init__(self, samples: int = 64, bounds: Sequence[Any] = ()) -> None:
        self.samples = samples
        self.bounds = bounds

    def with_bounds(self, bounds: Sequence[Any]) -> Range:
        return Range(self.samples, bounds)

    def partitions_of(self, keys: Collection[Any], partitions: int) -> Iterable[int]:
        last = partitions - 1
        return [min(bisect_right(self.bounds, key), last) for key in keys]

    def cuts(self, keys: Sequence[Any], partitions: int) -> Iterator[tuple[int, int, int]]:
        bounds = self.bounds[: partitions - 1]
        edges = [0, *(bisect_left(keys, bound) for bound in bounds), len(keys)]
        return ((number, start, stop) for number, (start, stop) in enumerate(pairwise(edges)) if start < stop)


class FirstLetter(Partitioner):
    """By the first character of text (or byte of bytes), whatever its script; the empty key comes first."""

    ordered = False

    def partitions_of(self, keys: Collection[Any], partitions: int) -> Iterable[int]:
        return [self._letter(key) % partitions for key in keys]

    @staticmethod
    def _letter(key: Any) -> int:
        if type(key) not in (str, bytes):
            raise DataTypeError(f"FirstLetter() wants keys that are text, got {key!r} ({type(key).__name__})")
        if not key:
            return 0
        return ord(key[0].casefold()[0]) if type(key) is str else int(key[0])


class Random(Partitioner):
    """By turns, whatever the key: for a hot key and a reducer that is slow. A job with it is two steps.

    In the first every partition reduces its share of a key's values, in the second the same reducer what
    they gave. So it must be an aggregator, or a method that may be given its own results, as a combiner.
    """

    def partitions_of(self, keys: Collection[Any], partitions: int) -> Iterable[int]:
        start = crc32(key_bytes(next(iter(keys)))) if keys else 0  # for else the first would get the most
        return [number % partitions for number in range(start, start + len(keys))]


class ByFunction(Partitioner):
    """The user's `partitioner(self, key, n)`; its answer is taken modulo `n`."""

    def __init__(self, function: Callable[[Any, int], int]) -> None:
        self._function = function

    def partitions_of(self, keys: Collection[Any], partitions: int) -> Iterable[int]:
        function = self._function
        numbers = [function(key, partitions) for key in keys]
        if set(map(type, numbers)) - {int, bool}:
            bad = next(number for number in numbers if not isinstance(number, int))
            raise DataTypeError(f"partitioner(self, key, n): expected an int, got {bad!r}")
        return [number % partitions for number in numbers]
