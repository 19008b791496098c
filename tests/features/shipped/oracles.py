"""What the jobs of jobs/ must give, found another way: plain Python, or the query as it is written in DuckDB.

An oracle takes the input by file name and gives rows of text cells. `parse` makes the same of a job's output.
"""

from __future__ import annotations

import csv
import json
import re
import time
from calendar import timegm
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import duckdb

from tests.features.shipped.inputs import Files
from tests.worlds.tables import fill

Rows = list[tuple[Any, ...]]


class Oracle(NamedTuple):
    rows: Callable[[Files], Rows]
    #: The job's output as rows.
    parse: Callable[[bytes], Rows]
    #: The whole output has the oracle's order for any number of partitions; otherwise its rows only are the same.
    ordered: bool = False


# ---------------------------------------------------------------------------------------------------
# Outputs to rows


def lines(output: bytes) -> list[str]:
    assert not output or output.endswith(b"\n")
    return output.decode().split("\n")[:-1]


def tsv(output: bytes) -> Rows:
    """Key and value; what is JSON is decoded."""
    return [tuple(map(_cell, line.split("\t"))) for line in lines(output)]


def _cell(cell: str) -> Any:
    if cell[:1] in tuple('[{"-0123456789'):
        try:
            return _hashable(json.loads(cell, parse_float=Fraction))
        except ValueError:
            pass
    return re.sub(r"\\(.)", lambda found: {"t": "\t", "n": "\n"}.get(found[1], found[1]), cell)


def _hashable(item: Any) -> Any:
    if isinstance(item, list):
        return tuple(map(_hashable, item))
    return tuple(map(_hashable, item.values())) if isinstance(item, dict) else item


def jsonl(output: bytes) -> Rows:
    return [_hashable(json.loads(line)) for line in lines(output)]


def comma_rows(output: bytes) -> Rows:
    return [tuple(row) for row in csv.reader(lines(output))]


def records(output: bytes) -> Rows:
    return [(output[at : at + 100],) for at in range(0, len(output), 100)]


# ---------------------------------------------------------------------------------------------------
# The right rows


def text_lines(files: Files) -> Iterator[tuple[str, int, str]]:
    """(file name, byte at which it begins, line)."""
    for name, body in files.items():
        for found in re.finditer(rb"([^\n]*?)\r?\n|[^\n]+$", body):
            line = found[1] if found[1] is not None else found[0]
            yield name, found.start(), line.decode()


def words(files: Files) -> Counter[str]:
    return Counter(word for body in files.values() for word in body.decode().split())


def wordcount(files: Files) -> Rows:
    return list(words(files).items())


def top_words(files: Files) -> Rows:
    return sorted(words(files).items(), key=lambda item: (-item[1], item[0]))[:10]


def grep(files: Files) -> Rows:
    return [((name, at), line) for name, at, line in text_lines(files) if "error" in line.lower()]


def inverted_index(files: Files) -> Rows:
    index: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for name in sorted(files):
        separated = "".join(c if c.isalnum() or c == "_" else " " for c in files[name].decode().lower())
        for word, count in Counter(separated.split()).items():
            index[word].append((name, count))
    return [(word, tuple(found)) for word, found in index.items()]


def access_log(files: Files) -> Rows:
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for _, _, line in text_lines(files):
        if line == "no log line":
            continue  # is set aside
        stamp, zone = line.partition("[")[2].partition("]")[0].split()
        offset = (int(zone[1:3]) * 60 + int(zone[3:])) * (60 if zone[0] == "+" else -60)
        seconds = timegm(time.strptime(stamp, "%d/%b/%Y:%H:%M:%S")) - offset
        request, _, answer = line.partition('"')[2].partition('" ')
        size = answer.split()[1]
        hour = time.strftime("%Y-%m-%dT%H", time.gmtime(seconds))
        groups[request.split()[1].partition("?")[0], hour].append(0 if size == "-" else int(size))
    return [(key, (len(sizes), sum(sizes), quantiles(sizes))) for key, sizes in groups.items()]


@dataclass(frozen=True, eq=False)
class Near:
    """Equal to what lies within a relative error of a number."""

    number: Fraction
    error: Fraction

    def __eq__(self, other: object) -> bool:
        return isinstance(other, int | Fraction) and abs(other - self.number) <= self.error * abs(self.number)


