from chalicelib import Job, Max


class Most(Job):
    """Max: the longest word of each initial."""

    def mapper(self, _, line):
        for word in line.split():
            yield word[:1], len(word)

    reducer = Max()
