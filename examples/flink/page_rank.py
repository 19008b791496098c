from itertools import chain
from math import fsum

from chalicelib import Job


class Links(Job):
    """(page, (rank, its links)) of every page that links or is linked to."""

    def mapper(self, _, row):
        page, link = row
        yield page, [link]
        yield link, []

    def reducer(self, page, links):
        yield page, (1.0, sorted(set(chain.from_iterable(links))))


class Pass(Job):
    """Ranks to the next ranks, until all move by less than epsilon."""

    rounds = 100

    def mapper(self, page, state):
        rank, links = state
        yield page, (0.0, links, rank)
        for link in links:
            yield link, (rank / len(links), [], 0.0)

    def reducer(self, page, passed):
        shares, links, before = zip(*passed, strict=True)
        damping = self.params["damping"]
        rank = 1 - damping + damping * fsum(shares)
        self.count("moved", abs(rank - fsum(before)) > self.params["epsilon"])
        yield page, (rank, list(chain.from_iterable(links)))

    def converged(self):
        return not self.run.steps[-1].counters.get("moved")


class Ranks(Job):
    """The result: ranks without links, the greatest first."""

    order_by = "-value"

    def mapper(self, page, state):
        yield page, state[0]


class PageRank(Job):
    steps = (Links, Pass, Ranks)
