"""TF-IDF: the ten words that tell each document from the others, in four steps."""

import math

from chalicelib import Job, Sum, Top


class Count(Job):
    """How often each word is in each document."""

    def mapper(self, _, row):
        name, text = row
        for word in text.split(" "):
            yield (name, word), 1

    reducer = Sum()


class Frequency(Job):
    """By word: document, and the word's share of it."""

    def mapper(self, key, count):
        name, word = key
        yield name, (word, count)

    def reducer(self, name, counts):
        counts = list(counts)
        total = sum(count for _, count in counts)
        for word, count in counts:
            yield word, (name, count / total)


class Score(Job):
    def reducer(self, word, shares):
        shares = list(shares)
        rarity = math.log(self.params["documents"] / len(shares))
        for name, share in shares:
            yield name, (round(share * rarity, 9), word)


class Best(Job):
    reducer = Top(10, by=0)


class TfIdf(Job):
    steps = (Count, Frequency, Score, Best)
