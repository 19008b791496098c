"""Lines by the file that they are in."""

from mrjob.compat import jobconf_from_env
from mrjob.job import MRJob


class ByFile(MRJob):
    def mapper(self, _, line):
        uri = jobconf_from_env("mapreduce.map.input.file")
        yield (uri.split("/")[0], uri.split("/")[-1]), 1

    def reducer(self, key, ones):
        yield key, sum(ones)


if __name__ == "__main__":
    ByFile.run()
