"""A reducer that leaves the rest of its values, and one group after the other is still right."""

from mrjob.job import MRJob


class TakesFew(MRJob):
    def mapper(self, _, line):
        for number, word in enumerate(line.split()):
            yield len(word), [number, word]

    def reducer(self, length, values):
        for taken, value in enumerate(values):
            if taken == 1:
                return
            yield length, value


if __name__ == "__main__":
    TakesFew.run()
