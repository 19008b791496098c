"""Lines that match a regular expression, each with its object and the byte it begins at.

    scripts/run.py grep logs/ --output found/ --set 'params.pattern=error|fail'

Rows stay in the order of the input: nothing is shuffled.
"""

import re

from chalicelib import Job


class Grep(Job):
    shuffle = False

    def mapper_init(self):
        self.search = re.compile(self.params["pattern"]).search

    def mapper(self, _, line):
        if self.search(line):
            yield (self.input.url, self.input.offset), line
