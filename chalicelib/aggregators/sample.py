"""A random sample that is the same however the input was cut."""

from __future__ import annotations

from bisect import bisect_right
from hashlib import blake2b
from itertools import accumulate, pairwise
from operator import itemgetter
from typing import Any

from .base import Batched
from .values import (
    Part,
    add_counts,
    count_same,
    identity,
    identity_bytes,
    of_identity,
    parts,
    positive,
    rank,
    shown,
)

_hash = itemgetter(0)

#: `by` None: how often each value came. Otherwise the first n in order of hash and value.
Counts = dict[Any, int]
Drawn = list[list[Any]]


class Sample(Batched):
    """`n` of the values, drawn at random, as a list in random order; all if there are fewer.

    A value that comes often is drawn often: one that is 90 % of them is about 90 of 100 drawn. All samples of
    `n` values (of the same and the equal ones, too) are equally likely, and it is the same one for any number of
    tasks, and another for another seed. State: a count for every distinct value. More than `limit` distinct values
    of one key raise ValueError, for which `by` is the cure:

    `by` says what no two of the values share, such as an id, or the place a record was read from: a key of a dict, a
    place in a tuple, a function. The `n` values whose `by` comes first in a random order are kept, so that a state
    is at most `n` values and their hashes, however many there are. Values that are the same count once, and values
    alike in `by` are kept or left out together, but for the last of the `n`: `by=lambda value: value` draws from the
    distinct values.

    (Why not both: whoever drops a value forgets how often it came, and it may come again in another task. What is
    kept must then not depend on counts at all, else the sample would depend on how the input was cut.)

    Source of `by`: bottom-k sketches, E. Cohen and H. Kaplan, "Summarizing Data using Bottom-k Sketches", 2007.
    """

    def __init__(self, n: int, seed: int = 0, by: Part | None = None, limit: int = 100_000) -> None:
        self._n = positive(self, "n", n)
        self._limit = positive(self, "limit", limit)
        if type(seed) is not int:
            raise TypeError(f"Sample: seed: expected an int, got {seed!r}")
        self._key = str(seed).encode()[:64]
        self._by = by

    def batch(self, values: list[Any]) -> Counts | Drawn:
        if self._by is None:
            return self._bounded(count_same(values))
        distinct = list({identity(value): value for value in values}.values())
        key = self._key
        return self._least(
            [
                [int.from_bytes(blake2b(identity_bytes(part), digest_size=8, key=key).digest(), "big"), value]
                for part, value in zip(parts(self._by, distinct), distinct, strict=True)
            ]
        )

    def merge(self, left: Any, right: Any) -> Counts | Drawn:
        self._check(left)
        self._check(right)
        if self._by is None:
            return self._bounded(add_counts(left, right))
        if len(left) == self._n:
            limit = left[-1][0]
            right = [item for item in right if item[0] <= limit]
        return self._least(left + right) if right else left

    def finish(self, state: Any) -> list[Any]:
        self._check(state)
        return self._draw(state) if self._by is None else [value for _, value in state]

    def _check(self, state: Any) -> None:
        """Raise ValueError for a state that was made with `by`, if this is without, or the other way round."""
        if type(state) is (dict if self._by is None else list):
            return
        made = "counts of all values" if isinstance(state, dict) else "values without how often each came"
        raise ValueError(
            f"Sample: a stored state has {made} ({shown(state)}), and {'no `by`' if self._by is None else '`by`'} is"
            " given: it was made by earlier code. Drop the files again; totals of such states must begin anew, or"
            " the job must keep the `by` it had (earlier versions drew as `by=lambda value: value` does)"
        )

    def _bounded(self, state: Counts) -> Counts:
        if len(state) > self._limit:
            raise ValueError(
                f"Sample: a key has more than {self._limit} distinct values, and how often each comes must be counted:"
                " name in `by` what no two of them share (an id, or where a record was read), raise `limit` as far as"
                " the memory goes, or draw from the distinct values with by=lambda value: value"
            )
        return state

    def _draw(self, counts: Counts) -> list[Any]:
        """The first places of a shuffle of all values, which are numbered in one order: memory of the counts.

        The shuffle (Fisher and Yates) is seeded by the counts themselves, so that two keys draw apart.
        """
        values = sorted(counts, key=lambda same: (type(same).__name__, same))
        ends = list(accumulate(counts[same] for same in values))
        seed = self._digest(values, counts)
        total, moved, drawn = ends[-1], dict[int, int](), list[Any]()
        for place in range(min(self._n, total)):
            digest = blake2b(place.to_bytes(8, "big"), digest_size=16, key=seed).digest()
            other = place + int.from_bytes(digest, "big") % (total - place)
            drawn.append(of_identity(values[bisect_right(ends, moved.get(other, other))]))
            moved[other] = moved.get(place, place)
        return drawn

    def _digest(self, values: list[Any], counts: Counts) -> bytes:
        found = blake2b(digest_size=32, key=self._key)
        for same in values:
            body = same if isinstance(same, bytes) else identity_bytes(same)
            found.update(b"%d %d " % (counts[same], len(body)) + body)
        return found.digest()

    def _least(self, items: Drawn) -> Drawn:
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
