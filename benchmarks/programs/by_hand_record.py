"""By hand, per record: the least that calling a user's generator for each line costs.

The smallest framework there can be: two processes, a dictionary that combines, one exchange.

usage: by_hand_record.py WORKLOAD OUT FILE...
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from operator import add
from typing import Any

from by_hand import q1_row, write
from two_processes import Half, halves, run

Mapper = Callable[[bytes], Iterator[tuple[Any, Any]]]
Combine = Callable[[Any, Any], Any]


def w1(line: bytes) -> Iterator[tuple[bytes, int]]:
    for word in line.split():
        yield word, 1


def w2(line: bytes) -> Iterator[tuple[bytes, tuple[float, ...]]]:
    field = line.split(b"|")
    if field[10] <= b"1998-09-02":
        quantity, price, discount = float(field[4]), float(field[5]), float(field[6])
        reduced = price * (1 - discount)
        yield field[8] + field[9], (quantity, price, reduced, reduced * (1 + float(field[7])), discount, 1)


def w3(line: bytes) -> Iterator[tuple[bytes, float]]:
    field = line.split(b"|", 11)
    if field[10][:4] == b"1994" and b"0.05" <= field[6] <= b"0.07" and float(field[4]) < 24:
        yield b"revenue", float(field[5]) * float(field[6])


def w4(line: bytes) -> Iterator[tuple[bytes, float]]:
    field = line.split(b",")
    yield field[0][:8], float(field[3])


def w7(line: bytes) -> Iterator[tuple[tuple[str, ...], int]]:
    if line[:1] != b"#":
        record = json.loads(line)
        request, app, region, client = record["Request"], record["App"], record["Region"], record["Client"]
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
        yield key, 1


def add_each(left: tuple[float, ...], right: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(map(add, left, right))


def work(half: Half, workload: str, out: str) -> None:
    mapper: Mapper = {"w1": w1, "w2": w2, "w3": w3, "w4": w4, "w7": w7}[workload]
    combine: Combine = add_each if workload == "w2" else add
    parts = halves(combined(half, mapper, combine))
    mine = parts[half.number]
    get = mine.get
    for key, value in half.swap(parts[1 - half.number]).items():
        old = get(key)
        mine[key] = value if old is None else combine(old, value)
    write(f"{out}.{half.number}", ROWS[workload](mine))


def combined(half: Half, mapper: Mapper, combine: Combine) -> dict[Any, Any]:
    table: dict[Any, Any] = {}
    get = table.get
    for block in half.blocks():
        for line in block.split(b"\n"):
            if line:
                for key, value in mapper(line):
                    old = get(key)
                    table[key] = value if old is None else combine(old, value)
    return table


ROWS: dict[str, Callable[[dict[Any, Any]], list[bytes]]] = {
    "w1": lambda table: [b"%s\t%d\n" % pair for pair in table.items()],
    "w2": lambda table: [q1_row(key, table[key]) for key in sorted(table)],
    "w3": lambda table: [b"%.4f\n" % revenue for revenue in table.values()],
    "w4": lambda table: [b"%s,%.8f\n" % pair for pair in table.items()],
    "w7": lambda table: [f"{','.join(key)},{count}\n".encode() for key, count in table.items()],
}


def main() -> int:
    workload, out, *files = sys.argv[1:]
    return run(lambda half: work(half, workload, out), Half(files))


if __name__ == "__main__":
    sys.exit(main())
