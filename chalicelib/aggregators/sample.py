"""A random sample that is the same however the input was cut."""

from __future__ import annotations

from hashlib import blake2b
from itertools import pairwise
from operator import itemgetter
from typing import Any

from .base import Batched
from .values import Part, identity, identity_bytes, parts, positive, rank

_hash = itemgetter(0)


class Sample(Batched):
    """`n` of the distinct values, drawn at random, as a list in random order; all if there are fewer.

    Each value has a fixed place in a random order (a hash of it and `seed`), and the first `n` of that
    order are kept. So the sample is the same for any number of tasks and another for another seed, and a
    value has the same chance however often it comes: to sample *records*, put something into each that no
    other has, such as an id or the offset. `by` says what of a value is hashed: a key of a dict, a place
    in a tuple, a function; then values alike in it are kept or left out together, but for the last of the
    `n`. State: at most `n` values and their hashes.

    Source: bottom-k sketches, E. Cohen and H. Kaplan, "Summarizing Data using Bottom-k Sketches", 2007.
    """

    def __init__(self, n: int, seed: int = 0, by: Part | None = None) -> None:
        self._n = positive(self, "n", n)
        if type(seed) is not int:
            raise TypeError(f"Sample: seed: expected an int, got {seed!r}")
        self._key = str(seed).encode()[:64]
        self._by = by

    def batch(self, values: list[Any]) -> list[list[Any]]:
        distinct = list({identity(value): value for value in values}.values())
        key = self._key
        return self._least(
            [
                [int.from_bytes(blake2b(identity_bytes(part), digest_size=8, key=key).digest(), "big"), value]
                for part, value in zip(parts(self._by, distinct), distinct, strict=True)
            ]
        )

    def merge(self, left: list[list[Any]], right: list[list[Any]]) -> list[list[Any]]:
        if len(left) == self._n:
            limit = left[-1][0]
            right = [item for item in right if item[0] <= limit]
        return self._least(left + right) if right else left

    def finish(self, state: list[list[Any]]) -> list[Any]:
        return [value for _, value in state]

    def _least(self, items: list[list[Any]]) -> list[list[Any]]:
        """The first n in order of hash and value, each once; may sort what it is given."""
        items.sort(key=_hash)
        if any(left[0] == right[0] for left, right in pairwise(items)):
            items.sort(key=lambda item: (item[0], rank(item[1])))
            repeated = [
                left[0] == right[0] and identity(left[1]) == identity(right[1])
                for left, right in pairwise(items)
            ]
            items = items[:1] + [item for item, again in zip(items[1:], repeated, strict=True) if not again]
        return items[: self._n]
