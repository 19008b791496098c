"""Words to stderr, and a status."""

import sys

from mrjob.job import MRJob


class Status(MRJob):
    def mapper(self, _, line):
        self.set_status("at %r" % line[:5])
        print("reading", file=sys.stderr)
        yield None, len(line)

    def reducer(self, _, lengths):
        self.set_status("adding")
        yield None, sum(lengths)


if __name__ == "__main__":
    Status.run()
