"""What aggregators must know of values: their parts, their order, which are the same.

Results may not depend on how values were cut into tasks, so whatever ties or repeats needs one rule.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from datetime import date, datetime, time
from itertools import chain
from math import nan
from operator import itemgetter
from typing import Any

from ..core.codec import CALENDAR, calendar_text, decode_column, encode_column

_SETS, _LISTS = frozenset({set, frozenset}), frozenset({tuple, list})
_HOLDERS = _SETS | _LISTS
#: Where those without a zone stand among dates and times; those with one come behind.
_PLACE: dict[type[Any], int] = {date: 0, datetime: 1, time: 3}

#: How a part of a value is named: a dict's key, a place in a tuple or list, or a function of the value.
Part = str | int | Callable[[Any], Any]


def getter(part: Part | None) -> Callable[[Any], Any]:
    """A function that gives a part of a value; None is the whole. What it raises, `no_part` explains."""
    if part is None:
        return _whole
    if isinstance(part, str | int) and not isinstance(part, bool):
        return itemgetter(part)
    if callable(part):
        return part
    raise TypeError(f"expected a dict's key, a place in a tuple or a function, got {shown(part)}")


#: What a getter may raise at a value that has no such part.
NO_PART = (LookupError, TypeError, AttributeError)


def no_part(part: Part | None, value: Any, error: Exception) -> ValueError:
    """The error to raise for a value that lacks a part."""
    name = getattr(part, "__name__", None) or repr(part)
    return ValueError(f"there is no {name} in {shown(value)}: {type(error).__name__}: {error}")


def parts(part: Part | None, values: list[Any]) -> list[Any]:
    """That part of each value."""
    if part is None:
        return values
    get = getter(part)
    found: list[Any] = []
    try:
        found.extend(map(get, values))
    except NO_PART as error:
        # extend keeps what came before the one that failed
        raise no_part(part, values[len(found)], error) from error
    return found


def shown(value: Any) -> str:
    """A value for a message: `'x' (str)`, cut where it is long."""
    text = repr(value)
    return f"{text if len(text) <= 80 else text[:77] + '...'} ({type(value).__name__})"


def check_order(order: Any) -> Any:
    """The same. Raises TypeError for what does not compare (None, a dict), ValueError for NaN."""
    try:
        compares = order <= order
    except TypeError as error:
        raise TypeError(f"expected a value that compares with others, got {shown(order)}") from error
    if type(order) in _HOLDERS and hold_set((order,)):
        raise TypeError(f"expected a value that compares with others, got {shown(order)}: a set has no order")
    if not compares or (type(order) is tuple and any(item != item for item in order)):
        raise ValueError(f"{shown(order)} is or holds NaN, which has no place in an order: leave it out")
    return order


def hold_set(values: Collection[Any]) -> bool:
    """Whether one of them is a set or holds one, for which `<` says something else than an order."""
    kinds = set(map(type, values))
    while not kinds & _SETS:
        if not kinds & _LISTS:
            return False
        values = list(chain.from_iterable(value for value in values if type(value) in _LISTS))
        kinds = set(map(type, values))
    return True


def rank(value: Any) -> tuple[Any, ...]:
    """A sort key that puts any two values that Sluice carries in order, and only the same ones in one place.

    None, NaN, numbers by size, text, bytes, tuples and lists, dicts, dates, moments without a zone, moments, times
    without a zone, times, sets; within each Python's own order, of sets that of what they hold, in this order.
    Equal numbers of two types go by the type's name, those of one type (0.0 and -0.0) by their text.
    """
    kind = type(value)
    if kind is str:
        return 3, value
    if value is None:
        return (0,)
    if kind is bytes:
        return 4, value
    if kind is tuple or kind is list:
        return 5, list(map(rank, value)), kind.__name__
    if kind is dict:
        items = [(rank(key), rank(item)) for key, item in value.items()]
        return 6, sorted(items), items
    if kind in CALENDAR:
        return 7, _PLACE[kind] + (kind is not date and value.tzinfo is not None), value, calendar_text(value)
    if kind is set or kind is frozenset:
        return 8, sorted(map(rank, value)), kind.__name__
    if value != value:
        return 1, kind.__name__
    return 2, value, kind.__name__, str(value)


def ranked(values: Iterable[Any]) -> list[Any]:
    """The values in the order of `rank`."""
    found = list(values)
    plain = set(map(type, found)) in ({str}, {int}, {bytes}, {date})
    found.sort(key=None if plain else rank)
    return found


def identity(value: Any) -> str | int | bytes:
    """What is equal for the same values only: 1, 1.0 and True are three, 0.0 and -0.0 two, NaN is one.

    Text and ints stand for themselves, all else for its encoding. Raises Unsupported for what is not carried.
    """
    if type(value) is str or type(value) is int:
        return value
    return _encoded(value)


def of_identity(same: str | int | bytes) -> Any:
    """The value of an identity."""
    return decode_column(same[0], same[1:])[0] if isinstance(same, bytes) else same


def identity_bytes(value: Any) -> bytes:
    """The identity as bytes, to be hashed. Raises ValueError for text that is not valid Unicode."""
    if type(value) is str:
        return b"\xff" + value.encode()
    return _encoded(value)


def count_same(values: Iterable[Any]) -> dict[Any, int]:
    """How often each value comes, by its identity."""
    return dict(Counter(map(identity, values)))


def add_counts(left: dict[Any, int], right: dict[Any, int]) -> dict[Any, int]:
    """`left`, to which the counts of `right` are added."""
    get = left.get
    for same, count in right.items():
        left[same] = get(same, 0) + count
    return left


def positive(owner: object, name: str, number: Any) -> int:
    """An argument that must be an int of at least 1. Raises ValueError."""
    if type(number) is not int or number < 1:
        raise ValueError(f"{type(owner).__name__}: {name}: expected an integer >= 1, got {number!r}")
    return number


def _encoded(value: Any) -> bytes:
    """Its shape in a column, then its bytes; a shape is never 255."""
    shape, body = encode_column([nan if type(value) is float and value != value else value])
    return bytes((shape,)) + body


def _whole(value: Any) -> Any:
    return value
