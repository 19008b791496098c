from __future__ import annotations

from collections import Counter
from itertools import combinations


def word_count(text: str) -> list[str]:
    return [f"{word}\t{count}" for word, count in sorted(Counter(text.split()).items())]


def _edges(edges: str) -> set[tuple[int, int]]:
    return {(int(one), int(other)) for one, other in (line.split(",") for line in edges.splitlines())}


def two_cycles(edges: str) -> list[str]:
    found = _edges(edges)
    return [str(sum(one < other and (other, one) in found for one, other in found))]


def triangles(edges: str) -> list[str]:
    sides = {frozenset(edge) for edge in _edges(edges)}
    nodes = {node for side in sides for node in side}
    return [
        str(
            sum(
                {frozenset(pair) for pair in combinations(three, 2)} <= sides
                for three in combinations(nodes, 3)
            )
        )
    ]
