from chalicelib import Job


class SecondarySort(Job):
    """The second number of each pair, in order, by the first."""

    sort_values = True

    def mapper(self, _, line):
        left, right = map(int, line.split(","))
        yield left, right

    def reducer(self, left, rights):
        for right in rights:
            yield left, right
