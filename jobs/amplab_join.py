"""The join query of AMPLab's Big Data Benchmark: the visitor who brought most revenue in some days.

    SELECT sourceIP, SUM(adRevenue) AS totalRevenue, AVG(pageRank)
    FROM rankings JOIN uservisits ON pageURL = destURL
    WHERE visitDate BETWEEN '1980-01-01' AND '1980-04-01'
    GROUP BY sourceIP ORDER BY totalRevenue DESC LIMIT 1

    scripts/run.py amplab_join rankings=rankings/ visits=uservisits/ --output best/

The join, then the totals; the order and the limit are one step more.
"""

from chalicelib import Avg, Job, Record, Sum
from chalicelib.join import Join


class Visits(Join):
    """(address, (revenue, rank)) of each visit in those days to a page that has a rank."""

    left, right = "rankings", "visits"

    def key(self, tag, record):
        if tag == "rankings":
            return record[0]
        return record[1] if self.params["first"] <= record[2] <= self.params["last"] else None

    def value(self, tag, record):
        return int(record[1]) if tag == "rankings" else (record[0], float(record[3]))

    def row(self, _, rank, visit):
        address, revenue = visit
        return address, (revenue, rank)


class Totals(Job):
    """Of the pairs of the step before, as they are."""

    reducer = Record(total_revenue=Sum(exact=True).of(0), avg_page_rank=Avg().of(1))


class BestVisitor(Job):
    steps = (Visits, Totals)
    descending = True
    limit = 1

    def order_by(self, _, totals):
        return totals["total_revenue"]
