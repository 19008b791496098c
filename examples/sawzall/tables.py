from chalicelib import Job, MostFrequent, Record, Sum, Top


class Sums(Job):
    """The count, the total and the sum of squares of numbers: three tables of sums."""

    def mapper(self, _, line):
        number = float(line)
        yield "count", 1
        yield "total", number
        yield "sum_of_squares", number * number

    reducer = Sum()


class QueriesByDegree(Job):
    """How many queries come from each degree of latitude and longitude: a table of sums with two indices."""

    def mapper(self, _, query):
        yield (int(float(query["latitude"])), int(float(query["longitude"]))), 1

    reducer = Sum()


class TopQueries(Job):
    """By country the queries that come most often, and the longest: tables `top` and `maximum`."""

    def mapper(self, _, query):
        yield query["country"], query["text"]

    reducer = Record(top=MostFrequent(3), longest=Top(1, by=len))
