from chalicelib import Count, Job


class Counts(Job):
    """Count takes any value and never looks at it."""

    def mapper(self, _, line):
        for word in line.split():
            yield word, {"word": [word]}

    reducer = Count()
