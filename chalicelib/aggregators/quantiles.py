"""Quantiles and histograms: values counted in buckets."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from decimal import Decimal
from itertools import accumulate, chain, islice, pairwise
from math import frexp, isfinite
from operator import add
from typing import Any

from .base import Batched
from .exact import rounded
from .values import shown

#: frexp's exponent of the least float is above this.
_LEAST_EXPONENT = -1074
#: Octaves whose buckets fit the memory at the first precision.
_OCTAVES = 64
_LEAST_BUCKETS = 16
_MAX_ERROR, _MIN_ERROR = 1 / 3, 1e-5

#: Values of which there are so few that they are kept as they are; their buckets would fit the least `max_buckets`.
_FEW = _LEAST_BUCKETS
Few = tuple[float, ...]
#: Level, least value, greatest value, how many values each bucket has.
Sketch = list[Any]
#: Buckets whose middles are remembered.
_REMEMBERED = 1 << 13
_NUMBERS = frozenset({int, float, Decimal})


class Quantiles(Batched):
    """The values at given quantiles, within a relative error: floats in the order asked for, of one just a float.

    `Quantiles(0.5, 0.99)` gives y near x, the value at place int(q * (n - 1)) of all n in order (from 0):
    |y - x| <= error * |x|. Values are ints, floats or Decimals, also negative ones; TypeError for others,
    ValueError for NaN and infinities. The result is the same for any number of tasks, since counts of
    buckets are all there is to a state.

    State: up to 16 values as they are; of more, at most `max_buckets` counts, in memory some 100 bytes each.
    The default lets 64 octaves (a factor of 10**19 from the least to the greatest) be full: 4 096 at an error
    of 0.01. Figures of one kind take some hundred. Where more would be needed, neighbours are joined, which
    about doubles the error.

    Source: C. Masson et al., "DDSketch", 2019, with buckets that divide each power of two evenly (as in
    HdrHistogram), so that no logarithm's last digit decides, and the collapse of all buckets of
    I. Epicoco et al., "UDDSketch", 2020.
    """

    def __init__(self, *quantiles: float, error: float = 0.01, max_buckets: int | None = None) -> None:
        if not quantiles or not all(isinstance(q, int | float) and 0 <= q <= 1 for q in quantiles):
            raise ValueError(f"Quantiles: expected one or more of 0 to 1, got {quantiles!r}")
        if not _MIN_ERROR <= error <= _MAX_ERROR:
            raise ValueError(f"Quantiles: error: expected {_MIN_ERROR} to 1/3, got {error!r}")
        self._quantiles = quantiles
        self._middles: dict[tuple[int, int], float] = {}
        self._steps = 1
        while 1 / (2 * self._steps + 1) > error:
            self._steps *= 2
        self._most = _OCTAVES * self._steps if max_buckets is None else max_buckets
        if type(self._most) is not int or self._most < _LEAST_BUCKETS:
            raise ValueError(
                f"Quantiles: max_buckets: expected an integer >= {_LEAST_BUCKETS}, got {max_buckets!r}"
            )

    def batch(self, values: list[Any]) -> Few | Sketch:
        return self._state(tuple(map(_finite, values)))

    def lift_column(self, values: list[Any]) -> list[Any]:
        numbers = _finite_numbers(values)
        return list(zip(numbers)) if numbers else super().lift_column(values)

    def lift_groups(self, groups: list[list[Any]]) -> list[Any]:
        numbers = _finite_numbers(list(chain.from_iterable(groups)))
        if not numbers:
            return super().lift_groups(groups)
        rest = iter(numbers)
        return [self._state(tuple(islice(rest, len(group)))) for group in groups]

    def lift_ordered(self, groups: list[list[Any]]) -> list[Any]:
        return [self._state(tuple(map(float, group))) for group in groups]

    def merge_columns(self, left: list[Any], right: list[Any]) -> list[Any]:
        if set(map(type, left)) == {tuple} == set(map(type, right)):
            return list(map(self._state, map(add, left, right)))
        return list(map(self.merge, left, right))

    def _state(self, numbers: Few) -> Few | Sketch:
        return numbers if len(numbers) <= _FEW else self._sketch(numbers)

    def _sketch(self, numbers: Few) -> Sketch:
        return self._bounded([0, min(numbers), max(numbers), dict(Counter(map(self._bucket, numbers)))])

    def merge(self, left: Few | Sketch, right: Few | Sketch) -> Few | Sketch:
        if isinstance(left, tuple):
            if isinstance(right, tuple):
                return self._state(left + right)
            left = self._sketch(left)
        elif isinstance(right, tuple):
            right = self._sketch(right)
        level = max(left[0], right[0])
        counts = _collapsed(left[3], level - left[0])
        get = counts.get
        for bucket, count in _collapsed(right[3], level - right[0]).items():
            counts[bucket] = get(bucket, 0) + count
        return self._bounded([level, min(left[1], right[1]), max(left[2], right[2]), counts])

    def finish(self, state: Few | Sketch) -> float | list[float]:
        found = self._of_few(state) if isinstance(state, tuple) else self._of_sketch(state)
        return found if len(found) > 1 else found[0]

    def _of_sketch(self, state: Sketch) -> list[float]:
        level, least, most, counts = state
        buckets = sorted(counts)
        places = list(accumulate(map(counts.__getitem__, buckets)))
        found = [buckets[bisect_right(places, int(q * (places[-1] - 1)))] for q in self._quantiles]
        return [min(max(self._middle(bucket, level), least), most) if bucket else 0.0 for bucket in found]

    def _of_few(self, numbers: Few) -> list[float]:
        """What their sketch would say: a number's bucket has its place among the buckets."""
        if len(numbers) == 1:
            return [numbers[0] or 0.0] * len(self._quantiles)
        ranked = sorted(numbers)
        last = len(ranked) - 1
        found = [self._bucket(ranked[int(q * last)]) for q in self._quantiles]
        least, most = ranked[0], ranked[-1]
        return [min(max(self._middle(bucket, 0), least), most) if bucket else 0.0 for bucket in found]

    def _bounded(self, sketch: Sketch) -> Sketch:
        while len(sketch[3]) > self._most:
            sketch[3] = _collapsed(sketch[3], 1)
            sketch[0] += 1
        return sketch

    def _bucket(self, number: float) -> int:
        """1 and up for positive numbers, by size; the same below 0 for negative ones; 0 for 0."""
        if not number:
            return 0
        fraction, exponent = frexp(number)
        steps = self._steps
        octave = (exponent - _LEAST_EXPONENT) * steps
        place = int(fraction * 2 * steps)  # towards 0: steps to 2 * steps - 1, or the negative of it
        return octave + place - steps + 1 if place > 0 else place + steps - octave - 1

    def _middle(self, bucket: int, level: int) -> float:
        """The middle of a bucket, remembered: figures of one kind share some hundred buckets."""
        found = self._middles.get((bucket, level))
        if found is None:
            if len(self._middles) >= _REMEMBERED:
                self._middles.clear()
            found = self._middles[bucket, level] = self._found_middle(bucket, level)
        return found

    def _found_middle(self, bucket: int, level: int) -> float:
        """The number that is relatively as near to both ends of a bucket: 2 lu / (l + u)."""
        place = (abs(bucket) - 1) << level
        (low, e), (high, f) = self._edge(place), self._edge(place + (1 << level))
        high <<= f - e
        middle = rounded(2 * low * high, e, low + high)
        return middle if bucket > 0 else -middle

    def _edge(self, place: int) -> tuple[int, int]:
        """The least number of a bucket at level 0, exactly: (n, e) for n * 2**e."""
        octave, step = divmod(place, self._steps)
        return self._steps + step, octave + _LEAST_EXPONENT - self._steps.bit_length()


