from chalicelib import Job, Sum


class Sums(Job):
    """Sum: how often each word occurs."""

    def mapper(self, _, line):
        for word in line.split():
            yield word, 1

    reducer = Sum()
