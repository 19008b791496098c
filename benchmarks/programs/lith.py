"""Lithops as its users write it: two maps over futures, a shuffle by hand through the storage API.

Local backend and storage, two workers. Runs in the peers' environment.

usage: lith.py WORKLOAD OUT FILE...
"""

from __future__ import annotations

import json
import pickle
import sys
import zlib
from collections import Counter
from pathlib import Path

import lithops

REDUCERS = 4
SPLIT = 32 << 20
CONFIG = {
    "lithops": {"backend": "localhost", "storage": "localhost", "log_level": "WARNING"},
    "localhost": {"worker_processes": 2, "runtime": sys.executable},
}


def lines(path, start, stop):
    """The lines whose first byte is in the range."""
    with open(path, "rb") as file:
        at = start
        if start:
            file.seek(start - 1)
            at += len(file.readline()) - 1
        for line in file:
            if at >= stop:
                return
            at += len(line)
            yield line


def count_words(source):
    counts = Counter()
    for line in source:
        counts.update(line.split())
    return counts


def pricing_summary(source):
    groups = {}
    for line in source:
        field = line.split(b"|")
        if field[10] <= b"1998-09-02":
            quantity, price, discount = float(field[4]), float(field[5]), float(field[6])
            reduced = price * (1 - discount)
            group = groups.setdefault(field[8] + field[9], [0.0, 0.0, 0.0, 0.0, 0.0, 0])
            group[0] += quantity
            group[1] += price
            group[2] += reduced
            group[3] += reduced * (1 + float(field[7]))
            group[4] += discount
            group[5] += 1
    return groups


def revenue(source):
    total = 0.0
    for line in source:
        field = line.split(b"|")
        if (
            b"1994-01-01" <= field[10] < b"1995-01-01"
            and b"0.05" <= field[6] <= b"0.07"
            and float(field[4]) < 24
        ):
            total += float(field[5]) * float(field[6])
    return {b"sum": total}


def sum_by_prefix(source):
    sums = {}
    for line in source:
        field = line.split(b",")
        key = field[0][:8]
        sums[key] = sums.get(key, 0.0) + float(field[3])
    return sums


def count_permutations(source):
    counts = {}
    for line in source:
        if line[:1] == b"#":
            continue
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
        counts[key] = counts.get(key, 0) + 1
    return counts


MAPPERS = {
    "w1": count_words,
    "w2": pricing_summary,
    "w3": revenue,
    "w4": sum_by_prefix,
    "w7": count_permutations,
}


def q1_row(key, sums):
    quantity, price, reduced, charge, discount, count = sums
    key = key.decode()
    averages = f"{quantity / count:.6f}|{price / count:.6f}|{discount / count:.6f}"
    return f"{key[0]}|{key[1]}|{quantity:.2f}|{price:.2f}|{reduced:.4f}|{charge:.6f}|{averages}|{count}\n".encode()


ROWS = {
    "w1": lambda key, value: b"%s\t%d\n" % (key, value),
    "w2": q1_row,
    "w3": lambda _, value: b"%.4f\n" % value,
    "w4": lambda key, value: b"%s,%.8f\n" % (key, value),
    "w7": lambda key, value: f"{','.join(key)},{value}\n".encode(),
}


def reducer_of(key):
    return zlib.crc32(key if isinstance(key, bytes) else repr(key).encode()) % REDUCERS


def map_task(number, path, start, stop, workload, storage):
    if workload == "w6":
        parts = [[] for _ in range(REDUCERS)]
        for line in lines(path, start, stop):
            parts[(line[0] - 33) * REDUCERS // 94].append(line)
        bodies = [b"".join(part) for part in parts]
    else:
        tables = [{} for _ in range(REDUCERS)]
        for key, value in MAPPERS[workload](lines(path, start, stop)).items():
            tables[reducer_of(key)][key] = value
        bodies = [pickle.dumps(table, 5) for table in tables]
    for reducer, body in enumerate(bodies):
        storage.put_object(storage.bucket, f"shuffle/{reducer}/{number}", body)


def reduce_task(reducer, tasks, workload, out, storage):
    bodies = (storage.get_object(storage.bucket, f"shuffle/{reducer}/{number}") for number in range(tasks))
    with open(f"{out}.{reducer}", "wb") as file:
        if workload == "w6":
            file.writelines(sorted(line for body in bodies for line in body.splitlines(True)))
        else:
            row = ROWS[workload]
            file.writelines(row(key, value) for key, value in merged(bodies, workload).items())


def merged(bodies, workload):
    table = {}
    for body in bodies:
        for key, value in pickle.loads(body).items():  # noqa: S301 - written above
            if key not in table:
                table[key] = value
            elif workload == "w2":
                table[key] = [left + right for left, right in zip(table[key], value, strict=True)]
            else:
                table[key] += value
    return table


def main():
    workload, out, *files = sys.argv[1:]
    splits = []
    for path in files:
        size = Path(path).stat().st_size
        splits += [(path, start, min(size, start + SPLIT)) for start in range(0, size, SPLIT)]
    with lithops.FunctionExecutor(config=CONFIG) as executor:
        executor.map(map_task, [(number, *split, workload) for number, split in enumerate(splits)])
        executor.get_result()
        executor.map(reduce_task, [(reducer, len(splits), workload, out) for reducer in range(REDUCERS)])
        executor.get_result()


if __name__ == "__main__":
    main()
