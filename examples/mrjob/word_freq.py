import re

from chalicelib.mrjob import MRJob, MRStep


class MRWordFreq(MRJob):
    """How often each word occurs. Only the import differs from a job for mrjob."""

    def mapper(self, _, line):
        for word in re.findall(r"[\w']+", line):
            yield word.lower(), 1

    def combiner(self, word, counts):
        yield word, sum(counts)

    def reducer(self, word, counts):
        yield word, sum(counts)


class MRMostUsedWord(MRJob):
    """The word that occurs most often: two steps, the second with one key."""

    def mapper_words(self, _, line):
        for word in re.findall(r"[\w']+", line):
            yield word.lower(), 1

    def reducer_count(self, word, counts):
        yield None, (sum(counts), word)

    def reducer_most(self, _, counted):
        yield max(counted)

    def steps(self):
        return [
            MRStep(mapper=self.mapper_words, reducer=self.reducer_count),
            MRStep(reducer=self.reducer_most),
        ]
