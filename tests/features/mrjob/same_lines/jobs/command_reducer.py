"""A program reduces sorted lines."""

from mrjob.job import MRJob
from mrjob.protocol import RawValueProtocol
from mrjob.step import MRStep


class CommandReducer(MRJob):
    OUTPUT_PROTOCOL = INTERNAL_PROTOCOL = RawValueProtocol

    def words(self, _, line):
        for word in line.split():
            yield None, word

    def steps(self):
        return [MRStep(mapper=self.words, reducer_cmd="uniq")]


if __name__ == "__main__":
    CommandReducer.run()
