"""Sales of each product in each state, as an mrjob job."""

from chalicelib.mrjob import JSONProtocol, JSONValueProtocol, MRJob


class MRSales(MRJob):
    INPUT_PROTOCOL = JSONValueProtocol
    OUTPUT_PROTOCOL = JSONProtocol

    def mapper(self, _, sale):
        yield (sale["product"], sale["state"]), (1, sale["count"])

    def combiner(self, key, values):
        yield key, self.total(values)

    def reducer(self, key, values):
        yield key, self.total(values)

    def total(self, values):
        sales = items = 0
        for count, number in values:
            sales += count
            items += number
        return sales, items


if __name__ == "__main__":
    MRSales.run()
