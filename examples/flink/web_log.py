from chalicelib import Job
from chalicelib.join import Join


class Ranked(Join):
    """Pages above a rank that nobody has visited in a year."""

    left, right = "rankings", "visits"
    how = "anti"

    def key(self, tag, row):
        if tag == "rankings":
            return row[0] if int(row[1]) > self.params["rank"] else None
        return row[1] if row[2][:4] == self.params["year"] else None

    def value(self, tag, row):
        return int(row[1]) if tag == "rankings" else None

    def row(self, url, rank, _):
        return url, rank


class WebLog(Job):
    """They, the best first."""

    steps = (Ranked,)
    order_by = "-value"
