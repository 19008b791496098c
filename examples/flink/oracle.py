from __future__ import annotations

import json
from math import fsum


def closure(edges: str) -> list[str]:
    closed = {(int(one), int(other)) for one, other in (line.split(",") for line in edges.splitlines())}
    while more := {(a, d) for a, b in closed for c, d in closed if b == c} - closed:
        closed |= more
    return [f"{one},{other}" for one, other in sorted(closed)]


def web_log(rankings: str, visits: str) -> list[str]:
    seen = {row[1] for row in (line.split(",") for line in visits.splitlines()) if row[2].startswith("2000")}
    pages = [(int(row[1]), row[0]) for row in (line.split(",") for line in rankings.splitlines())]
    found = sorted((-rank, url) for rank, url in pages if rank > 40 and url not in seen)
    return [f"{url}\t{-rank}" for rank, url in found]


def k_means(points: str) -> list[str]:
    rows = [[float(cell) for cell in line.split(",")] for line in points.splitlines()]
    centres = {"a": [0.0, 0.0], "b": [1.0, 1.0], "c": [2.0, 0.0]}
    before: dict[str, list[float]] = {}
    while centres != before:
        nearest: dict[str, list[list[float]]] = {}
        for x, y in rows:
            by_distance = [((x - p) ** 2 + (y - q) ** 2, name) for name, (p, q) in centres.items()]
            nearest.setdefault(min(by_distance)[1], []).append([x, y])
        before, centres = (
            centres,
            {
                name: [fsum(cells) / len(cells) for cells in zip(*some, strict=True)]
                for name, some in nearest.items()
            },
        )
    return [
        f"{name}\t{json.dumps(centre, separators=(',', ':'))}" for name, centre in sorted(centres.items())
    ]


def page_rank(links: str) -> list[str]:
    found = {tuple(line.split(",")) for line in links.splitlines()}
    pages = {page for link in found for page in link}
    out = {page: sum(one == page for one, _ in found) for page in pages}
    ranks, before = dict.fromkeys(pages, 1.0), dict.fromkeys(pages, 9.0)
    while any(abs(ranks[page] - before[page]) > 0.0001 for page in pages):
        before = ranks
        passed = {page: [before[one] / out[one] for one, other in found if other == page] for page in pages}
        ranks = {page: 1 - 0.85 + 0.85 * fsum(passed[page]) for page in pages}
    return [f"{page}\t{-rank!r}" for rank, page in sorted((-rank, page) for page, rank in ranks.items())]
