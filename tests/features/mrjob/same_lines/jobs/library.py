"""A folder that DIRS brings along is a package that tasks import."""

from mrjob.job import MRJob
from mrjob.protocol import RawValueProtocol


class Library(MRJob):
    DIRS = ["turning"]
    OUTPUT_PROTOCOL = RawValueProtocol

    def mapper_init(self):
        import sys

        sys.path.insert(0, ".")

    def mapper(self, _, line):
        from turning.text import turned

        yield None, turned(line)


if __name__ == "__main__":
    Library.run()
