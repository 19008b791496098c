from chalicelib import Job


class Pairs(Job):
    """Without a reducer every pair is written, sorted by key, those of one key in input order."""

    def mapper(self, _, line):
        yield line[:1], line
