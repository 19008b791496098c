"""What every init and final yields counts, too; the input is packed, so that one task has it all."""

from mrjob.job import MRJob


class Hooks(MRJob):
    def mapper_init(self):
        self.words = 0
        yield "mapper began", 1

    def mapper(self, _, line):
        self.words += len(line.split())

    def mapper_final(self):
        yield "words", self.words

    def combiner_init(self):
        self.groups = 0

    def combiner(self, key, values):
        self.groups += 1
        yield key, sum(values)

    def combiner_final(self):
        yield "combined", self.groups

    def reducer_init(self):
        self.groups = []

    def reducer(self, key, values):
        self.groups.append(key)
        yield key, list(values)

    def reducer_final(self):
        assert self.groups == sorted(self.groups)


if __name__ == "__main__":
    Hooks.run()
