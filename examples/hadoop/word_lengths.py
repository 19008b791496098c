from chalicelib import Avg, Job, Record, StdDev


class WordLengths(Job):
    """The mean length of words and its standard deviation: WordMean and WordStandardDeviation in one."""

    def mapper(self, _, line):
        for word in line.split():
            yield "length", len(word)

    reducer = Record(mean=Avg(), deviation=StdDev(population=True))
