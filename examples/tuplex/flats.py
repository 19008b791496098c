from chalicelib import Count, Job, Max, Min, Record


class Flats(Job):
    """Prices of flats by the number of bedrooms, from columns as people write them."""

    def mapper(self, _, row):
        price = int(row["price"].strip("$+").replace(",", ""))
        bedrooms = int(row["facts"].split(" bds")[0])
        if row["offer"] == "sale":
            yield bedrooms, price

    reducer = Record(flats=Count(), cheapest=Min(), dearest=Max())
