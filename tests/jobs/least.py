from chalicelib import Job, Min


class Least(Job):
    """Min: the shortest word of each initial."""

    def mapper(self, _, line):
        for word in line.split():
            yield word[:1], len(word)

    reducer = Min()
