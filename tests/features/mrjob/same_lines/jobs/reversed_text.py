"""Sorted values under a protocol that writes text backwards: the lines' order, not the values'."""

from mrjob.job import MRJob
from mrjob.protocol import TextProtocol


class Backwards(TextProtocol):
    def read(self, line):
        key, value = super().read(line)
        return key[::-1], value[::-1]

    def write(self, key, value):
        return super().write(key[::-1], value[::-1])


class ReversedText(MRJob):
    INTERNAL_PROTOCOL = Backwards
    SORT_VALUES = True

    def mapper(self, _, line):
        line = line.strip()
        if line:
            yield line[:1], line

    def reducer(self, key, lines):
        yield key, list(lines)


if __name__ == "__main__":
    ReversedText.run()
