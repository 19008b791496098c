from chalicelib import Job, Sum


class Renamed(Job):
    """A combiner function may emit other keys than it was given: here, lower case."""

    def mapper(self, _, line):
        for word in line.split():
            yield word, 1

    def combiner(self, word, counts):
        yield word.lower(), sum(counts)

    reducer = Sum()
