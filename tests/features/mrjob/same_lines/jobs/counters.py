"""Counters by group, in each of two steps."""

from mrjob.job import MRJob
from mrjob.step import MRStep


class Counters(MRJob):
    def first(self, _, line):
        self.increment_counter("lines", "all")
        self.increment_counter("lines, and more", "of, characters", len(line))
        yield len(line) % 3, 1

    def add(self, key, ones):
        self.increment_counter(key, ("odd", 1))
        yield key, sum(ones)

    def second(self, key, total):
        self.increment_counter(group="lines", counter="all", amount=total)
        yield total, key

    def steps(self):
        return [MRStep(mapper=self.first, reducer=self.add), MRStep(mapper=self.second)]


if __name__ == "__main__":
    Counters.run()
