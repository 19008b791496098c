"""Lines out in the order in which lines came in."""

from mrjob.job import MRJob
from mrjob.protocol import RawValueProtocol


class NoReducer(MRJob):
    OUTPUT_PROTOCOL = RawValueProtocol

    def mapper(self, _, line):
        if line:
            yield None, line.upper()


if __name__ == "__main__":
    NoReducer.run()
