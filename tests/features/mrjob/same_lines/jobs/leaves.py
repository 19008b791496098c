"""Ends its process."""

import sys

from mrjob.job import MRJob


class Leaves(MRJob):
    def mapper_final(self):
        sys.exit(42)


if __name__ == "__main__":
    Leaves.run()
