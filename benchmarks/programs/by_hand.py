"""By hand, per block: what a careful Python programmer gets out of two processes.

usage: by_hand.py WORKLOAD OUT FILE...    (--orjson first: orjson instead of json)
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from two_processes import Half, halves, run

Counts = dict[Any, int]


def w1(half: Half, out: str) -> None:
    counts: Counter[bytes] = Counter()
    for block in half.blocks():
        counts.update(block.split())
    mine = add_other_half(half, counts)
    write(f"{out}.{half.number}", [b"%s\t%d\n" % pair for pair in mine.items()])


def w2(half: Half, out: str) -> None:
    groups: dict[bytes, list[float]] = {}
    for block in half.blocks():
        for line in block.splitlines():
            field = line.split(b"|", 11)
            if field[10] <= b"1998-09-02":
                quantity, price, discount = float(field[4]), float(field[5]), float(field[6])
                key = field[8] + field[9]
                try:
                    group = groups[key]
                except KeyError:
                    group = groups[key] = [0.0, 0.0, 0.0, 0.0, 0.0, 0]
                reduced = price * (1 - discount)
                group[0] += quantity
                group[1] += price
                group[2] += reduced
                group[3] += reduced * (1 + float(field[7]))
                group[4] += discount
                group[5] += 1
    other = half.swap(groups)
    if half.number == 0:
        for key, sums in other.items():
            group = groups.setdefault(key, [0.0, 0.0, 0.0, 0.0, 0.0, 0])
            groups[key] = [left + right for left, right in zip(group, sums, strict=True)]
        write(out, [q1_row(key, groups[key]) for key in sorted(groups)])


def q1_row(key: bytes, sums: Iterable[float]) -> bytes:
    """A row of TPC-H Q1 from quantity, price, reduced price, charge, discount and count."""
    quantity, price, reduced, charge, discount, count = sums
    numbers = b"%.2f|%.2f|%.4f|%.6f|%.6f|%.6f|%.6f|%d\n" % (
        *(quantity, price, reduced, charge),
        *(quantity / count, price / count, discount / count, count),
    )
    return key[:1] + b"|" + key[1:] + b"|" + numbers


def w3(half: Half, out: str) -> None:
    revenue = 0.0
    for block in half.blocks():
        for line in block.splitlines():
            field = line.split(b"|", 11)
            if (
                field[10][:4] == b"1994"
                and b"0.05" <= field[6] <= b"0.07"  # two digits each: text compares like numbers
                and float(field[4]) < 24
            ):
                revenue += float(field[5]) * float(field[6])
    other = half.swap(revenue)
    if half.number == 0:
        write(out, [b"%.4f\n" % (revenue + other)])


def w4(half: Half, out: str) -> None:
    sums: dict[bytes, float] = {}
    get = sums.get
    for block in half.blocks():
        for line in block.splitlines():
            field = line.split(b",", 4)
            key = field[0][:8]
            sums[key] = get(key, 0.0) + float(field[3])
    mine = add_other_half(half, sums)
    write(f"{out}.{half.number}", [b"%s,%.8f\n" % pair for pair in mine.items()])


def w5(half: Half, out: str, ranks: dict[bytes, int]) -> None:
    groups: dict[bytes, list[float]] = {}
    for block in half.blocks():
        for line in block.splitlines():
            field = line.split(b",", 4)
            if b"1980-01-01" <= field[2] < b"1980-02-01":
                rank = ranks.get(field[1])
                if rank is not None:
                    group = groups.setdefault(field[0], [0, 0, 0.0])
                    group[0] += rank
                    group[1] += 1
                    group[2] += float(field[3])
    other = half.swap(groups)
    if half.number == 0:
        for key, sums in other.items():
            group = groups.get(key, [0, 0, 0.0])
            groups[key] = [left + right for left, right in zip(group, sums, strict=True)]
        address, (total, count, revenue) = max(groups.items(), key=lambda item: item[1][2])
        write(out, [b"%s,%.8f,%.8f\n" % (address, total / count, revenue)])


def read_ranks(path: str) -> dict[bytes, int]:
    with Path(path).open("rb") as file:
        return {url: int(rank) for url, rank, _ in (line.split(b",", 2) for line in file)}


def w6(half: Half, out: str, path: str) -> None:
    rows = Path(path).stat().st_size // 100
    middle = rows // 2 * 100
    with Path(path).open("rb") as file:
        sample = []
        for number in range(2000):
            file.seek(rows * number // 2000 * 100)
            sample.append(file.read(10))
        pivot = sorted(sample)[1000]
        file.seek(half.number * middle)
        lines = file.read(-1 if half.number else middle).splitlines(keepends=True)
    low = [line for line in lines if line < pivot]
    high = [line for line in lines if line >= pivot]
    del lines
    mine, theirs = (high, low) if half.number else (low, high)
    del low, high
    half.send(b"".join(theirs))
    del theirs
    mine += half.receive().splitlines(keepends=True)
    mine.sort()
    with Path(f"{out}.{half.number}").open("wb") as file:
        for start in range(0, len(mine), 20_000):
            file.write(b"".join(mine[start : start + 20_000]))


def w7(half: Half, out: str, loads: Callable[[bytes], Any]) -> None:
    counts: Counts = {}
    for block in half.blocks():
        for line in block.split(b"\n"):
            if not line or line[:1] == b"#":
                continue
            record = loads(line)
            request, app, region, client = (
                record["Request"],
                record["App"],
                record["Region"],
                record["Client"],
            )
            key = (
                request["Sender"],
                request["Trigger"],
                app["Program"],
                app["Build"],
                app["License"],
                app["Version"],
                record["Connection"]["Type"],
                region["Continent"],
                region["Country"],
                client["OsVersion"],
                client["Language"],
                client["Architecture"],
            )
            try:
                counts[key] += 1
            except KeyError:
                counts[key] = 1
    other = half.swap(counts)
    if half.number == 0:
        for key, count in other.items():
            counts[key] = counts.get(key, 0) + count
        write(out, [f"{','.join(key)},{count}\n".encode() for key, count in counts.items()])


def add_other_half(half: Half, table: dict[Any, Any]) -> dict[Any, Any]:
    """The sums of the keys that are this process's own, over both processes' tables."""
    parts = halves(table)
    mine = parts[half.number]
    get = mine.get
    for key, value in half.swap(parts[1 - half.number]).items():
        mine[key] = get(key, 0) + value
    return mine


def write(path: str, lines: Iterable[bytes]) -> None:
    Path(path).write_bytes(b"".join(lines))


def main() -> int:
    loads = json.loads
    if sys.argv[1] == "--orjson":
        import orjson

        loads = orjson.loads
        del sys.argv[1]
    workload, out, *files = sys.argv[1:]
    if workload == "w5":
        ranks = read_ranks(files.pop(0))
        return run(lambda half: w5(half, out, ranks), Half(files))
    if workload == "w6":
        return run(lambda half: w6(half, out, files[0]), Half(()))
    if workload == "w7":
        return run(lambda half: w7(half, out, loads), Half(files))
    work = {"w1": w1, "w2": w2, "w3": w3, "w4": w4}[workload]
    return run(lambda half: work(half, out), Half(files))


if __name__ == "__main__":
    sys.exit(main())
