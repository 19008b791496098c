"""init and final know the file, too, which is one for each of them."""

from mrjob.compat import jobconf_from_env
from mrjob.job import MRJob


class ByFileInHooks(MRJob):
    def mapper_init(self):
        self.lines = 0
        self.name = jobconf_from_env("map.input.file").split("/")[-1]

    def mapper(self, _, line):
        assert self.name == jobconf_from_env("mapreduce.map.input.file").split("/")[-1]
        self.lines += 1

    def mapper_final(self):
        assert self.name == jobconf_from_env("map.input.file").split("/")[-1]
        yield self.name, self.lines

    def reducer(self, name, counts):
        yield name, sum(counts)


if __name__ == "__main__":
    ByFileInHooks.run()
