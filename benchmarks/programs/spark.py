"""PySpark with local[2]: user Python over RDDs, or DataFrames. Runs in the peers' environment.

usage: spark.py rdd|frame WORKLOAD OUT FILE...
"""

from __future__ import annotations

import json
import os
import sys
from operator import add
from pathlib import Path

os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
os.environ["PYSPARK_PYTHON"] = sys.executable

from pyspark.sql import SparkSession
from pyspark.sql import functions as f

LINEITEM = (
    "orderkey long, partkey long, suppkey long, linenumber int, quantity double, price double,"
    " discount double, tax double, returnflag string, linestatus string, shipdate date, commitdate date,"
    " receiptdate date, instruct string, mode string, comment string, nothing string"
)
VISITS = (
    "ip string, url string, day date, revenue double, agent string, country string, tongue string,"
    " word string, duration int"
)
RANKINGS = "url string, rank int, duration int"
TELEMETRY = (
    "Request struct<Sender:string,Trigger:string>,"
    " App struct<Program:string,Build:string,License:string,Version:string>,"
    " Connection struct<Type:string>, Region struct<Continent:string,Country:string>,"
    " Client struct<OsVersion:string,Language:string,Architecture:string>"
)
FIELDS = (  # noqa: SIM905
    "Request.Sender Request.Trigger App.Program App.Build App.License App.Version Connection.Type"
    " Region.Continent Region.Country Client.OsVersion Client.Language Client.Architecture"
).split()
Q1_ROW = "{}|{}|{:.2f}|{:.2f}|{:.4f}|{:.6f}|{:.6f}|{:.6f}|{:.6f}|{}\n"
JANUARY = ("1980-01-01", "1980-02-01")


def session(out):
    return (
        SparkSession.builder.master("local[2]")
        .config("spark.driver.memory", "4g")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.local.dir", f"{out}.tmp")
        .config("spark.sql.shuffle.partitions", "4")
        .getOrCreate()
    )


# RDDs: the user's Python, record by record


def lines(spark, files):
    # Bytes as they are: Spark's own decoding would replace what is no text.
    return spark.sparkContext.textFile(",".join(files))


def q1_pair(line):
    field = line.split("|")
    quantity, price, discount = float(field[4]), float(field[5]), float(field[6])
    reduced = price * (1 - discount)
    return (field[8], field[9]), (quantity, price, reduced, reduced * (1 + float(field[7])), discount, 1)


def add_each(left, right):
    return tuple(map(add, left, right))


def q1_row(group):
    key, (quantity, price, reduced, charge, discount, count) = group
    averages = quantity / count, price / count, discount / count
    return Q1_ROW.format(*key, quantity, price, reduced, charge, *averages, count)


def permutation(line):
    record = json.loads(line)
    return tuple(record[group][name] for group, name in (path.split(".") for path in FIELDS))


def rdd_w1(spark, out, files):
    # bytes.split() knows six separators; str.split() many more.
    counts = lines(spark, files).flatMap(lambda line: line.encode().split()).map(lambda word: (word, 1))
    rows = counts.reduceByKey(add, 4).map(lambda pair: f"{pair[0].decode()}\t{pair[1]}")
    rows.saveAsTextFile(out)


def rdd_w2(spark, out, files):
    wanted = lines(spark, files).filter(lambda line: line.split("|")[10] <= "1998-09-02")
    groups = wanted.map(q1_pair).reduceByKey(add_each).collect()
    Path(out).write_text("".join(map(q1_row, sorted(groups))))


def rdd_w3(spark, out, files):
    fields = lines(spark, files).map(lambda line: line.split("|"))
    wanted = fields.filter(
        lambda x: "1994-01-01" <= x[10] < "1995-01-01" and "0.05" <= x[6] <= "0.07" and float(x[4]) < 24
    )
    Path(out).write_text(f"{wanted.map(lambda x: float(x[5]) * float(x[6])).sum():.4f}\n")


def rdd_w4(spark, out, files):
    fields = lines(spark, files).map(lambda line: line.split(","))
    sums = fields.map(lambda x: (x[0][:8], float(x[3]))).reduceByKey(add, 4)
    sums.map(lambda pair: f"{pair[0]},{pair[1]:.8f}").saveAsTextFile(out)


