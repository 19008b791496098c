from chalicelib import Job, Sum


class TupleKeys(Job):
    """Keys that are tuples sort part by part."""

    def mapper(self, _, line):
        for word in line.split():
            yield (len(word), word), 1

    reducer = Sum()
