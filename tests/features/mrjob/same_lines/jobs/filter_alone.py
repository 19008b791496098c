"""A filter, and nothing else: the lines that pass, by the protocols."""

from mrjob.job import MRJob
from mrjob.protocol import RawValueProtocol
from mrjob.step import MRStep


class FilterAlone(MRJob):
    INTERNAL_PROTOCOL = OUTPUT_PROTOCOL = RawValueProtocol

    def steps(self):
        return [MRStep(mapper_pre_filter="grep -v '^$' | tr a-z A-Z")]


if __name__ == "__main__":
    FilterAlone.run()