def rdd_w5(spark, out, files):
    rankings, *visits = files
    ranks = lines(spark, [rankings]).map(lambda line: line.split(",")).map(lambda x: (x[0], int(x[1])))
    fields = lines(spark, visits).map(lambda line: line.split(","))
    january = fields.filter(lambda x: JANUARY[0] <= x[2] < JANUARY[1])
    joined = january.map(lambda x: (x[1], (x[0], float(x[3])))).join(ranks, 4).values()
    groups = joined.map(lambda x: (x[0][0], (x[1], 1, x[0][1]))).reduceByKey(add_each)
    address, (rank, count, revenue) = groups.max(key=lambda group: group[1][2])
    Path(out).write_text(f"{address},{rank / count:.8f},{revenue:.8f}\n")


def rdd_w6(spark, out, files):
    lines(spark, files).map(lambda line: (line, None)).sortByKey(numPartitions=4).keys().saveAsTextFile(out)


def rdd_w7(spark, out, files):
    records = lines(spark, files).filter(lambda line: not line.startswith("#"))
    counts = records.map(lambda line: (permutation(line), 1)).reduceByKey(add, 4)
    counts.map(lambda pair: f"{','.join(pair[0])},{pair[1]}").saveAsTextFile(out)


# DataFrames: no user code at run time


def csv(spark, files, delimiter, schema):
    return spark.read.csv(files, schema=schema, sep=delimiter, quote="", header=False)


def write_rows(frame, delimiter, out):
    columns = [f.col(name).cast("string") for name in frame.columns]
    frame.select(f.concat_ws(delimiter, *columns)).write.text(out)


def frame_w1(spark, out, files):
    words = spark.read.text(files).select(f.explode(f.split("value", r"[ \t\n\r\x0b\f]+")).alias("word"))
    write_rows(words.where("word <> ''").groupBy("word").count(), "\t", out)


def frame_w2(spark, out, files):
    reduced = f.col("price") * (1 - f.col("discount"))
    rows = csv(spark, files, "|", LINEITEM).where("shipdate <= date '1998-09-02'")
    groups = rows.groupBy("returnflag", "linestatus").agg(
        f.sum("quantity"),
        f.sum("price"),
        f.sum(reduced),
        f.sum(reduced * (1 + f.col("tax"))),
        f.avg("quantity"),
        f.avg("price"),
        f.avg("discount"),
        f.count("*"),
    )
    Path(out).write_text("".join(Q1_ROW.format(*row) for row in sorted(groups.collect())))


def frame_w3(spark, out, files):
    wanted = csv(spark, files, "|", LINEITEM).where(
        "shipdate >= date '1994-01-01' and shipdate < date '1995-01-01'"
        " and discount between 0.05 and 0.07 and quantity < 24"
    )
    Path(out).write_text(f"{wanted.select(f.expr('sum(price * discount)')).first()[0]:.4f}\n")


def frame_w4(spark, out, files):
    visits = csv(spark, files, ",", VISITS).withColumn("prefix", f.substring("ip", 1, 8))
    sums = visits.groupBy("prefix").agg(f.sum("revenue").alias("total"))
    write_rows(sums.select("prefix", f.format_string("%.8f", "total").alias("total")), ",", out)


def frame_w5(spark, out, files):
    rankings, *visits = files
    january = csv(spark, visits, ",", VISITS).where(
        f"day >= date '{JANUARY[0]}' and day < date '{JANUARY[1]}'"
    )
    joined = january.join(csv(spark, [rankings], ",", RANKINGS).select("url", "rank"), "url")
    groups = joined.groupBy("ip").agg(f.avg("rank").alias("rank"), f.sum("revenue").alias("total"))
    address, rank, total = groups.orderBy(f.desc("total")).first()
    Path(out).write_text(f"{address},{rank:.8f},{total:.8f}\n")


def frame_w6(spark, out, files):
    spark.read.text(files).sort("value").write.text(out)


def frame_w7(spark, out, files):
    lines = spark.read.text(files).where(~f.col("value").startswith("#"))
    records = lines.select(f.from_json("value", TELEMETRY).alias("r")).select("r.*")
    write_rows(records.groupBy(*FIELDS).count(), ",", out)


def main():
    way, workload, out, *files = sys.argv[1:]
    spark = session(out)
    spark.sparkContext.setLogLevel("ERROR")
    globals()[f"{way}_{workload}"](spark, out, files)
    spark.stop()


if __name__ == "__main__":
    main()
