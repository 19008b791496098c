from __future__ import annotations

from collections import Counter


def countries(places: str) -> list[str]:
    rows = [line.split(",") for line in places.splitlines()]
    return [
        f"{name}\t{count}" for name, count in sorted(Counter(row[5] for row in rows if len(row) == 6).items())
    ]
