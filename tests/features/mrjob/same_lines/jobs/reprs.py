"""Tuples and sets keep their types between tasks."""

from mrjob.job import MRJob
from mrjob.protocol import ReprProtocol, ReprValueProtocol


class Reprs(MRJob):
    INTERNAL_PROTOCOL = ReprProtocol
    OUTPUT_PROTOCOL = ReprValueProtocol

    def mapper(self, _, line):
        for word in line.split():
            yield (len(word), word[0]), {word}

    def reducer(self, key, words):
        yield None, (key, sorted(set.union(*words)))


if __name__ == "__main__":
    Reprs.run()
