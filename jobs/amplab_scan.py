"""The scan query of AMPLab's Big Data Benchmark: pages of more than some rank.

    SELECT pageURL, pageRank FROM rankings WHERE pageRank > 1000

    scripts/run.py amplab_scan rankings/ --output pages/ --set params.rank=100

Input is rankings: pageURL, pageRank, avgDuration. Rows stay in the order of the input: nothing is shuffled.
"""

from chalicelib import Job


class Scan(Job):
    shuffle = False

    def mapper(self, _, page):
        url, rank, _ = page
        if int(rank) > self.params["rank"]:
            yield url, int(rank)
