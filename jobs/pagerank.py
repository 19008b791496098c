"""PageRank, one iteration a step, over links such as `from.html<TAB>to.html`, one a line.

    scripts/run.py pagerank links/ --output ranks/ --set params.iterations=20

Ranks begin at 1 and are (1 - damping) + damping * what the linking pages pass on, each its rank in equal
shares. A page without links passes nothing on. Rows are page and rank, the greatest rank first.
"""

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


class Iterate(Job):
    """Ranks to the next ranks; links go along."""

    def mapper(self, page, state):
        rank, links = state
        yield page, (0.0, links)
        for link in links:
            yield link, (rank / len(links), [])

    def reducer(self, page, passed):
        links = []

        def shares():
            for share, own in passed:
                links.extend(own)
                yield share

        total = fsum(shares())  # exact, so that the order in which shares come does not show
        damping = self.params["damping"]
        yield page, (1 - damping + damping * total, links)


class Ranks(Job):
    """The result: ranks without links, in their order."""

    order_by = "-value"

    def mapper(self, page, state):
        yield page, state[0]


class PageRank(Job):
    def steps(self):
        return [Links, *[Iterate] * self.params["iterations"], Ranks]
