"""Keys and values as text; a line without a tab is a key alone."""

from mrjob.job import MRJob
from mrjob.protocol import TextProtocol


class TextPairs(MRJob):
    INPUT_PROTOCOL = INTERNAL_PROTOCOL = OUTPUT_PROTOCOL = TextProtocol

    def mapper(self, key, value):
        yield key, value or "nothing"

    def reducer(self, key, values):
        yield key.upper(), "+".join(values)


if __name__ == "__main__":
    TextPairs.run()
