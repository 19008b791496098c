"""Documents in, documents out."""

from mrjob.job import MRJob
from mrjob.protocol import JSONValueProtocol


class JsonValues(MRJob):
    INPUT_PROTOCOL = JSONValueProtocol
    OUTPUT_PROTOCOL = JSONValueProtocol

    def mapper(self, _, sale):
        yield sale["shop"], (sale["price"], sale.get("note"))

    def reducer(self, shop, sales):
        sales = list(sales)
        yield (
            None,
            {"shop": shop, "sum": sum(price for price, _ in sales), "notes": [note for _, note in sales]},
        )


if __name__ == "__main__":
    JsonValues.run()
