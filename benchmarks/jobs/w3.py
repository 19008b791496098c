"""TPC-H query 6: the revenue of small discounted orders of one year."""

from chalicelib import Job, Sum


class Record(Job):
    def mapper(self, _, line):
        field = line.split(b"|", 11)
        if field[10][:4] == b"1994" and b"0.05" <= field[6] <= b"0.07" and float(field[4]) < 24:
            yield "revenue", float(field[5]) * float(field[6])

    reducer = Sum()


class Chunk(Job):
    def mapper_chunk(self, text):
        revenue = 0.0
        for line in text.splitlines():
            field = line.split(b"|", 11)
            if field[10][:4] == b"1994" and b"0.05" <= field[6] <= b"0.07" and float(field[4]) < 24:
                revenue += float(field[5]) * float(field[6])
        yield "revenue", revenue

    reducer = Sum()
