"""The aggregation query of AMPLab's Big Data Benchmark: revenue by the first characters of the address.

    SELECT SUBSTR(sourceIP, 1, 8), SUM(adRevenue) FROM uservisits GROUP BY SUBSTR(sourceIP, 1, 8)

    scripts/run.py amplab_aggregate uservisits/ --output revenue/ --set params.length=10

Input is uservisits: sourceIP, destURL, visitDate, adRevenue, and five columns more.
"""

from chalicelib import Job, Sum


class Aggregate(Job):
    def mapper(self, _, visit):
        yield visit[0][: self.params["length"]], float(visit[3])

    reducer = Sum(exact=True)
