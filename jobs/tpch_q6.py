"""TPC-H query 6, what small discounted orders of one year would have brought, over lineitem as dbgen writes it.

    scripts/run.py tpch_q6 lineitem.tbl --output q6/ --set params.year=1995

Prices are Decimals: the sum is exact. tpch_q6_sql is the same in SQL.
"""

from decimal import Decimal

from chalicelib import Job, Sum

LEAST, MOST = Decimal("0.05"), Decimal("0.07")


class Q6(Job):
    def mapper(self, _, item):
        quantity, price, discount = map(Decimal, item[4:7])
        if item[10][:4] == str(self.params["year"]) and LEAST <= discount <= MOST and quantity < 24:
            yield "revenue", price * discount

    reducer = Sum()
