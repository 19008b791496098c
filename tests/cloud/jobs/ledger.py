"""Two inputs of different formats; each customer's orders and name, by country. Two names kill their functions.

Days and sets go through the shuffle and into the results.
"""

import os
from collections.abc import Iterator
from typing import Any

from chalicelib import Job


class Ledger(Job):
    sort_values = True

    def sort_key(self, _: str, value: tuple[Any, ...]) -> tuple[Any, ...]:
        return value[:2]  # a set has no order

    def mapper(self, _: Any, record: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        if self.input.tag == "customers":
            if record["name"] == "!kill the mapper":
                os._exit(7)
            yield record["id"], ("", record["name"], record["country"], {record["country"], "EU"})
        else:
            yield str(record["customer"]), ("order", record["day"], record["price"])

    def reducer(self, key: str, values: Iterator[Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        (_, name, country, areas), *orders = values
        if name == "!kill the reducer":
            os._exit(8)
        days = {day for _, day, _ in orders}
        assert areas == {country, "EU"}, areas
        yield (
            key,
            {
                "country": country,
                "name": name,
                "total": sum(price for _, _, price in orders),
                "last": max(days, default=None),
                "days": days,
            },
        )
