import re

from chalicelib import Job, Sum


class Grep(Job):
    """What a pattern finds and how often, the most frequent first."""

    def mapper(self, _, line):
        for found in re.findall(self.params["pattern"], line):
            yield found, 1

    reducer = Sum()
    order_by = "-value"
