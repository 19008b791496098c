"""Counts in memory, and yields them in the end."""

from collections import Counter

from mrjob.job import MRJob


class Tally(MRJob):
    def mapper_init(self):
        self.counts = Counter()

    def mapper(self, _, line):
        self.counts.update(line.split())

    def mapper_final(self):
        yield from self.counts.items()

    def reducer(self, word, counts):
        yield word, sum(counts)


if __name__ == "__main__":
    Tally.run()
