"""AMPLab join: of the visits in January 1980, the address with the greatest revenue, and its mean page rank."""

from functools import cache

from chalicelib import Aggregator, Job
from chalicelib.join import Join, table

FROM, TO = "1980-01-01", "1980-02-01"


class Totals(Aggregator):
    """Sums of (rank, number, revenue); at the end mean rank and revenue."""

    def merge(self, left, right):
        return left[0] + right[0], left[1] + right[1], left[2] + right[2]

    def finish(self, state):
        return state[0] / state[1], state[2]


class Best(Job):
    """The address with the greatest revenue."""

    reducer = Totals()
    descending = True
    limit = 1

    def order_by(self, _, totals):
        return totals[1]


class Visits(Join):
    left, right = "rankings", "visits"

    def key(self, tag, line):
        if tag == "rankings":
            return line.partition(",")[0]
        field = line.split(",", 3)
        return field[1] if FROM <= field[2] < TO else None

    def value(self, tag, line):
        field = line.split(",", 4)
        return int(field[1]) if tag == "rankings" else (field[0], float(field[3]))

    def row(self, _, rank, visit):
        return visit[0], (rank, 1, visit[1])


class Record(Job):
    """Both inputs are shuffled: the way for two large ones."""

    steps = (Visits, Best)


@cache
def ranks(path):
    """Once a process, not once a task."""
    return table(path, key=lambda row: row[0], value=lambda row: int(row[1]))


class Chunk(Best):
    """The small input is a side file: nothing is shuffled but sums by address."""

    def mapper_init(self):
        self.ranks = ranks(self.file(self.params["rankings"]))

    def mapper_chunk(self, text):
        rank_of, sums = self.ranks.get, {}
        for line in text.splitlines():
            field = line.split(",", 4)
            if FROM <= field[2] < TO:
                rank = rank_of(field[1])
                if rank is not None:
                    total, count, revenue = sums.get(field[0], (0, 0, 0.0))
                    sums[field[0]] = total + rank, count + 1, revenue + float(field[3])
        return sums
