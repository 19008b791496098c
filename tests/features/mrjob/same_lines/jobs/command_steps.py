"""Two steps of programs, with Python between them."""

from mrjob.job import MRJob
from mrjob.protocol import RawProtocol
from mrjob.step import MRStep


class CommandSteps(MRJob):
    INPUT_PROTOCOL = INTERNAL_PROTOCOL = OUTPUT_PROTOCOL = RawProtocol

    def swap(self, key, values):
        for value in values:
            yield value or "", key

    def steps(self):
        return [
            MRStep(mapper_cmd="sed -e 's/ /\\t/'", reducer=self.swap),
            MRStep(mapper_cmd="cat", reducer_cmd="cat"),
        ]


if __name__ == "__main__":
    CommandSteps.run()
