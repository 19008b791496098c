"""File options: several files, and one that has another name for the tasks."""

import os

from mrjob.job import MRJob


class NamedFiles(MRJob):
    def configure_args(self):
        super().configure_args()
        self.add_file_arg("--list", action="append", default=[])

    def mapper_init(self):
        self.known = {}
        for name in self.options.list:
            with open(name) as file:
                for word in file.read().split():
                    self.known.setdefault(word, []).append(os.path.basename(name))

    def mapper(self, _, line):
        for word in line.split():
            yield word, self.known.get(word)

    def reducer(self, word, lists):
        yield word, next(lists)


if __name__ == "__main__":
    NamedFiles.run()
