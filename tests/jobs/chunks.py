from collections import Counter

from chalicelib import Job, Sum


class Chunks(Job):
    """mapper_chunk maps a block of whole lines at once and may return a mapping."""

    def mapper_chunk(self, text):
        return Counter(text.split())

    reducer = Sum()
