"""A task may write into its working folder, which is its own."""

import os

from mrjob.job import MRJob


class WritesFiles(MRJob):
    def mapper_init(self):
        assert not os.path.exists("seen.txt")
        self.seen = open("seen.txt", "w")

    def mapper(self, _, line):
        self.seen.write(line[:1])

    def mapper_final(self):
        self.seen.close()
        with open("seen.txt") as file:
            yield None, sorted(file.read())

    def reducer_init(self):
        assert not os.path.exists("seen.txt")

    def reducer(self, _, letters):
        yield None, sorted(sum(letters, []))


if __name__ == "__main__":
    WritesFiles.run()
