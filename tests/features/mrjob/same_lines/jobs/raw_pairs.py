"""RawProtocol in and out, and more than one tab in a line."""

from mrjob.job import MRJob
from mrjob.protocol import RawProtocol


class RawPairs(MRJob):
    INPUT_PROTOCOL = RawProtocol
    OUTPUT_PROTOCOL = RawProtocol

    def mapper(self, key, value):
        yield key, [type(key).__name__, value]

    def reducer(self, key, values):
        for kind, value in values:
            yield key, kind + " " + str(value)


if __name__ == "__main__":
    RawPairs.run()
