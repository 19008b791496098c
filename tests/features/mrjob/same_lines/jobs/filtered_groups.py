"""Filters before the combiner and before the reducer: a pipe, and a variable of the shell."""

from mrjob.job import MRJob
from mrjob.step import MRStep


class FilteredGroups(MRJob):
    def words(self, _, line):
        for word in line.split():
            yield word, 1

    def add(self, word, counts):
        yield word, sum(counts)

    def steps(self):
        return [
            MRStep(
                mapper=self.words,
                combiner_pre_filter="grep -v dog",
                combiner=self.add,
                reducer_pre_filter="grep -v '^\"the' | cat",
                reducer=self.add,
            )
        ]


if __name__ == "__main__":
    FilteredGroups.run()
