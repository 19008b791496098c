"""Count, sum, mean, variance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, Inexact
from functools import reduce
from itertools import chain, repeat, starmap
from math import nan
from operator import add, mul, truediv
from typing import Any, Self

from .base import Aggregator, Batched, PairRefused, Pairs, Table, unpacking
from .exact import ExactSum, check_numbers, exact, exact_sum, merge_sums, plus, rounded, rounded_root
from .values import shown

_NUMBERS = (int, float, Decimal)
#: Digits that a sum of Decimals may have; one that needs more is refused, never rounded.
_DIGITS = 5_000
#: Within 10 ** of this, above and below, sums are far from that and no float is far.
_PLAIN_EXPONENT = 300
_decimals = Context(prec=_DIGITS, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[Inexact])


def _no_number(aggregator: Aggregator, value: Any) -> TypeError:
    """What is wrong with a value; of one that has parts, how to add up one of them."""
    name = type(aggregator).__name__
    parts = f": {name}().of(...) takes a part of it" if isinstance(value, dict | tuple | list) else ""
    return TypeError(f"{name}: expected an int, a float or a Decimal, got {shown(value)}{parts}")


class Count(Aggregator):
    """How many values there are, whatever they are. State: one int."""

    def lift(self, value: Any) -> int:  # noqa: ARG002 - a count does not look
        return 1

    def merge(self, left: int, right: int) -> int:
        return left + right

    def absorb(self, table: Table, pairs: Pairs) -> None:
        get = table.get
        with unpacking():
            for key, value in pairs:
                try:
                    table[key] = get(key, 0) + 1
                except TypeError as error:
                    raise PairRefused(key, value, error) from error

    def absorb_states(self, table: Table, pairs: Pairs) -> None:
        get = table.get
        for key, state in pairs:
            try:
                table[key] = get(key, 0) + state
            except TypeError as error:
                raise PairRefused(key, state, error) from error

    def lift_column(self, values: list[Any]) -> list[Any]:
        return [1] * len(values)

    def lift_groups(self, groups: list[list[Any]]) -> list[Any]:
        return list(map(len, groups))

    def fold_groups(self, states: list[Any], groups: list[list[Any]]) -> list[Any]:
        return list(map(add, states, map(len, groups)))

    def merge_columns(self, left: list[Any], right: list[Any]) -> list[Any]:
        return list(map(add, left, right))

    def finish_column(self, states: list[Any]) -> list[Any]:
        return states


class Sum(Aggregator):
    """Sum of numbers. State: one number.

    Values are ints (exact, of any size), Decimals (exact, up to 5 000 digits) or floats, whose sum depends
    in its last digits on the order of addition, and so on how the input is cut into tasks.

    `Sum(exact=True)` takes ints and floats and gives the float that is nearest to their true sum, the same
    for any order; infinities and NaN as float addition has them. It costs two to eight times as much (the
    more keys, the more); a state is some 50 bytes, 700 at the very most.

    Values of one job should be of one kind: Decimals among ints are summed exactly up to 28 digits only,
    Python's decimal context. Raises TypeError for what is no number.
    """

    def __new__(cls, exact: bool = False) -> Self:
        return super().__new__(_ExactSum if exact and cls is Sum else cls)  # type: ignore[return-value]

    def __init__(self, exact: bool = False) -> None:
        self.exact = exact

    def lift(self, value: Any) -> Any:
        if not isinstance(value, _NUMBERS):
            raise _no_number(self, value)
        return value

    def merge(self, left: Any, right: Any) -> Any:
        return _add(left, right)

    def absorb(self, table: Table, pairs: Pairs) -> None:
        first, rest = _peek(pairs)
        if first and type(first[0][1]) is Decimal:
            super().absorb(table, chain(first, rest))
            return
        get = table.get
        with unpacking():
            for some in (first, rest):
                for key, value in some:
                    try:
                        table[key] = get(key, 0) + value
                    except TypeError as error:
                        super().absorb({}, ((key, value),))  # raises, saying what is expected
                        raise PairRefused(key, value, error) from error

    absorb_states = absorb

    def lift_column(self, values: list[Any]) -> list[Any]:
        return _sums_of_one(values) or super().lift_column(values)

    def lift_groups(self, groups: list[list[Any]]) -> list[Any]:
        return _sums(groups) or super().lift_groups(groups)

    def lift_ordered(self, groups: list[list[Any]]) -> list[Any]:
        return [reduce(_decimals.add, group) for group in groups]

    def merge_columns(self, left: list[Any], right: list[Any]) -> list[Any]:
        return _added(left, right)

    def finish_column(self, states: list[Any]) -> list[Any]:
        return states


class _ExactSum(Batched, Sum):
    """State: (n, e, special), see `exact`."""

    def batch(self, values: list[Any]) -> ExactSum:
        return exact_sum(values, "Sum(exact=True)")

    def merge(self, left: ExactSum, right: ExactSum) -> ExactSum:
        return merge_sums(left, right)

    def finish(self, state: ExactSum) -> float:
        n, e, special = state
        return special or rounded(n, e)


class Avg(Aggregator):
    """Arithmetic mean. State: (sum, count).

    Of ints and floats a float, of Decimals a Decimal of 28 digits: the sum, then one division. The sum of
    ints or Decimals is exact. `Avg(exact=True)` takes ints and floats and gives the float that is nearest
    to their true mean, for any order; for its cost, and for values of more than one kind, see `Sum`.
    Raises TypeError for what is no number.
    """

    def __new__(cls, exact: bool = False) -> Self:
        return super().__new__(_ExactAvg if exact and cls is Avg else cls)  # type: ignore[return-value]

    def __init__(self, exact: bool = False) -> None:
        self.exact = exact

    def lift(self, value: Any) -> Any:
        if not isinstance(value, _NUMBERS):
            raise _no_number(self, value)
        return value, 1

    def merge(self, left: Any, right: Any) -> Any:
        return _add(left[0], right[0]), left[1] + right[1]

    def finish(self, state: Any) -> Any:
        return state[0] / state[1]

    def absorb(self, table: Table, pairs: Pairs) -> None:
        first, rest = _peek(pairs)
        if first and type(first[0][1]) is Decimal:
            super().absorb(table, chain(first, rest))
            return
        get = table.get
        with unpacking():
            for some in (first, rest):
                for key, value in some:
                    try:
                        total, count = get(key, (0, 0))
                        table[key] = (total + value, count + 1)
                    except TypeError as error:
                        super().absorb({}, ((key, value),))  # raises, saying what is expected
                        raise PairRefused(key, value, error) from error

    def lift_column(self, values: list[Any]) -> list[Any]:
        sums = _sums_of_one(values)
        return list(zip(sums, repeat(1))) if sums else super().lift_column(values)

    def lift_groups(self, groups: list[list[Any]]) -> list[Any]:
        sums = _sums(groups)
        return list(zip(sums, map(len, groups), strict=True)) if sums else super().lift_groups(groups)

    def lift_ordered(self, groups: list[list[Any]]) -> list[Any]:
        return [(reduce(_decimals.add, group), len(group)) for group in groups]

    def merge_columns(self, left: list[Any], right: list[Any]) -> list[Any]:
        (left_sums, left_counts), (right_sums, right_counts) = (
            zip(*left, strict=True),
            zip(*right, strict=True),
        )
        return list(zip(_added(left_sums, right_sums), map(add, left_counts, right_counts), strict=True))

    def finish_column(self, states: list[Any]) -> list[Any]:
        return list(starmap(truediv, states))


class _ExactAvg(Batched, Avg):
    """State: (count, n, e, special), see `exact`."""

    def batch(self, values: list[Any]) -> Any:
        return len(values), *exact_sum(values, "Avg(exact=True)")

    def merge(self, left: Any, right: Any) -> Any:
        return left[0] + right[0], *merge_sums(left[1:], right[1:])

    def finish(self, state: Any) -> float:
        count, n, e, special = state
        return special or rounded(n, e, count)


class Variance(Batched):
    """Variance of ints or floats: sample (divided by n - 1), or `Variance(population=True)` (by n).

    A float, rounded once from the exact value, so it is the same for any number of tasks; None for a
    sample of one; NaN if a value is infinite or NaN. Raises TypeError for what is no int or float.
    State: the count and the exact sums of x and of x squared, some 100 bytes, 2 KB at the very most.
    """

    _round: Callable[[int, int, int], float] = staticmethod(rounded)

    def __init__(self, population: bool = False) -> None:
        self._population = population

    def batch(self, values: list[Any]) -> Any:
        check_numbers(values, type(self).__name__)
        try:
            numbers = list(map(exact, values))
        except (OverflowError, ValueError):
            return len(values), 0, 0, 0, 0, False
        e = min(e for _, e in numbers)
        scaled = [n << (i - e) for n, i in numbers]
        return len(scaled), sum(scaled), e, sum(map(mul, scaled, scaled)), 2 * e, True

    def merge(self, left: Any, right: Any) -> Any:
        sums = *plus(left[1:3], right[1:3]), *plus(left[3:5], right[3:5])
        return left[0] + right[0], *sums, left[5] and right[5]

    def finish(self, state: Any) -> float | None:
        count, n, e, squares, e2, finite = state
        divisor = count if self._population else count - 1
        if not divisor:
            return None
        if not finite:
            return nan
        return self._round(*plus((squares * count, e2), (-n * n, 2 * e)), count * divisor)


class StdDev(Variance):
    """Standard deviation, the square root of the exact variance, rounded once; as `Variance` in all else."""

    _round = staticmethod(rounded_root)


def _peek(pairs: Pairs) -> tuple[list[tuple[Any, Any]], Iterator[tuple[Any, Any]]]:
    """The first pair, if there is one, and the rest.

    The first is a tuple of its own, since `zip` makes no new tuple for each pair as long as nobody keeps the last.
    """
    rest = iter(pairs)
    with unpacking():
        for key, value in rest:
            return [(key, value)], rest
    return [], rest


def _sums_of_one(values: list[Any]) -> list[Any]:
    """The same of groups of one value."""
    kinds = set(map(type, values))
    if kinds == {Decimal}:
        return values
    return [0 + value for value in values] if kinds in ({int}, {float}) else []


def _sums(groups: list[list[Any]]) -> list[Any]:
    """The sum of each group, as `absorb` makes it; none where values are of several kinds."""
    kinds = set(map(type, chain.from_iterable(groups)))
    if kinds == {int} or kinds == {float}:
        # From left to right, as floats have to be added; Python 3.12 would add them otherwise by itself.
        return [reduce(add, group, 0) for group in groups]
    if kinds == {Decimal}:
        try:
            return [reduce(_decimals.add, group) for group in groups]
        except Inexact:
            return [reduce(_add, group) for group in groups]  # finds it again, and says what it is
    return []


def are_plain_decimals(values: Sequence[Any]) -> bool:
    """Whether these are Decimals that have floats near them and of which no number, however many, needs many digits."""
    if set(map(type, values)) != {Decimal}:
        return False
    try:
        # As large as the largest, and as fine as the finest.
        total = reduce(_decimals.add, map(_decimals.abs, values))
    except Inexact:
        return False
    if not total.is_finite() or total.adjusted() > _PLAIN_EXPONENT:
        return False
    exponent = total.as_tuple().exponent
    return isinstance(exponent, int) and -_PLAIN_EXPONENT <= exponent <= _PLAIN_EXPONENT


def _added(left: Sequence[Any], right: Sequence[Any]) -> list[Any]:
    """The sums of two columns of numbers, of Decimals without rounding."""
    kinds = set(map(type, left)) | set(map(type, right))
    if Decimal not in kinds:
        return list(map(add, left, right))
    if kinds == {Decimal}:
        try:
            return list(map(_decimals.add, left, right))
        except Inexact:
            pass  # found again, and said, by the other form
    return list(map(_add, left, right))


def _add(left: Any, right: Any) -> Any:
    """The sum of two numbers, of Decimals without rounding."""
    if type(left) is not Decimal and type(right) is not Decimal:
        return left + right
    try:
        return _decimals.add(left, right)
    except Inexact:
        raise ValueError(
            f"a sum of Decimals needs more than {_DIGITS} digits: {left:.4e} and {right:.4e}"
        ) from None
