"""Bytes all along."""

from mrjob.job import MRJob
from mrjob.protocol import BytesProtocol, BytesValueProtocol


class BytesPairs(MRJob):
    INPUT_PROTOCOL = BytesValueProtocol
    INTERNAL_PROTOCOL = BytesProtocol
    OUTPUT_PROTOCOL = BytesProtocol

    def mapper(self, _, line):
        yield line[:2], line

    def reducer(self, key, lines):
        yield key, b"|".join(lines)


if __name__ == "__main__":
    BytesPairs.run()
