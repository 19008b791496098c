"""The work of W8 to W12 as somebody would write it in an hour: one process, the standard library.

Its answers are what other programs' are checked against; rows are `key<TAB>value` of JSON, as Sluice writes them.

usage: plain.py WORKLOAD OUT FILE...
"""

from __future__ import annotations

import csv
import json
import math
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from decimal import Decimal, DecimalException
from pathlib import Path
from typing import Any


def _write(out: str, rows: Iterable[tuple[Any, Any]]) -> None:
    with Path(out).open("w", newline="\n") as file:
        for key, value in rows:
            shown = key if isinstance(key, str) else json.dumps(key, separators=(",", ":"))
            file.write(f"{shown}\t{json.dumps(value, default=float)}\n")


def homes(out: str, files: list[str]) -> None:
    prices: dict[str, list[Decimal]] = {}
    bad = []
    with Path(files[0]).open(newline="") as file:
        rows = csv.reader(file)
        header = next(rows)
        zip_, price = header.index("zip"), header.index("price")
        for row in rows:
            try:
                if row[price]:
                    amount = Decimal(row[price])
                    prices.setdefault(row[zip_], []).append(amount)
            except DecimalException as error:
                bad.append({"line": rows.line_num, "error": repr(error), "row": row})
    if bad:
        Path(f"{out}-bad").write_text("".join(json.dumps(row) + "\n" for row in bad))
    _write(out, ((code, _summary(of)) for code, of in sorted(prices.items())))


def _summary(prices: list[Decimal]) -> dict[str, Any]:
    prices.sort()
    middle = float(prices[int(0.5 * (len(prices) - 1))])
    mean = sum(prices) / len(prices)
    return {"n": len(prices), "mean": mean, "lo": prices[0], "hi": prices[-1], "q": middle}


def sessions(out: str, files: list[str]) -> None:
    clicks = defaultdict(list)
    with Path(files[0]).open() as file:
        for line in file:
            click = json.loads(line)
            clicks[click["user"]].append((click["time"], click["page"]))
    _write(out, (session for user in sorted(clicks) for session in _sessions(user, clicks[user])))


def _sessions(user: str, clicks: list[tuple[int, str]]) -> Iterable[tuple[Any, Any]]:
    clicks.sort()
    start = last = clicks[0][0]
    count = 0
    for time, _ in clicks:
        if time - last > 1800:
            yield (user, start), (count, last - start)
            start, count = time, 0
        last = time
        count += 1
    yield (user, start), (count, last - start)


def orders(out: str, files: list[str]) -> None:
    import duckdb  # of no use to the others

    customers, tickets, parquet = files
    with Path(customers).open(newline="") as file:
        states = {int(row["customer"]): row["state"] for row in csv.DictReader(file)}
    minutes: Counter[int] = Counter()
    with Path(tickets).open() as file:
        for line in file:
            ticket = json.loads(line)
            minutes[ticket["customer"]] += ticket["minutes"]
    found = []
    query = f"SELECT number, customer, amount FROM '{parquet}' ORDER BY number"  # noqa: S608
    for number, customer, amount in duckdb.sql(query).fetchall():
        if customer in states and customer in minutes:
            found.append((str(number), (states[customer], minutes[customer], amount)))
    _write(out, found)


def tf_idf(out: str, files: list[str]) -> None:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    with Path(files[0]).open() as file:
        for line in file:
            name, _, text = line.rstrip("\n").partition("\t")
            counts[name].update(text.split(" "))
    documents: Counter[str] = Counter()
    for of in counts.values():
        documents.update(of.keys())
    rows = []
    for name, of in sorted(counts.items()):
        total = sum(of.values())
        scores = [
            (round(n / total * math.log(len(counts) / documents[word]), 9), word) for word, n in of.items()
        ]
        best = sorted(scores, key=lambda score: (-score[0], score[1]))[:10]
        rows.append((name, best))
    _write(out, rows)


def sales(out: str, files: list[str]) -> None:
    totals: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    with Path(files[0]).open() as file:
        for line in file:
            sale = json.loads(line)
            total = totals[sale["product"], sale["state"]]
            total[0] += 1
            total[1] += sale["count"]
    _write(out, sorted(totals.items()))


if __name__ == "__main__":
    workload, out, *files = sys.argv[1:]
    work = {"w8": homes, "w8q": homes, "w9": sessions, "w10": orders, "w11": tf_idf, "w12": sales}
    work[workload](out, files)
