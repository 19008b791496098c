"""`order_by` and `limit`: one more step, whose keys are what the result is to be sorted by.

Its shuffle key is (order, key): rows of equal order come by key, so that the result is the same for any
number of tasks. Bounds between its partitions are sampled, as for any job in total order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from ..aggregators import Aggregator
from ..core.errors import ConfigError, DataTypeError
from .job import Job
from .partitioners import Hash, Range

#: A map task keeps the first rows of a limit of up to so many; beyond it all rows are shuffled.
_LARGEST_HEAP = 100_000
_LEAST_HEAP = 1024
_ORDERED = frozenset({type(None), bool, int, float, str, bytes, date})
_WORDS = ("key", "-key", "value", "-value")
_COMPLEMENT = bytes(range(255, -1, -1))
_FIRST, _STEP = datetime.min.replace(tzinfo=UTC), timedelta(microseconds=1)
_DIGITS = str.maketrans("0123456789", "9876543210")

Pair = tuple[Any, Any]


def ordered(cls: type[Job], steps: list[type[Any]]) -> list[type[Any]]:
    """`steps`, which are those of `cls`, and whatever else puts their result in order.

    Raises ConfigError for an `order_by` or a `limit` that is none.
    """
    name, wanted, limit = cls.__name__, cls.order_by, cls.limit
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
        raise ConfigError(f"{name}.limit: expected an integer >= 1, got {limit!r}")
    if wanted is None and limit is None:
        return steps
    if not (wanted is None or wanted in _WORDS or callable(wanted)):
        raise ConfigError(
            f"{name}.order_by: expected {', '.join(map(repr, _WORDS))} or a method order_by(self, key, value),"
            f" got {wanted!r}"
        )
    if limit is None and wanted == "key" and not cls.descending and steps == [cls] and _keeps_keys(cls):
        return [type(name, (cls,), {"partitioner": Range(), "order_by": None, "__module__": cls.__module__})]
    return [*steps, type(f"{name}Ordered", (Ordered,), {"source": cls, "limit": limit})]


def _keeps_keys(cls: type[Job]) -> bool:
    """Whether the keys of the results are those that are shuffled, so that their order is enough."""
    plain = cls.reducer is None or isinstance(cls.reducer, Aggregator)
    hooks = (cls.reducer_init, cls.reducer_final) == (Job.reducer_init, Job.reducer_final)
    return plain and hooks and cls.shuffle and type(cls.partitioner) in (Hash, Range)


class Ordered(Job):
    """The step that sorts. `source` is the class that has `order_by`; `limit` rows pass at most."""

    source: ClassVar[type[Job]]
    partitioner = Range()

    def __init__(self, params: dict[str, Any] | None = None) -> None:
        super().__init__(params)
        self._order = _order(self.source(params))
        #: Rows of the result that are written already, here or by earlier invocations of the attempt.
        self.written = 0
        self._first: First | None = None
        if self.limit is not None and self.limit <= _LARGEST_HEAP:
            self._first = First(self.limit)

    def mapper(self, key: Any, value: Any) -> Any:
        pair = (self._order(key, value), key), value
        if self._first is None:
            return (pair,)
        self._first.add(pair)
        return ()

    def mapper_final(self) -> Any:
        """What is among the first rows of this task; the mapper itself lets nothing pass."""
        return self._first.take() if self._first else ()

    def reducer(self, key: Any, values: Iterator[Any]) -> Iterator[Pair]:
        own = key[1]
        for value in values:
            if self.limit is not None and self.written >= self.limit:
                return
            self.written += 1
            yield own, value


class First:
    """The first `count` of all pairs by their keys; of equal keys those that came first. Holds twice as many."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._room = max(2 * count, _LEAST_HEAP)
        self._held: list[Pair] = []
        #: The key of the last that can still be among the first; nothing before there are enough.
        self._last: list[Any] = []

    def add(self, pair: Pair) -> None:
        if self._last and not pair[0] < self._last[0]:
            return
        self._held.append(pair)
        if len(self._held) >= self._room:
            self._cut()

    def take(self) -> list[Pair]:
        self._cut()
        found, self._held, self._last = self._held, [], []
        return found

    def _cut(self) -> None:
        try:
            self._held.sort(key=_key)
        except TypeError as error:
            raise DataTypeError(f"order_by: rows that do not compare with each other: {error}") from error
        del self._held[self._count :]
        if len(self._held) == self._count:
            self._last = [self._held[-1][0]]


