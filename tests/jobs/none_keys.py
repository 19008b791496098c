from chalicelib import Job, Sum


class NoneKeys(Job):
    """One group of everything: the key is None."""

    def mapper(self, _, line):
        yield None, len(line)

    reducer = Sum()
