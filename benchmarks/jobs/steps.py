"""Word counts in one step and in more, of which the others only pass on what the first one counted."""

from chalicelib import Job, Sum


class Words(Job):
    def mapper(self, _, line):
        for word in line.split():
            yield word, 1

    reducer = Sum()


class Again(Job):
    """Of the pairs of the step before, as they are."""

    reducer = Sum()


class Three(Job):
    steps = (Words, Again, Again)


class Five(Job):
    steps = (Words, Again, Again, Again, Again)
