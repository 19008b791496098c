"""How much memory pairs take, by looking closely at a few of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from sys import getsizeof
from typing import Any

#: Bytes of a dict's slot for one entry, at the load it has on average.
DICT_SLOT = 104
#: Bytes of a list's slot, with its room to grow.
LIST_SLOT = 9
#: Bytes a pair takes in the lists that sort it into partitions and cut it into columns.
DRAIN_SLOTS = 4 * 8
#: Bytes of a pair's number in the list by which columns are put in order.
ORDER = 8 + 32
#: Bytes of a pair's tuple.
PAIR = 56
_HOLDERS = frozenset({tuple, list, set, frozenset})
#: Of so many rows one is looked at.
_STEP = 16
_FLAT = frozenset({str, bytes, int, float, bool, type(None)})


def deep_size(item: Any) -> int:
    """Bytes of an object and all it holds; shared parts are counted every time."""
    size = getsizeof(item)
    if type(item) in _FLAT:
        return size
    if isinstance(item, dict):
        return size + sum(map(deep_size, chain.from_iterable(item.items())))
    if isinstance(item, tuple | list | set | frozenset):
        return size + sum(map(deep_size, item))
    return size


def row_bytes(pairs: Sequence[tuple[Any, Any]]) -> int:
    """About what pairs take as rows: by a few of them, the bytes of text that these hold and eight for all else.

    The same on every Python, so that what is cut by it is.
    """
    few = pairs[::_STEP]
    return sum(map(_carried, few)) * len(pairs) // len(few) if few else 0


def _carried(item: Any) -> int:
    kind = type(item)
    if kind is str or kind is bytes:
        return len(item)
    if kind is dict:
        return sum(map(_carried, chain.from_iterable(item.items())))
    return sum(map(_carried, item)) if kind in _HOLDERS else 8


def mean_size(items: Iterable[Any]) -> float:
    """Mean of the items' deep sizes; 0 for none."""
    sizes = [deep_size(item) for item in items]
    return sum(sizes) / len(sizes) if sizes else 0.0
