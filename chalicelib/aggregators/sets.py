"""All values, all distinct values, the most frequent ones: exact, and bounded by a limit that is checked."""

from __future__ import annotations

from typing import Any, Literal

from .base import Batched
from .values import add_counts, count_same, identity, of_identity, positive, rank, ranked

Identities = dict[Any, None]


class Collect(Batched):
    """All values as a list, in order (see `Distinct`). At most `limit` of them.

    `overflow` says what happens to more: "error" raises ValueError, "truncate" keeps the first `limit`
    of that order. State: the values, with "truncate" at most twice `limit`.
    """

    def __init__(self, limit: int = 10_000, overflow: Literal["error", "truncate"] = "error") -> None:
        self._limit = positive(self, "limit", limit)
        if overflow not in ("error", "truncate"):
            raise ValueError(f'Collect: overflow: expected "error" or "truncate", got {overflow!r}')
        self._truncates = overflow == "truncate"

    def batch(self, values: list[Any]) -> list[Any]:
        return self._bounded(values)

    def merge(self, left: list[Any], right: list[Any]) -> list[Any]:
        left += right
        return self._bounded(left)

    def finish(self, state: list[Any]) -> list[Any]:
        return ranked(state)[: self._limit]

    def _bounded(self, values: list[Any]) -> list[Any]:
        if len(values) <= self._limit or (self._truncates and len(values) <= 2 * self._limit):
            return values
        if self._truncates:
            return ranked(values)[: self._limit]
        raise ValueError(
            f"Collect: a key has more than {self._limit} values: raise `limit` as far as the memory goes,"
            ' or set overflow="truncate", or take Top, Sample or a reducer method'
        )


class Distinct(Batched):
    """The distinct values as a list, in order. At most `limit` of them; more raise ValueError.

    The same are values that are equal and of one type (1, 1.0 and True are three; 0.0 and -0.0 two; dicts
    also differ by the order of their keys). The order: None, NaN, numbers by size, text, bytes, tuples and
    lists, dicts, each in Python's own order. State: the values, each some 100 bytes in memory.
    """

    def __init__(self, limit: int = 100_000) -> None:
        self._limit = positive(self, "limit", limit)

    def batch(self, values: list[Any]) -> Identities:
        return self._bounded(dict.fromkeys(map(identity, values)))

    def merge(self, left: Identities, right: Identities) -> Identities:
        left.update(right)
        return self._bounded(left)

    def finish(self, state: Identities) -> Any:
        return ranked(map(of_identity, state))

    def _bounded(self, state: Identities) -> Identities:
        if len(state) > self._limit:
            raise ValueError(
                f"{type(self).__name__}: a key has more than {self._limit} distinct values: raise `limit` as"
                " far as the memory goes, or take ApproxDistinct or Sample"
            )
        return state


class CountDistinct(Distinct):
    """How many distinct values there are, exactly; as `Distinct` in all else."""

    def finish(self, state: Identities) -> int:
        return len(state)


class MostFrequent(Batched):
    """The `n` values that come most often, as (value, count) pairs, the most frequent first. Exact.

    Of values that come equally often, the first in the order of `Distinct` come first, and as there the
    same are values that are equal and of one type. More than `limit` distinct values of one key raise
    ValueError: then make the value part of the key, count, and take `Top(n)` of the counts in a second
    step. (Sketches of less memory, such as Misra-Gries, give results that depend on how the input is
    cut.) State: a count for every distinct value, each some 100 bytes in memory.
    """

    def __init__(self, n: int, limit: int = 100_000) -> None:
        self._n = positive(self, "n", n)
        self._limit = positive(self, "limit", limit)

    def batch(self, values: list[Any]) -> dict[Any, int]:
        return self._bounded(count_same(values))

    def merge(self, left: dict[Any, int], right: dict[Any, int]) -> dict[Any, int]:
        return self._bounded(add_counts(left, right))

    def finish(self, state: dict[Any, int]) -> list[tuple[Any, int]]:
        # The n-th greatest count first: ties are then ranked among few.
        least = sorted(state.values(), reverse=True)[: self._n][-1]
        kept = [(of_identity(same), count) for same, count in state.items() if count >= least]
        kept.sort(key=lambda item: (-item[1], rank(item[0])))
        return kept[: self._n]

    def _bounded(self, state: dict[Any, int]) -> dict[Any, int]:
        if len(state) > self._limit:
            raise ValueError(
                f"MostFrequent: a key has more than {self._limit} distinct values: raise `limit` as far as the"
                " memory goes, or count (key, value) pairs and take Top of the counts in a second step"
            )
        return state
