"""mapper_raw: a whole file, where it lies and what it is called."""

import os

from mrjob.job import MRJob


class WholeFiles(MRJob):
    def mapper_init(self):
        self.files = 0

    def mapper_raw(self, path, uri):
        self.files += 1
        with open(path, "rb") as file:
            yield os.path.basename(uri), len(file.read())

    def mapper_final(self):
        yield "files", self.files

    def reducer(self, name, sizes):
        yield name, sum(sizes)


if __name__ == "__main__":
    WholeFiles.run()
