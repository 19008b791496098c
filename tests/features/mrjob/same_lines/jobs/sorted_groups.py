"""Values sorted by their lines."""

from mrjob.job import MRJob


class SortedGroups(MRJob):
    SORT_VALUES = True

    def mapper(self, _, line):
        line = line.strip()
        yield line[:1], line

    def reducer(self, key, lines):
        yield key, list(lines)


if __name__ == "__main__":
    SortedGroups.run()
