"""Total order of 100-byte records by their first ten bytes, as in the sort benchmark (gensort -a).

    scripts/run.py sort records.dat --output sorted/ --set partitions=16

The parts, one after the other, are the sorted records, byte for byte; equal keys stay in input order.
"""

from chalicelib import Job, Range


class Sort(Job):
    partitioner = Range()

    def mapper(self, _, record):
        yield record[:10], record[:-1]  # the output writes the newline again
