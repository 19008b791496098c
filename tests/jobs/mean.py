from chalicelib import Avg, Job


class Mean(Job):
    """Avg: the mean length of the words of each initial."""

    def mapper(self, _, line):
        for word in line.split():
            yield word[:1], len(word)

    reducer = Avg()
