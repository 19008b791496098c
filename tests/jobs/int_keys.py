from chalicelib import Job, Sum


class IntKeys(Job):
    """Keys that are numbers sort as numbers; they may be large."""

    def mapper(self, _, line):
        for word in line.split():
            yield len(word) ** 40, 1

    reducer = Sum()
