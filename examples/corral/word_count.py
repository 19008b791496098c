import re

from chalicelib import Job, Sum


class WordCount(Job):
    """How often each word occurs, in small letters and without what is neither letter nor digit."""

    def mapper(self, _, line):
        for word in re.findall("[a-z0-9]+", line.lower()):
            yield word, 1

    reducer = Sum()
