from __future__ import annotations


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
