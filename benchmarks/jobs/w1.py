"""Word count."""

from chalicelib import Job, Sum
from chalicelib.job.job import Each


class Record(Job):
    def mapper(self, _, line):
        for word in line.split():
            yield word, 1

    reducer = Sum()


class Chunk(Job):
    def mapper_chunk(self, text):
        return Each(text.split(), 1)

    reducer = Sum()
