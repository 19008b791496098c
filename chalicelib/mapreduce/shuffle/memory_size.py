"""How much memory pairs take, by looking closely at a few of them."""

from __future__ import annotations

from collections.abc import Iterable
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


def mean_size(items: Iterable[Any]) -> float:
    """Mean of the items' deep sizes; 0 for none."""
    sizes = [deep_size(item) for item in items]
    return sum(sizes) / len(sizes) if sizes else 0.0
