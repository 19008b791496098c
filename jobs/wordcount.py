from chalicelib import Job, Sum


class WordCount(Job):
    """How often each word occurs."""

    def mapper(self, _, line):
        for word in line.split():
            yield word, 1

    reducer = Sum()
