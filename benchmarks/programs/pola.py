"""Polars, two threads, streaming engine.

usage: pola.py WORKLOAD OUT FILE...
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

os.environ["POLARS_MAX_THREADS"] = "2"  # read when polars is imported

import polars as pl
from polars import col

TEXT, REAL, WHOLE = pl.String, pl.Float64, pl.Int64
LINEITEM = {
    **dict.fromkeys(("orderkey", "partkey", "suppkey", "linenumber"), WHOLE),
    **dict.fromkeys(("quantity", "price", "discount", "tax"), REAL),
    **dict.fromkeys(("returnflag", "linestatus", "shipdate", "commitdate", "receiptdate"), TEXT),
    **dict.fromkeys(("instruct", "mode", "comment", "nothing"), TEXT),
}
VISITS = {
    **dict.fromkeys(("ip", "url", "day"), TEXT),
    "revenue": REAL,
    **dict.fromkeys(("agent", "country", "tongue", "word"), TEXT),
    "duration": WHOLE,
}
RANKINGS = {"url": TEXT, "rank": WHOLE, "duration": WHOLE}
Q1_ROW = "{}|{}|{:.2f}|{:.2f}|{:.4f}|{:.6f}|{:.6f}|{:.6f}|{:.6f}|{}\n"
TELEMETRY = {
    "Request": ("Sender", "Trigger"),
    "App": ("Program", "Build", "License", "Version"),
    "Connection": ("Type",),
    "Region": ("Continent", "Country"),
    "Client": ("OsVersion", "Language", "Architecture"),
}


def rows(files: Sequence[str], delimiter: str, columns: dict) -> pl.LazyFrame:
    return pl.scan_csv(files, separator=delimiter, has_header=False, quote_char=None, schema=columns)


def lines(files: Sequence[str]) -> pl.LazyFrame:
    return pl.scan_lines(files, name="line")


def collect(frame: pl.LazyFrame) -> pl.DataFrame:
    return frame.collect(engine="streaming")


def w1(out: str, files: Sequence[str]) -> None:
    words = col("line").str.extract_all(r"[^ \t\n\r\x0b\x0c]+").alias("word")
    counts = lines(files).select(words).explode("word").drop_nulls().group_by("word").len()
    collect(counts).write_csv(out, separator="\t", include_header=False, quote_style="never")


def w2(out: str, files: Sequence[str]) -> None:
    reduced = col("price") * (1 - col("discount"))
    frame = rows(files, "|", LINEITEM).filter(col("shipdate") <= "1998-09-02")
    groups = frame.group_by("returnflag", "linestatus").agg(
        col("quantity").sum().alias("sum_quantity"),
        col("price").sum().alias("sum_price"),
        reduced.sum().alias("sum_reduced"),
        (reduced * (1 + col("tax"))).sum().alias("sum_charge"),
        col("quantity").mean().alias("avg_quantity"),
        col("price").mean().alias("avg_price"),
        col("discount").mean().alias("avg_discount"),
        pl.len().alias("count"),
    )
    result = collect(groups.sort("returnflag", "linestatus")).rows()
    Path(out).write_text("".join(Q1_ROW.format(*row) for row in result))


def w3(out: str, files: Sequence[str]) -> None:
    wanted = rows(files, "|", LINEITEM).filter(
        (col("shipdate") >= "1994-01-01")
        & (col("shipdate") < "1995-01-01")
        & col("discount").is_between(0.05, 0.07)
        & (col("quantity") < 24)
    )
    revenue = collect(wanted.select((col("price") * col("discount")).sum())).item()
    Path(out).write_text(f"{revenue:.4f}\n")


def w4(out: str, files: Sequence[str]) -> None:
    visits = rows(files, ",", VISITS).select(col("ip").str.slice(0, 8).alias("prefix"), "revenue")
    sums = collect(visits.group_by("prefix").agg(col("revenue").sum()))
    sums.write_csv(out, include_header=False, float_precision=8)


def w5(out: str, files: Sequence[str]) -> None:
    rankings, *visits = files
    january = rows(visits, ",", VISITS).filter((col("day") >= "1980-01-01") & (col("day") < "1980-02-01"))
    joined = january.join(rows([rankings], ",", RANKINGS), on="url")
    groups = joined.group_by("ip").agg(col("rank").mean(), col("revenue").sum())
    address, rank, total = collect(groups.sort("revenue", descending=True).head(1)).row(0)
    Path(out).write_text(f"{address},{rank:.8f},{total:.8f}\n")


def w6(out: str, files: Sequence[str]) -> None:
    collect(lines(files).sort("line")).write_csv(out, include_header=False, quote_style="never")


def w7(out: str, files: Sequence[str]) -> None:
    shape = pl.Struct({group: pl.Struct(dict.fromkeys(names, TEXT)) for group, names in TELEMETRY.items()})
    records = (
        lines(files).filter(~col("line").str.starts_with("#")).select(col("line").str.json_decode(shape))
    )
    fields = [col(group).struct.field(*names) for group, names in TELEMETRY.items()]
    counts = records.unnest("line").select(*fields).group_by(pl.all()).len()
    collect(counts).write_csv(out, include_header=False)


if __name__ == "__main__":
    workload, out, *files = sys.argv[1:]
    {"w1": w1, "w2": w2, "w3": w3, "w4": w4, "w5": w5, "w6": w6, "w7": w7}[workload](out, files)