class Histogram(Batched):
    """How many values lie between given edges: a list of ints, one longer than the edges.

    `Histogram(0, 10, 20)` gives [below 0, 0 to below 10, 10 to below 20, 20 and up]. Edges must rise;
    values must compare with them (TypeError) and not be NaN (ValueError). State: the counts.
    """

    def __init__(self, *edges: Any) -> None:
        if not edges or not all(left < right for left, right in pairwise(edges)) or edges[0] != edges[0]:
            raise ValueError(
                f"Histogram: expected one or more edges, each greater than the last, got {edges!r}"
            )
        self._edges = list(edges)

    def batch(self, values: list[Any]) -> list[int]:
        counts = [0] * (len(self._edges) + 1)
        edges = self._edges
        try:
            for value in values:
                if value != value:
                    raise ValueError("Histogram: NaN lies in no interval: leave it out")
                counts[bisect_right(edges, value)] += 1
        except TypeError as error:
            raise TypeError(
                f"Histogram: expected values that compare with {edges[0]!r}, got {shown(value)}"
            ) from error
        return counts

    def merge(self, left: list[int], right: list[int]) -> list[int]:
        return [a + b for a, b in zip(left, right, strict=True)]


def _finite_numbers(values: list[Any]) -> list[float]:
    """`_finite` of each; nothing if one has to be looked at by itself."""
    if not set(map(type, values)) <= _NUMBERS:
        return []
    try:
        numbers = list(map(float, values))
    except (OverflowError, ValueError):  # an int beyond all floats; a signaling NaN
        return []
    return numbers if all(map(isfinite, numbers)) else []


def _finite(value: Any) -> float:
    try:
        number = float(value) if not isinstance(value, str | bytes) else None
    except (TypeError, OverflowError):
        number = None
    if number is None:
        raise TypeError(
            f"Quantiles: expected an int, a float or a Decimal in the range of floats, got {shown(value)}"
        )
    if not isfinite(number):
        raise ValueError(f"Quantiles: expected a finite number, got {shown(value)}")
    return number


def _collapsed(counts: dict[int, int], levels: int) -> dict[int, int]:
    """The counts with each 2**levels neighbours in one bucket; the same dict for no levels."""
    if not levels:
        return counts
    joined: dict[int, int] = {}
    get = joined.get
    for bucket, count in counts.items():
        place = ((abs(bucket) - 1) >> levels) + 1
        same = place if bucket > 0 else -place if bucket else 0
        joined[same] = get(same, 0) + count
    return joined
