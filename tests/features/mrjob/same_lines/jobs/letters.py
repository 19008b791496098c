"""Lists instead of generators, and a hook that returns nothing."""

from mrjob.job import MRJob


class Letters(MRJob):
    def mapper_init(self):
        self.seen = 0

    def mapper(self, _, line):
        return [(letter, 1) for letter in line if letter.isalpha()]

    def reducer(self, letter, ones):
        return [(letter, sum(ones))]


if __name__ == "__main__":
    Letters.run()
