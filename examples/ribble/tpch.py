from datetime import date, timedelta
from decimal import Decimal

from chalicelib import Avg, Count, Job, Record, Sum

LAST = date(1998, 12, 1) - timedelta(days=90)


class Query1(Job):
    """TPC-H query 1: what was shipped until a day, by flag and status."""

    def mapper(self, _, item):
        if date.fromisoformat(item[10]) <= LAST:
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


class Query6(Job):
    """TPC-H query 6: what small discounted orders of a year would have brought."""

    def mapper(self, _, item):
        quantity, price, discount = map(Decimal, item[4:7])
        in_year = date.fromisoformat(item[10]).year == self.params["year"]
        if in_year and Decimal("0.05") <= discount <= Decimal("0.07") and quantity < 24:
            yield "revenue", price * discount

    reducer = Sum()
