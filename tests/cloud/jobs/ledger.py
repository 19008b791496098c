"""Two inputs of different formats; each customer's orders and name, by country. Two names kill their functions."""

import os
from collections.abc import Iterator
from typing import Any

from chalicelib import Job


class Ledger(Job):
    sort_values = True

    def mapper(self, _: Any, record: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        if self.input.tag == "customers":
            if record["name"] == "!kill the mapper":
                os._exit(7)
            yield record["id"], ("", record["name"], record["country"])
        else:
            yield str(record["customer"]), ("order", record["price"])

    def reducer(self, key: str, values: Iterator[Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        (_, name, country), *orders = values
        if name == "!kill the reducer":
            os._exit(8)
        yield key, {"country": country, "name": name, "total": sum(price for _, price in orders)}
