from chalicelib import Avg, Job, Record, Sum
from chalicelib.join import Join


class Scan(Job):
    """Query 1 of AMPLab's benchmark: pages above a rank. Nothing is shuffled."""

    shuffle = False

    def mapper(self, _, page):
        if int(page[1]) > self.params["rank"]:
            yield page[0], int(page[1])


class Revenue(Job):
    """Query 2: advertisement revenue by the first characters of the visitor's address."""

    def mapper(self, _, visit):
        yield visit[0][: self.params["length"]], float(visit[3])

    reducer = Sum(exact=True)


class RankedVisits(Join):
    """(address, (rank, revenue)) of each early visit to a page that has a rank."""

    left, right = "rankings", "visits"

    def key(self, tag, row):
        if tag == "rankings":
            return row[0]
        return row[1] if row[2] < self.params["before"] else None

    def value(self, tag, row):
        return int(row[1]) if tag == "rankings" else (row[0], float(row[3]))

    def row(self, _, rank, visit):
        address, revenue = visit
        return address, (rank, revenue)


class MeansByVisitor(Job):
    """What the step before gave, by address."""

    reducer = Record(rank=Avg().of(0), revenue=Avg(exact=True).of(1))


class Joined(Job):
    """Query 3, in Corral's two stages: the join, then the means by visitor."""

    steps = (RankedVisits, MeansByVisitor)
