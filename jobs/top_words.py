"""The words that occur most often, in two steps: count all words, then keep the most frequent.

    scripts/run.py top_words texts/ --output top/ --set params.n=100

Rows are word and count, the most frequent first; of words as frequent, the first in the alphabet.
"""

from heapq import nsmallest

from chalicelib import Job, Sum


class Counts(Job):
    def mapper(self, _, line):
        for word in line.split():
            yield word, 1

    reducer = Sum()


class Most(Job):
    """Fed by the counts. Each task keeps its own first n, so that one reducer has few to look at."""

    def mapper(self, word, count):
        yield None, (-count, word)

    def combiner(self, _, found):
        for item in nsmallest(self.params["n"], found):
            yield None, item

    def reducer(self, _, found):
        for count, word in nsmallest(self.params["n"], found):
            yield word, -count


class TopWords(Job):
    steps = (Counts, Most)
