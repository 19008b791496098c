"""TPC-H query 1, the pricing summary report, over lineitem as dbgen writes it.

    scripts/run.py tpch_q1 lineitem.tbl --output q1/

Prices are Decimals: every sum is exact. tpch_q1_sql is the same in SQL.
"""

from decimal import Decimal

from chalicelib import Avg, Count, Job, Record, Sum


class Q1(Job):
    def mapper(self, _, item):
        if item[10] <= self.params["shipped_until"]:
            quantity, price, discount, tax = map(Decimal, item[4:8])
            reduced = price * (1 - discount)
            yield (item[8], item[9]), (quantity, price, reduced, reduced * (1 + tax), discount)

    reducer = Record(
        sum_qty=Sum().of(0),
        sum_base_price=Sum().of(1),
        sum_disc_price=Sum().of(2),
        sum_charge=Sum().of(3),
        avg_qty=Avg().of(0),
        avg_price=Avg().of(1),
        avg_disc=Avg().of(4),
        count_order=Count(),
    )
