"""Word count."""

from collections import Counter

from chalicelib import Job, Sum


class Record(Job):
    def mapper(self, _, line):
        for word in line.split():
            yield word, 1

    reducer = Sum()


class Chunk(Job):
    def mapper_chunk(self, text):
        return Counter(text.split())

    reducer = Sum()
