"""TPC-H query 1: the pricing summary report."""

from datetime import date
from operator import add

from chalicelib import Job
from chalicelib.aggregators import Aggregator

LAST = date(1998, 9, 2)


class Summary(Aggregator):
    """Quantity, price, reduced price, charge, discount and count; in the end averages, too."""

    def merge(self, left, right):
        return tuple(map(add, left, right))

    def finish(self, state):
        quantity, price, reduced, charge, discount, count = state
        averages = quantity / count, price / count, discount / count
        return (quantity, price, reduced, charge, *averages, count)


class Record(Job):
    def mapper(self, _, line):
        field = line.split(b"|")
        if field[10] <= b"1998-09-02":
            quantity, price, discount = float(field[4]), float(field[5]), float(field[6])
            reduced = price * (1 - discount)
            charge = reduced * (1 + float(field[7]))
            yield field[8] + field[9], (quantity, price, reduced, charge, discount, 1)

    reducer = Summary()


class Parquet(Job):
    """Over rows with types, as dicts."""

    def mapper(self, _, row):
        if row["shipdate"] <= LAST:
            quantity, price, discount = row["quantity"], row["price"], row["discount"]
            reduced = price * (1 - discount)
            charge = reduced * (1 + row["tax"])
            yield row["returnflag"] + row["linestatus"], (quantity, price, reduced, charge, discount, 1)

    reducer = Summary()


class Chunk(Job):
    def mapper_chunk(self, text):
        groups = {}
        for line in text.splitlines():
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
        return groups

    reducer = Summary()
