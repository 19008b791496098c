"""A program may count, by the lines that Hadoop reads of stderr."""

from mrjob.job import MRJob
from mrjob.step import MRStep


class CommandCounts(MRJob):
    def steps(self):
        script = "cat; echo reporter:counter:programs,ended,2 >&2; echo reporter:status:busy >&2; echo x >&2"
        return [MRStep(mapper_cmd=["sh", "-c", script])]


if __name__ == "__main__":
    CommandCounts.run()
