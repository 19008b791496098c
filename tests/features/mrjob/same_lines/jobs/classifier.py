"""A little classifier in two steps: documents by file, words by class."""

import os

from mrjob.compat import jobconf_from_env
from mrjob.job import MRJob
from mrjob.protocol import JSONProtocol
from mrjob.step import MRStep


class Classifier(MRJob):
    INTERNAL_PROTOCOL = JSONProtocol

    def words(self, _, line):
        name = os.path.basename(jobconf_from_env("mapreduce.map.input.file"))
        for word in line.lower().split():
            yield ("word", word, name), 1

    def count(self, key, ones):
        _, word, name = key
        yield word, [name, sum(ones)]

    def score(self, word, counts):
        counts = dict(counts)
        whole = sum(counts.values())
        yield word, {name: round(count / whole, 3) for name, count in sorted(counts.items())}

    def steps(self):
        return [MRStep(mapper=self.words, reducer=self.count), MRStep(reducer=self.score)]


if __name__ == "__main__":
    Classifier.run()
