from __future__ import annotations

import re
from collections import Counter, defaultdict
from math import fsum


def word_count(text: str) -> list[str]:
    return [f"{word}\t{n}" for word, n in sorted(Counter(re.findall("[a-z0-9]+", text.lower())).items())]


def amplab1(rankings: str) -> list[str]:
    rows = [line.split(",") for line in rankings.splitlines()]
    return [f"{url},{rank}" for url, rank, _ in rows if int(rank) > 50]


def amplab2(visits: str) -> list[str]:
    groups = defaultdict(list)
    for row in (line.split(",") for line in visits.splitlines()):
        groups[row[0][:8]].append(float(row[3]))
    return [f"{start}\t{fsum(some)}" for start, some in sorted(groups.items())]


def amplab3(rankings: str, visits: str) -> list[str]:
    ranks = {row[0]: int(row[1]) for row in (line.split(",") for line in rankings.splitlines())}
    groups = defaultdict(list)
    for row in (line.split(",") for line in visits.splitlines()):
        if row[2] < "2000-01-01" and row[1] in ranks:
            groups[row[0]].append((ranks[row[1]], float(row[3])))
    means = [
        f"{address},{sum(rank for rank, _ in some) / len(some)},{fsum(money for _, money in some) / len(some)}"
        for address, some in sorted(groups.items())
    ]
    return ["key,rank,revenue", *means]
