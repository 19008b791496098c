"""Four steps: mappers alone, a reducer alone, both."""

from mrjob.job import MRJob
from mrjob.step import MRStep


class Chain(MRJob):
    def split(self, _, line):
        for number, word in enumerate(line.split()):
            yield word, number

    def longer(self, word, number):
        if len(word) > 2:
            yield (len(word), word), number

    def gather(self, key, numbers):
        yield key[0], {"word": key[1], "places": sorted(numbers)}

    def by_length(self, length, found):
        words = sorted(one["word"] for one in found)
        yield length, words

    def steps(self):
        return [
            MRStep(mapper=self.split),
            MRStep(mapper=self.longer, reducer=self.gather),
            MRStep(reducer=self.by_length),
            MRStep(mapper=lambda length, words: [(str(length), len(words))]),
        ]


if __name__ == "__main__":
    Chain.run()
