"""A program combines, with a shell of its own; its counts come by stderr."""

from mrjob.job import MRJob
from mrjob.step import MRStep


class CommandCombiner(MRJob):
    def words(self, _, line):
        for word in line.split():
            yield word, "x"

    def gather(self, word, marks):
        yield word, sorted(set(marks))

    def steps(self):
        return [MRStep(mapper=self.words, combiner_cmd=["sh", "-c", "sort | uniq"], reducer=self.gather)]


if __name__ == "__main__":
    CommandCombiner.run()
