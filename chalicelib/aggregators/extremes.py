"""The least, the greatest, the first, the last, the top n."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from itertools import groupby, islice
from math import isnan
from operator import eq, gt, itemgetter, lt
from typing import Any

from .base import NOTHING, Aggregator, Batched, PairRefused, Pairs, Table, unpacking
from .values import Part, check_order, parts, positive, rank, shown

_order = itemgetter(0)
#: Kinds of which equal values are the same.
_EXACT = frozenset({int, str, bytes, bool, date})


class _Extreme(Aggregator):
    _better: Callable[[Any, Any], bool]
    #: Which of values in order is that one, and which might tie with it.
    _places: tuple[int, int]

    def lift(self, value: Any) -> Any:
        return check_order(value)

    def merge(self, left: Any, right: Any) -> Any:
        if self._better(right, left):
            return right
        return left if self._better(left, right) else _tie(left, right)

    def absorb(self, table: Table, pairs: Pairs) -> None:
        get, better = table.get, self._better
        with unpacking():
            for key, value in pairs:
                try:
                    old = get(key, NOTHING)
                    if old is NOTHING:
                        table[key] = check_order(value)
                    elif better(value, old):
                        table[key] = value
                    elif not better(old, value):
                        table[key] = _tie(old, value)
                except (TypeError, ValueError) as error:
                    raise PairRefused(key, value, error) from error

    def lift_column(self, values: list[Any]) -> list[Any]:
        return values if _all_compare(values) else super().lift_column(values)

    def lift_groups(self, groups: list[list[Any]]) -> list[Any]:
        if not _all_compare([group[0] for group in groups]):
            return super().lift_groups(groups)
        return list(map(self._extreme, groups))

    def lift_ordered(self, groups: list[list[Any]]) -> list[Any]:
        best, next_ = self._places
        return [
            group[best] if len(group) == 1 or group[best] != group[next_] else self._extreme(group)
            for group in groups
        ]

    def merge_columns(self, left: list[Any], right: list[Any]) -> list[Any]:
        better = self._better
        return [
            b if better(b, a) else a if better(a, b) else _tie(a, b) for a, b in zip(left, right, strict=True)
        ]

    def finish_column(self, states: list[Any]) -> list[Any]:
        return states

    def _extreme(self, values: list[Any]) -> Any:
        """Of values the first of which compares."""
        better = self._better
        best = values[0]
        for value in values:
            if better(value, best):
                best = value
            elif not better(best, value):
                best = _tie(best, value)
        return best


class Min(_Extreme):
    """The least value. State: that value.

    Values must compare with each other (TypeError) and not be NaN (ValueError). Of values that are equal
    and yet not the same (1 and 1.0, 0.0 and -0.0) it is the same one in any order.
    """

    _better = staticmethod(lt)
    _places = (0, 1)


class Max(_Extreme):
    """The greatest value; as `Min` in all else."""

    _better = staticmethod(gt)
    _places = (-1, -2)


class _Edge(Aggregator):
    def __init__(self, by: Part | None = None) -> None:
        self._by = by

    def lift(self, value: Any) -> Any:
        if self._by is not None:
            return check_order(parts(self._by, [value])[0]), value
        if not isinstance(value, tuple | list) or len(value) != 2:
            raise TypeError(f"{type(self).__name__}: expected (order, value) or by=..., got {shown(value)}")
        return check_order(value[0]), value[1]

    def finish(self, state: Any) -> Any:
        return state[1]


class First(_Edge):
    """The value that comes first in an order. State: that order and that value.

    Values are (order, value) pairs, or `by` says what of a value its order is: a key of a dict, a place
    in a tuple, a function. Of values of one order it is the least (see `Distinct` for how any values are
    ordered). Orders must compare with each other (TypeError) and not be NaN (ValueError).
    """

    def merge(self, left: Any, right: Any) -> Any:
        if left[0] == right[0]:
            return min(left, right, key=_rank)
        return right if right[0] < left[0] else left


class Last(_Edge):
    """The value that comes last in an order; of one order the greatest. As `First` in all else."""

    def merge(self, left: Any, right: Any) -> Any:
        if left[0] == right[0]:
            return max(left, right, key=_rank)
        return right if right[0] > left[0] else left


class Top(Batched):
    """The `n` greatest values as a list, the greatest first; repeated values count as often as they come.

    `by` says what of a value its order is: a key of a dict, a place in a tuple, a function (for the least
    numbers, `lambda value: -value`). Values of one order stand from the least on. Orders must compare
    with each other (TypeError) and not be NaN (ValueError). State: at most `n` orders and values.
    """

    def __init__(self, n: int, by: Part | None = None) -> None:
        self._n = positive(self, "n", n)
        self._by = by

    def batch(self, values: list[Any]) -> list[list[Any]]:
        orders = self._orders(values)
        pairs = zip(orders, values, strict=True)
        if len(values) > self._n:
            limit = sorted(orders, reverse=True)[self._n - 1]
            return self._best([[order, value] for order, value in pairs if not order < limit])
        return self._best(list(map(list, pairs)))

    def extend(self, state: list[list[Any]], values: list[Any]) -> list[list[Any]]:
        own = type(self)
        if len(state) < self._n or own.batch is not Top.batch or own.merge is not Top.merge:
            return self.merge(state, self.batch(values))
        limit, orders = state[-1][0], self._orders(values)
        some = [[order, value] for order, value in zip(orders, values, strict=True) if not order < limit]
        return self._best(state + some) if some else state

    def merge(self, left: list[list[Any]], right: list[list[Any]]) -> list[list[Any]]:
        if len(left) == self._n:
            limit = left[-1][0]
            right = [item for item in right if not item[0] < limit]
        return self._best(left + right) if right else left

    def finish(self, state: list[list[Any]]) -> list[Any]:
        return [value for _, value in state]

    def _best(self, items: list[list[Any]]) -> list[list[Any]]:
        items.sort(key=_order, reverse=True)
        if len(items) > self._n:
            limit = items[self._n - 1][0]
            items = [item for item in items if not item[0] < limit]
        orders = list(map(_order, items))
        if any(map(eq, orders, islice(orders, 1, None))):
            items = [item for _, tied in groupby(items, _order) for item in _in_rank(list(tied))]
        return items[: self._n]

    def _orders(self, values: list[Any]) -> list[Any]:
        orders = parts(self._by, values)
        return orders if _all_compare(orders) else list(map(check_order, orders))


def _all_compare(values: list[Any]) -> bool:
    """Whether each of them surely compares with itself, as `check_order` wants it."""
    kinds = set(map(type, values))
    if kinds == {float}:
        return not any(map(isnan, values))
    return not any(map(Decimal.is_nan, values)) if kinds == {Decimal} else kinds <= _EXACT


def _in_rank(tied: list[Any]) -> list[Any]:
    """(order, value) of one order, from the least value on."""
    if len(tied) > 1:
        tied.sort(key=_rank)
    return tied


def _rank(item: Any) -> Any:
    """The rank of the value of an (order, value)."""
    return rank(item[1])


def _tie(left: Any, right: Any) -> Any:
    """One of two values of which neither is better. Raises ValueError if they are not equal either."""
    if type(left) is type(right) and (type(left) in _EXACT or (type(left) is float and left == right != 0)):
        return left
    if left != right:
        check_order(right)
        raise ValueError(f"{shown(left)} and {shown(right)} do not compare")
    return min(left, right, key=rank)
