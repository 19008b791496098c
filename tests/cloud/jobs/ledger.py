"""Two inputs of different formats; each customer's orders and name, by country."""

from collections.abc import Iterator
from typing import Any

from chalicelib import Job


class Ledger(Job):
    sort_values = True

    def mapper(self, _: Any, record: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        if self.input.tag == "customers":
            yield record["id"], ("", record["name"], record["country"])
        else:
            yield str(record["customer"]), ("order", record["price"])

    def reducer(self, key: str, values: Iterator[Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        (_, name, country), *orders = values
        yield key, {"country": country, "name": name, "total": sum(price for _, price in orders)}
