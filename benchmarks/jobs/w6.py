"""Total sort of 100-byte records by their first ten bytes."""

from chalicelib import Job
from chalicelib.job.job import Each
from chalicelib.job.partitioners import Range


class Record(Job):
    """The key is the record's, the value the whole line."""

    partitioner = Range()

    def mapper(self, _, line):
        yield line[:10], line


class Blocks(Job):
    """Whole lines as keys: a key's bytes come first in its line, so the order is the same."""

    partitioner = Range()

    def mapper_chunk(self, text):
        return Each(text.splitlines())
