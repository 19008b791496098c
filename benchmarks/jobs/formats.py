"""Visits to pages as rows, all of them, for each format of output; and what they add up to."""

from chalicelib import Job, Record, Sum


class Rows(Job):
    """Each visit: its page, and a dict of four fields."""

    shuffle = False

    def mapper(self, _, line):
        ip, url, day, revenue, _, _, _, _, duration = line.split(",")
        yield url, {"ip": ip, "day": day, "revenue": float(revenue), "duration": int(duration)}


class Lines(Job):
    """The same as text with tabs."""

    shuffle = False

    def mapper(self, _, line):
        ip, url, day, revenue, _, _, _, _, duration = line.split(",")
        yield None, f"{url}\t{ip}\t{day}\t{float(revenue)}\t{int(duration)}"


class Totals(Job):
    """Of the pairs that `Rows` wrote: how many, and the sums of duration and revenue."""

    def mapper(self, _, visit):
        yield "all", (1, visit["duration"], visit["revenue"])

    reducer = Record(n=Sum().of(0), duration=Sum().of(1), revenue=Sum(exact=True).of(2))
