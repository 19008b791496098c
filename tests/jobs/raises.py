from chalicelib import Job, Sum


class Raises(Job):
    """A mistake in the user's code."""

    def mapper(self, _, line):
        yield line, 1 // len(line)

    reducer = Sum()
