from chalicelib import Job


class InOrder(Job):
    """A reducer function reads the values lazily, in input order, and may stop when it likes."""

    def mapper(self, _, line):
        yield line[:1], line

    def reducer(self, initial, lines):
        first = next(lines)
        yield initial, [first, next(lines, None)]
