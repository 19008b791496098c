"""DuckDB, two threads. Its answers are what all others are checked against.

usage: duck.py WORKLOAD OUT FILE...
"""

# ruff: noqa: S608 - the queries are ours, the file names the caller's

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import duckdb

LINEITEM = {
    **dict.fromkeys(("orderkey", "partkey", "suppkey"), "BIGINT"),
    "linenumber": "INT",
    **dict.fromkeys(("quantity", "price", "discount", "tax"), "DOUBLE"),
    **dict.fromkeys(("returnflag", "linestatus"), "VARCHAR"),
    **dict.fromkeys(("shipdate", "commitdate", "receiptdate"), "DATE"),
    **dict.fromkeys(("instruct", "mode", "comment", "nothing"), "VARCHAR"),
}
VISITS = {
    **dict.fromkeys(("ip", "url"), "VARCHAR"),
    "day": "DATE",
    "revenue": "DOUBLE",
    **dict.fromkeys(("agent", "country", "tongue", "word"), "VARCHAR"),
    "duration": "INT",
}
RANKINGS = {"url": "VARCHAR", "rank": "INT", "duration": "INT"}
#: Whole lines: the delimiter is a byte that text does not hold.
LINE = {"line": "VARCHAR"}
WHOLE = "\x01"

#: Sums of money in TPC-H Q1 are printed with two to six digits after the point.
Q1_ROW = "{}|{}|{:.2f}|{:.2f}|{:.4f}|{:.6f}|{:.6f}|{:.6f}|{:.6f}|{}\n"

TELEMETRY = {
    "Request": ("Sender", "Trigger"),
    "App": ("Program", "Build", "License", "Version"),
    "Connection": ("Type",),
    "Region": ("Continent", "Country"),
    "Client": ("OsVersion", "Language", "Architecture"),
}


def rows(files: Sequence[str], delimiter: str, columns: dict[str, str]) -> str:
    """The table function that reads files without header or quotes, or Parquet, whose columns have the same names."""
    if files[0].endswith(".parquet"):
        return f"read_parquet({list(files)})"
    return (
        f"read_csv({list(files)}, delim='{delimiter}', header=false, auto_detect=false, quote='', escape='',"
        f" strict_mode=false, columns={columns})"
    )


def connect() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(
        "SET threads = 2; SET preserve_insertion_order = false; SET temp_directory = '.duckdb'"
    )
    return connection


def copy(query: str, out: str, delimiter: str) -> None:
    form = f"FORMAT csv, HEADER false, DELIMITER '{delimiter}', QUOTE '', ESCAPE ''"
    connect().execute(f"COPY ({query}) TO '{out}' ({form})")


def fetch(query: str) -> list[tuple]:
    return connect().execute(query).fetchall()


def w1(out: str, files: Sequence[str]) -> None:
    words = "unnest(string_split_regex(line, '[ \\t\\n\\r\\x0b\\f]+'))"
    query = f"SELECT word, count(*) FROM (SELECT {words} AS word FROM {rows(files, WHOLE, LINE)})"
    copy(f"{query} WHERE word <> '' GROUP BY 1", out, "\t")


def w2(out: str, files: Sequence[str]) -> None:
    query = f"""
        SELECT returnflag, linestatus, sum(quantity), sum(price), sum(price * (1 - discount)),
               sum(price * (1 - discount) * (1 + tax)), avg(quantity), avg(price), avg(discount), count(*)
        FROM {rows(files, "|", LINEITEM)} WHERE shipdate <= DATE '1998-09-02' GROUP BY 1, 2 ORDER BY 1, 2"""
    Path(out).write_text("".join(Q1_ROW.format(*row) for row in fetch(query)))


def w3(out: str, files: Sequence[str]) -> None:
    query = f"""
        SELECT sum(price * discount) FROM {rows(files, "|", LINEITEM)}
        WHERE shipdate >= DATE '1994-01-01' AND shipdate < DATE '1995-01-01'
          AND discount BETWEEN 0.05 AND 0.07 AND quantity < 24"""
    Path(out).write_text(f"{fetch(query)[0][0]:.4f}\n")


def w4(out: str, files: Sequence[str]) -> None:
    source = rows(files, ",", VISITS)
    copy(f"SELECT substr(ip, 1, 8), printf('%.8f', sum(revenue)) FROM {source} GROUP BY 1", out, ",")


def w5(out: str, files: Sequence[str]) -> None:
    rankings, *visits = files
    query = f"""
        SELECT ip, avg(rank), sum(revenue) AS total
        FROM {rows(visits, ",", VISITS)} visits JOIN {rows([rankings], ",", RANKINGS)} rankings USING (url)
        WHERE day >= DATE '1980-01-01' AND day < DATE '1980-02-01'
        GROUP BY 1 ORDER BY total DESC LIMIT 1"""
    address, rank, total = fetch(query)[0]
    Path(out).write_text(f"{address},{rank:.8f},{total:.8f}\n")


def w6(out: str, files: Sequence[str]) -> None:
    connection = connect()
    connection.execute("SET preserve_insertion_order = true")
    query = f"SELECT line FROM {rows(files, WHOLE, LINE)} ORDER BY line"
    form = f"FORMAT csv, HEADER false, DELIMITER '{WHOLE}', QUOTE '', ESCAPE ''"
    connection.execute(f"COPY ({query}) TO '{out}' ({form})")


def w7(out: str, files: Sequence[str]) -> None:
    shape = {group: dict.fromkeys(names, "VARCHAR") for group, names in TELEMETRY.items()}
    as_json = str(shape).replace("'", '"')
    columns = ", ".join(f"r.{group}.{name}" for group, names in TELEMETRY.items() for name in names)
    source = f"SELECT from_json(line, '{as_json}') AS r FROM {rows(files, WHOLE, LINE)} WHERE line[1] <> '#'"
    copy(f"SELECT {columns}, count(*) FROM ({source}) GROUP BY ALL", out, ",")


if __name__ == "__main__":
    workload, out, *files = sys.argv[1:]
    {"w1": w1, "w2": w2, "w3": w3, "w4": w4, "w5": w5, "w6": w6, "w7": w7}[workload](out, files)
