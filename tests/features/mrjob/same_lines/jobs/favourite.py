"""The word used most, stop words aside: two steps, FILES and a file option."""

from mrjob.job import MRJob
from mrjob.protocol import JSONValueProtocol
from mrjob.step import MRStep


class Favourite(MRJob):
    FILES = ["stop.txt"]
    OUTPUT_PROTOCOL = JSONValueProtocol

    def configure_args(self):
        super().configure_args()
        self.add_file_arg("--stop-file", default=None)

    def load_stop(self):
        with open(self.options.stop_file or "stop.txt") as file:
            self.stop = set(file.read().split())

    def words(self, _, line):
        for word in line.lower().split():
            if word not in self.stop:
                yield word, 1

    def add(self, word, counts):
        yield word, sum(counts)

    def swap(self, word, counts):
        yield None, (sum(counts), word)

    def greatest(self, _, pairs):
        yield max(pairs)

    def steps(self):
        return [
            MRStep(mapper_init=self.load_stop, mapper=self.words, combiner=self.add, reducer=self.swap),
            MRStep(reducer=self.greatest),
        ]


if __name__ == "__main__":
    Favourite.run()
