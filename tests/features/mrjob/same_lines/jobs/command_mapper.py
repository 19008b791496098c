"""A program maps, Python reduces: it reads the program's lines by the input protocol."""

from mrjob.job import MRJob
from mrjob.protocol import TextProtocol
from mrjob.step import MRStep


class CommandMapper(MRJob):
    INPUT_PROTOCOL = TextProtocol

    def count(self, word, values):
        yield word, len(list(values))

    def steps(self):
        return [MRStep(mapper_cmd="tr -s ' ' '\\n'", reducer=self.count)]


if __name__ == "__main__":
    CommandMapper.run()