def _key(pair: Pair) -> Any:
    return pair[0]


def _order(job: Job) -> Callable[[Any, Any], Any]:
    """From a row to what it is sorted by; keys that ascend as the wanted order does."""
    wanted = job.order_by
    turned = job.descending
    if callable(wanted):
        given: Callable[[Any, Any], Any] = wanted
    else:
        word = wanted or "key"
        turned ^= word.startswith("-")
        if word.endswith("key"):
            # The key itself is part of the shuffle key already.
            return (lambda key, _: descending(key)) if turned else (lambda _key, _value: None)
        given = _value
    ways = descending if turned else ascending
    return lambda key, value: ways(given(key, value))


def _value(_: Any, value: Any) -> Any:
    return value


def ascending(item: Any) -> Any:
    """The same as something that may be in a key and sorts as `item` does."""
    kind = type(item)
    if kind is Decimal:
        return _decimal(item)
    if kind is list or kind is tuple:
        return tuple(map(ascending, item))
    if kind is datetime or kind is time:
        return _moment(item)
    if kind in _ORDERED and item == item:
        return item
    raise _no_order(item)


def descending(item: Any) -> Any:
    """Something that may be in a key and sorts the other way round than `item` does."""
    kind = type(item)
    if kind is str:
        return _reversed(item.encode("utf-8", "surrogatepass"))
    if kind is bytes:
        return _reversed(item)
    if kind is Decimal:
        return _decimal(-item)
    if kind is list or kind is tuple:
        # 0: another part follows, 1: the end; so a tuple comes after those that it begins.
        return (*(part for inner in item for part in (0, descending(inner))), 1)
    if kind is datetime or kind is time:
        return tuple(map(descending, _moment(item)))
    if kind is date:
        return -item.toordinal()
    if kind in _ORDERED and item == item:
        return None if item is None else -item
    raise _no_order(item)


def _moment(item: datetime | time) -> tuple[int, int]:
    """0 without a zone, 1 with one, since they do not compare, and microseconds (in UTC)."""
    if isinstance(item, datetime):
        naive = item.tzinfo is None
        return int(not naive), (item - (datetime.min if naive else _FIRST)) // _STEP
    past = timedelta(hours=item.hour, minutes=item.minute, seconds=item.second, microseconds=item.microsecond)
    ahead = item.utcoffset()
    return int(ahead is not None), (past - (ahead or timedelta())) // _STEP


def _no_order(item: Any) -> DataTypeError:
    what = "NaN" if item != item else f"{item!r:.200}, a {type(item).__name__},"
    return DataTypeError(
        f"order_by: {what} has no order: expected a number, text, bytes, a date or time, or a tuple of them"
    )


def _reversed(data: bytes) -> bytes:
    """Bytes of the opposite order: zero bytes escaped, an end that sorts before all else, then the complement."""
    return (data.replace(b"\0", b"\0\1") + b"\0\0").translate(_COMPLEMENT)


def _decimal(number: Decimal) -> tuple[int, int, str]:
    """(sign, exponent of the first digit, digits): sorts as the numbers do; exact."""
    if number.is_nan() or number.is_infinite():
        raise DataTypeError(f"order_by: {number} has no place among numbers: expected a finite Decimal")
    if not number:
        return 0, 0, ""
    digits = "".join(map(str, number.as_tuple().digits)).lstrip("0").rstrip("0")
    if number > 0:
        return 1, number.adjusted(), digits
    return -1, -number.adjusted(), digits.translate(_DIGITS) + ":"  # the end sorts behind every digit
