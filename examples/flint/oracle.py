from __future__ import annotations

import csv
from collections import Counter, defaultdict


def _trips(trips: str) -> list[dict[str, str]]:
    return list(csv.DictReader(trips.splitlines()))


def _there(trip: dict[str, str]) -> bool:
    return -74.0144 < float(trip["longitude"]) < -74.0132 and 40.7138 < float(trip["latitude"]) < 40.7148


def _by_hour(trips: list[dict[str, str]]) -> list[str]:
    return [
        f"{hour}\t{count}"
        for hour, count in sorted(Counter(int(trip["dropoff"][11:13]) for trip in trips).items())
    ]


def dropoffs(trips: str) -> list[str]:
    return _by_hour([trip for trip in _trips(trips) if _there(trip)])


def tippers(trips: str) -> list[str]:
    return _by_hour([trip for trip in _trips(trips) if _there(trip) and float(trip["tip"]) > 10])


def cards(trips: str) -> list[str]:
    months = defaultdict(list)
    for trip in _trips(trips):
        months[trip["dropoff"][:7]].append(trip["payment"] == "card")
    return [f"{month}-01\t{sum(paid) / len(paid)}" for month, paid in sorted(months.items())]
