"""Jobs that are hard on memory if a framework is careless."""

from chalicelib import Job, Sum
from chalicelib.join import Join


class First(Job):
    """How many lines begin with each word."""

    def mapper(self, _, line):
        yield line.split(None, 1)[0], 1

    reducer = Sum()


class Length(Job):
    """The length of all that follows each first word: no combiner, so every value travels."""

    def mapper(self, _, line):
        yield line.split(None, 1)

    def reducer(self, key, values):
        yield key, sum(map(len, values))


class Joined(Join):
    """All rows of both sides travel as they are."""

    def key(self, _, line):
        return line.partition(b",")[0]
