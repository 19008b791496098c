"""Fails."""

from mrjob.job import MRJob


class Boom(MRJob):
    def mapper(self, _, line):
        raise ValueError("BOOM")


if __name__ == "__main__":
    Boom.run()