def quantiles(sizes: list[int]) -> tuple[Near, ...]:
    ranked, last = sorted(sizes), len(sizes) - 1
    return tuple(Near(Fraction(ranked[last * q // 100]), Fraction(1, 100)) for q in (50, 99))


def telemetry(files: Files) -> Rows:
    wanted = (
        "Sender Trigger Program Build License Version Type Continent Country OsVersion Language Architecture"
    )
    counts: Counter[tuple[str, ...]] = Counter()
    for _, _, line in text_lines(files):
        if line.startswith("#"):
            continue
        try:
            flat = {name: text for group in json.loads(line).values() for name, text in group.items()}
        except (ValueError, AttributeError):  # not JSON, or not groups of fields
            continue
        counts[tuple(flat.get(name, "") for name in wanted.split())] += 1
    return [(*key, str(count)) for key, count in counts.items()]


def sort(files: Files) -> Rows:
    found = [body[at : at + 100] for body in files.values() for at in range(0, len(body), 100)]
    return [(record,) for record in sorted(found, key=lambda record: record[:10])]


def pagerank(files: Files) -> Rows:
    """By pulling, in fractions, over the matrix of links."""
    edges = {tuple(line.split("\t")) for _, _, line in text_lines(files)}
    pages = {page for edge in edges for page in edge}
    degree = Counter(page for page, _ in edges)
    ranks = dict.fromkeys(pages, Fraction(1))
    for _ in range(10):
        ranks = {
            page: Fraction(15, 100)
            + Fraction(85, 100) * sum(ranks[a] / degree[a] for a, b in edges if b == page)
            for page in pages
        }
        ranks = {page: rank.limit_denominator(10**24) for page, rank in ranks.items()}
    ordered = sorted(ranks.items(), key=lambda item: (-item[1], item[0]))
    return [(page, Near(rank, Fraction(1, 10**12))) for page, rank in ordered]


def query(sql: str, files: Files, **tables: str) -> Rows:
    """The rows of a query over tables, given by their columns; a table's files begin with its name."""
    with duckdb.connect() as database:
        for name, columns in tables.items():
            database.execute(f"CREATE TABLE {name} ({columns})")
            mark = "|" if name == "lineitem" else ","
            body = "".join(body.decode() for file, body in files.items() if file.startswith(name))
            cells = [
                [cell or None for cell in line.split(mark)] if mark == "|" else row
                for line, row in zip(body.splitlines(), csv.reader(body.splitlines()), strict=True)
            ]
            fill(database, name, cells)
        return told(database.execute(sql).fetchall())


def told(rows: Rows) -> Rows:
    """DuckDB's numbers: exact ones as fractions; averages and sums of floats have rounding errors."""

    def number(cell: Any) -> Any:
        if isinstance(cell, float):
            return Near(Fraction(cell), Fraction(1, 10**12))
        return Fraction(cell) if isinstance(cell, Decimal) else cell

    return [tuple(map(number, row)) for row in rows]


LINEITEM = """l_orderkey BIGINT, l_partkey BIGINT, l_suppkey BIGINT, l_linenumber INTEGER, l_quantity DECIMAL(15,2),
    l_extendedprice DECIMAL(15,2), l_discount DECIMAL(15,2), l_tax DECIMAL(15,2), l_returnflag VARCHAR,
    l_linestatus VARCHAR, l_shipdate DATE, l_commitdate DATE, l_receiptdate DATE, l_shipinstruct VARCHAR,
    l_shipmode VARCHAR, l_comment VARCHAR, nothing VARCHAR"""
RANKINGS = "pageURL VARCHAR, pageRank INTEGER, avgDuration INTEGER"
VISITS = """sourceIP VARCHAR, destURL VARCHAR, visitDate DATE, adRevenue DOUBLE, userAgent VARCHAR,
    countryCode VARCHAR, languageCode VARCHAR, searchWord VARCHAR, duration INTEGER"""

Q1 = """
    SELECT l_returnflag, l_linestatus, sum(l_quantity), sum(l_extendedprice),
           sum(l_extendedprice * (1 - l_discount)), sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)),
           avg(l_quantity), avg(l_extendedprice), avg(l_discount), count(*)
    FROM lineitem WHERE l_shipdate <= DATE '1998-12-01' - INTERVAL 90 DAY
    GROUP BY l_returnflag, l_linestatus"""
Q6 = """
    SELECT sum(l_extendedprice * l_discount) FROM lineitem
    WHERE l_shipdate >= DATE '1994-01-01' AND l_shipdate < DATE '1994-01-01' + INTERVAL 1 YEAR
      AND l_discount BETWEEN 0.06 - 0.01 AND 0.06 + 0.01 AND l_quantity < 24"""
SCAN = "SELECT pageURL, pageRank FROM rankings WHERE pageRank > 1000"
AGGREGATE = "SELECT substr(sourceIP, 1, 8), sum(adRevenue) FROM visits GROUP BY ALL"
JOIN = """
    SELECT sourceIP, sum(adRevenue) AS totalRevenue, avg(pageRank)
    FROM rankings JOIN visits ON pageURL = destURL
    WHERE visitDate BETWEEN DATE '1980-01-01' AND DATE '1980-04-01'
    GROUP BY sourceIP ORDER BY totalRevenue DESC LIMIT 1"""


def tpch_q1(files: Files) -> Rows:
    return [(row[:2], row[2:]) for row in query(Q1, files, lineitem=LINEITEM)]


def tpch_q6(files: Files) -> Rows:
    return [("revenue", *row) for row in query(Q6, files, lineitem=LINEITEM)]


def amplab_scan(files: Files) -> Rows:
    return [(url, str(rank)) for url, rank in query(SCAN, files, rankings=RANKINGS)]


def amplab_join(files: Files) -> Rows:
    return [(row[0], row[1:]) for row in query(JOIN, files, rankings=RANKINGS, visits=VISITS)]


def amplab_aggregate(files: Files) -> Rows:
    return query(AGGREGATE, files, visits=VISITS)


def sums(output: bytes) -> Rows:
    return [(key, Fraction(total)) for key, total in comma_rows(output)]


ORACLES: dict[str, Oracle] = {
    "access_log": Oracle(access_log, tsv),
    "amplab_aggregate": Oracle(amplab_aggregate, sums),
    "amplab_join": Oracle(amplab_join, tsv, ordered=True),
    "amplab_scan": Oracle(amplab_scan, comma_rows, ordered=True),
    "grep": Oracle(grep, tsv, ordered=True),
    "inverted_index": Oracle(inverted_index, jsonl),
    "pagerank": Oracle(pagerank, tsv, ordered=True),
    "sort": Oracle(sort, records, ordered=True),
    "telemetry": Oracle(telemetry, comma_rows),
    "top_words": Oracle(top_words, tsv, ordered=True),
    "tpch_q1": Oracle(tpch_q1, tsv),
    "tpch_q6": Oracle(tpch_q6, tsv),
    "wordcount": Oracle(wordcount, tsv),
}
