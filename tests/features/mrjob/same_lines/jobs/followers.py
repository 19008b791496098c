"""Which word follows which, by sorted values: the total arrives before the rest."""

from mrjob.job import MRJob
from mrjob.step import MRStep


class Followers(MRJob):
    SORT_VALUES = True

    def pairs(self, _, line):
        words = line.lower().split()
        for before, word in zip(words, words[1:]):
            yield before, (0, 1)
            yield before, (1, word)

    def share(self, before, values):
        total = 0
        for kind, value in values:
            if kind == 0:
                total += value
            else:
                yield (before, value), total

    def fold(self, key, totals):
        totals = list(totals)
        yield key, [len(totals), totals[0]]

    def steps(self):
        return [MRStep(mapper=self.pairs, reducer=self.share), MRStep(reducer=self.fold)]


if __name__ == "__main__":
    Followers.run()
