"""A program that fails."""

from mrjob.job import MRJob
from mrjob.step import MRStep


class BadCommand(MRJob):
    def steps(self):
        return [MRStep(mapper_cmd="false")]


if __name__ == "__main__":
    BadCommand.run()
