from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict


def sums(numbers: str) -> list[str]:
    found = list(map(int, numbers.split()))
    squares = sum(number * number for number in found)
    return [f"count\t{len(found)}", f"sum_of_squares\t{squares}.0", f"total\t{sum(found)}.0"]


def degrees(queries: str) -> list[str]:
    rows = csv.DictReader(queries.splitlines())
    counts = Counter((int(float(row["latitude"])), int(float(row["longitude"]))) for row in rows)
    return [f"{latitude},{longitude},{count}" for (latitude, longitude), count in sorted(counts.items())]


def top_queries(queries: str) -> list[str]:
    countries = defaultdict(list)
    for row in csv.DictReader(queries.splitlines()):
        countries[row["country"]].append(row["text"])
    found = []
    for country, texts in sorted(countries.items()):
        often = sorted(Counter(texts).items(), key=lambda item: (-item[1], item[0]))[:3]
        longest = sorted(texts, key=lambda text: (-len(text), text))[:1]
        value = {"top": often, "longest": longest}
        found.append(f"{country}\t{json.dumps(value, separators=(',', ':'))}")
    return found
