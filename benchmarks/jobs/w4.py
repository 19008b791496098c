"""AMPLab aggregation: advertisement revenue by the first eight characters of the address."""

from chalicelib import Job, Sum


class Record(Job):
    def mapper(self, _, line):
        field = line.split(b",")
        yield field[0][:8], float(field[3])

    reducer = Sum()


class Chunk(Job):
    def mapper_chunk(self, text):
        sums = {}
        get = sums.get
        for line in text.splitlines():
            field = line.split(b",", 4)
            key = field[0][:8]
            sums[key] = get(key, 0.0) + float(field[3])
        return sums

    reducer = Sum()
