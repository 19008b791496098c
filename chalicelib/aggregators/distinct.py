"""How many distinct values there are, in a fixed small memory: HyperLogLog."""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b
from math import ceil, inf, log, log2, sqrt
from typing import Any

from .base import Batched
from .values import identity_bytes

_HASH_BITS = 64
_MIN_BITS, _MAX_BITS = 4, 16
#: Registers that are held one by one are this share of all at most: beyond, all take less memory.
_SPARSE_SHARE = 64

#: The greatest rank of each register that is not 0; or of every register, a byte each.
Registers = dict[int, int] | bytes


class ApproxDistinct(Batched):
    """How many distinct values there are, about: an int with a standard error of at most `error`.

    That is, two of three results are within `error` (0.02 is two percent) of the truth, nineteen of twenty
    within twice and nearly all within three times that; up to some dozens, results are almost always exact.
    Values may be of any type that Sluice carries; which are the same, see `Distinct`. The result is the
    same for any number of tasks. `error` may be 0.0041 to 0.26. State: at most 2**b bytes, with b such that
    1.04 / sqrt(2**b) <= error: 4 KiB at 0.02, 16 KiB at 0.01; far less for few values.

    Source: P. Flajolet et al., "HyperLogLog", 2007, with 64-bit hashes (blake2b); the estimator is that of
    O. Ertl, "New cardinality estimation algorithms for HyperLogLog sketches", 2017, algorithm 6.
    """

    def __init__(self, error: float = 0.02) -> None:
        least, most = (1.04 / sqrt(1 << bits) for bits in (_MAX_BITS, _MIN_BITS))
        if not least <= error <= most:
            raise ValueError(f"ApproxDistinct: error: expected {least:.4f} to {most}, got {error!r}")
        self._bits = ceil(2 * log2(1.04 / error))
        self._count = 1 << self._bits

    def batch(self, values: list[Any]) -> Registers:
        shift = _HASH_BITS - self._bits
        below = (1 << shift) - 1
        found: dict[int, int] = {}
        get, from_bytes = found.get, int.from_bytes
        for value in set(map(identity_bytes, values)):
            code = from_bytes(blake2b(value, digest_size=8).digest(), "big")
            index = code >> shift
            rank = shift + 1 - (code & below).bit_length()
            if rank > get(index, 0):
                found[index] = rank
        return self._compact(found)

    def merge(self, left: Registers, right: Registers) -> Registers:
        if isinstance(left, bytes):
            if isinstance(right, bytes):
                return _greater(left, right)
            raised = {index: rank for index, rank in right.items() if rank > left[index]}
            return _raised(left, raised) if raised else left
        if isinstance(right, bytes):
            return self.merge(right, left)
        get = left.get
        for index, rank in right.items():
            if rank > get(index, 0):
                left[index] = rank
        return self._compact(left)

    def finish(self, state: Registers) -> int:
        ranks = Counter(state if isinstance(state, bytes) else state.values())
        if isinstance(state, dict):
            ranks[0] = self._count - len(state)
        return round(_estimate(ranks, self._count, _HASH_BITS - self._bits))

    def _compact(self, found: dict[int, int]) -> Registers:
        if len(found) <= self._count // _SPARSE_SHARE:
            return found
        return _raised(bytes(self._count), found)


def _raised(registers: bytes, found: dict[int, int]) -> bytes:
    changed = bytearray(registers)
    for index, rank in found.items():
        changed[index] = rank
    return bytes(changed)


def _greater(left: bytes, right: bytes) -> bytes:
    """The greater of each two bytes, all below 128: all at once, in two big ints.

    With the top bit of each byte of `left` set, subtracting `right` borrows from no neighbour, and the
    bit stays where left >= right.
    """
    tops = int.from_bytes(b"\x80" * len(left), "big")
    a, b = int.from_bytes(left, "big"), int.from_bytes(right, "big")
    stays = ((a | tops) - b) & tops
    mask = stays - (stays >> 7)
    return ((a & mask) | (b & ~mask)).to_bytes(len(left), "big")


def _estimate(ranks: Counter[int], registers: int, most: int) -> float:
    """How many values there are, of how many registers have each rank (0 to `most` + 1)."""
    z = registers * _tau(1 - ranks[most + 1] / registers)
    for rank in range(most, 0, -1):
        z = 0.5 * (z + ranks[rank])
    z += registers * _sigma(ranks[0] / registers)
    return registers * registers / (2 * log(2) * z)


def _sigma(x: float) -> float:
    """Corrects for registers that are still 0."""
    if x == 1:
        return inf
    y, z, last = 1.0, x, -1.0
    while z != last:
        x *= x
        last = z
        z += x * y
        y += y
    return z


def _tau(x: float) -> float:
    """Corrects for registers that cannot rise any more."""
    if x in (0, 1):
        return 0.0
    y, z, last = 1.0, 1 - x, -1.0
    while z != last:
        x = sqrt(x)
        last = z
        y *= 0.5
        z -= (1 - x) ** 2 * y
    return z / 3
