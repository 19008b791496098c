"""Homes: what their prices are, by zip."""

from decimal import Decimal

from chalicelib import Avg, Count, Job, Max, Min, Quantiles, Record


class Homes(Job):
    def mapper(self, _, home):
        if home["price"]:
            yield home["zip"], Decimal(home["price"])

    reducer = Record(n=Count(), mean=Avg(), lo=Min(), hi=Max(), q=Quantiles(0.5))
