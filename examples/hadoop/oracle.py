from __future__ import annotations

import re
import statistics
from collections import Counter


def grep(text: str) -> list[str]:
    found = Counter(match for line in text.splitlines() for match in re.findall("t[a-z]+", line))
    return [
        f"{match}\t{count}" for match, count in sorted(found.items(), key=lambda item: (-item[1], item[0]))
    ]


def secondary_sort(edges: str) -> list[str]:
    pairs = [tuple(map(int, line.split(","))) for line in edges.splitlines()]
    return [f"{left}\t{right}" for left, right in sorted(pairs)]


def word_lengths(text: str) -> list[str]:
    lengths = list(map(len, text.split()))
    return ["key,mean,deviation", f"length,{statistics.mean(lengths)},{statistics.pstdev(lengths)}"]
