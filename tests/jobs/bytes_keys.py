from chalicelib import Count, Job


class BytesKeys(Job):
    """With `encoding: bytes` lines are bytes, valid text or not, and so may keys be."""

    def mapper(self, _, line):
        for word in line.split():
            yield word, None

    reducer = Count()
