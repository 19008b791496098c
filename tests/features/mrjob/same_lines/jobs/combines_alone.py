"""A combiner without a reducer ends the step; the input is packed, so that one task has it all."""

from mrjob.job import MRJob


class CombinesAlone(MRJob):
    def mapper(self, _, line):
        for word in line.split():
            yield word, 1

    def combiner(self, word, counts):
        yield word, sum(counts)


if __name__ == "__main__":
    CombinesAlone.run()
