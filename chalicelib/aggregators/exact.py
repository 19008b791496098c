"""Sums without rounding: floats are whole numbers of a power of two, so a big int can hold any sum of them.

An exact number is `(n, e)`, worth n * 2**e, where e <= 0. It takes as many bits as lie between the
greatest and the smallest bit ever added: some 100 for figures of one kind, 2 100 at the very most,
and 64 more for the number of values.
"""

from __future__ import annotations

from math import fsum, inf, isfinite, isqrt
from typing import Any

from .values import shown

#: (n, e, special): special is 0.0, or the sum of the infinities and NaNs.
ExactSum = tuple[int, int, float]


def exact_sum(values: list[Any], owner: str) -> ExactSum:
    """The sum of ints and floats. Raises TypeError for any other, saying who wanted them."""
    kinds = check_numbers(values, owner)
    if kinds == {int}:
        return sum(values), 0, 0.0
    if kinds == {float}:
        fast = _float_sum(values)
        if fast is not None:
            return fast
    total, special = (0, 0), 0.0
    for value in values:
        try:
            total = plus(total, exact(value))
        except (OverflowError, ValueError):  # an infinity, a NaN
            special += value
    return *total, special


def check_numbers(values: list[Any], owner: str) -> set[type]:
    """The types of the values. Raises TypeError, saying who wanted ints and floats, if there are others."""
    kinds = set(map(type, values))
    if not kinds <= {int, float}:
        for value in values:
            if not isinstance(value, int | float):
                raise TypeError(f"{owner}: expected an int or a float, got {shown(value)}")
    return kinds


def _float_sum(values: list[float]) -> ExactSum | None:
    """The same for floats, at C speed; None if it does not go that way.

    `fsum` rounds the exact sum once. What it rounded away is the sum of the values and the negative of
    its result, and so on until nothing is left: two or three rounds.
    """
    rest, total = values.copy(), (0, 0)
    try:
        while part := fsum(rest):
            if not isfinite(part):
                return None
            total = plus(total, exact(part))
            rest.append(-part)
    except (OverflowError, ValueError):
        return None
    return *total, 0.0


def exact(value: float) -> tuple[int, int]:
    """An int or a finite float. Raises OverflowError or ValueError for an infinity or a NaN."""
    numerator, denominator = value.as_integer_ratio()
    return numerator, 1 - denominator.bit_length()


def plus(left: tuple[int, int], right: tuple[int, int]) -> tuple[int, int]:
    (a, i), (b, j) = left, right
    return (a + (b << (j - i)), i) if i <= j else ((a << (i - j)) + b, j)


def merge_sums(left: ExactSum, right: ExactSum) -> ExactSum:
    return *plus(left[:2], right[:2]), left[2] + right[2]


def rounded(n: int, e: int, divisor: int = 1) -> float:
    """n * 2**e / divisor, rounded once; an infinity where no float is that large."""
    try:
        return (n << e) / divisor if e >= 0 else n / (divisor << -e)
    except OverflowError:
        return inf if n > 0 else -inf


def rounded_root(n: int, e: int, divisor: int) -> float:
    """The square root of n * 2**e / divisor, rounded once."""
    # Scaled by an even power of two so that the whole root has 64 bits or more. What is cut off only
    # matters for being there or not, which the last bit then says.
    half = max(0, (divisor.bit_length() - n.bit_length() - e) // 2 + 65)
    scaled, divisor = n << max(e + 2 * half, 0), divisor << max(-e - 2 * half, 0)
    root = isqrt(scaled // divisor)
    return rounded(root | (root * root * divisor != scaled), -half)
