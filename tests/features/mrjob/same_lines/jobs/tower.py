"""The number of steps is read from a file, in load_args."""

from mrjob.job import MRJob
from mrjob.protocol import JSONValueProtocol
from mrjob.step import MRStep


class Tower(MRJob):
    INPUT_PROTOCOL = OUTPUT_PROTOCOL = JSONValueProtocol

    def configure_args(self):
        super().configure_args()
        self.add_file_arg("--height-file")

    def load_args(self, args):
        super().load_args(args)
        with open(self.options.height_file) as file:
            self.height = int(file.read())

    def mapper(self, _, number):
        yield None, number**self.height

    def reducer(self, _, numbers):
        for number in sorted(numbers):
            yield None, number

    def steps(self):
        return [MRStep(mapper=self.mapper, reducer=self.reducer)] * self.height


if __name__ == "__main__":
    Tower.run()
