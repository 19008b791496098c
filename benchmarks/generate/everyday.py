"""The data of jobs as people write them: homes, documents, clicks, orders, sales; 20 MB each.

Everything is text with the small dirt of real files: quoted fields, prices that are missing or no numbers.
"""

from __future__ import annotations

# ruff: noqa: S608 - the query is ours, and so are its numbers
import json
from itertools import accumulate
from pathlib import Path
from random import Random

import duckdb

#: Rows and the like at scale 1.
_HOMES, _CLICKS, _ORDERS, _SALES = 350_000, 250_000, 110_000, 330_000
_ZIPS, _DOCUMENTS, _WORDS = 76_000, 390, 3_200_000
_STREETS = [
    f"{name} {kind}"
    for name in ("Oak", "Main", "Elm", "Lake", "Hill", "Mill")
    for kind in ("St", "Ave", "Rd")
]
_PAGES = [f"/{name}/{number}" for name in ("home", "cart", "item", "help", "search") for number in range(60)]
_PRODUCTS = [f"product-{number:04d}" for number in range(800)]
_STATES = "AZ CA CO FL GA IL MA NC NY OH OR PA TX VA WA".split()  # noqa: SIM905
#: Seconds from which times are counted.
_START = 1_750_000_000


def write_homes(folder: Path, scale: float, *, bad: float) -> str:
    """homes.csv with a header; the share `bad` of the prices is no number."""
    random = Random(8)
    zips = [f"{number:05d}" for number in random.sample(range(501, 99_951), int(_ZIPS * min(1.0, scale)))]
    with (folder / "homes.csv").open("w", newline="\n") as file:
        file.write("id,listed,street,state,zip,beds,sqft,price\n")
        for number in range(int(_HOMES * scale)):
            unit = random.randrange(20)
            street = f"{random.randrange(1, 9999)} {random.choice(_STREETS)}"
            street = f'"{street}, Apt {unit}"' if unit < 2 else street
            day = f"2025-{random.randrange(1, 13):02d}-{random.randrange(1, 29):02d}"
            price = f"{random.lognormvariate(12.5, 0.6):.2f}"
            if random.random() < 0.02:
                price = ""
            if random.random() < bad:
                price = "on request"
            row = (street, random.choice(_STATES), random.choice(zips), random.randrange(1, 7))
            file.write(f"{number},{day},{','.join(map(str, row))},{random.randrange(400, 6000)},{price}\n")
    return f"homes, seed 8, {bad:.0%} of the prices bad"


def write_documents(folder: Path, scale: float) -> str:
    """documents.tsv: lines of a document's name and some of its words."""
    random = Random(11)
    words = _vocabulary(random, 60_000)
    weights = list(accumulate(1.0 / (rank + 3) for rank in range(len(words))))
    with (folder / "documents.tsv").open("w", newline="\n") as file:
        for number in range(max(2, int(_DOCUMENTS * scale))):
            for _ in range(_WORDS // _DOCUMENTS // 12):
                file.write(
                    f"doc-{number:04d}\t{' '.join(random.choices(words, cum_weights=weights, k=12))}\n"
                )
    return "documents, seed 11"


def _vocabulary(random: Random, count: int) -> list[str]:
    letters = "etaoinshrdlucmfw"
    found: dict[str, None] = {}
    while len(found) < count:
        found["".join(random.choices(letters, k=random.randrange(2, 10)))] = None
    return list(found)


def write_clicks(folder: Path, scale: float) -> str:
    """clicks.jsonl: who opened which page when, in order of no user's time."""
    random = Random(9)
    rows = int(_CLICKS * scale)
    with (folder / "clicks.jsonl").open("w", newline="\n") as file:
        for _ in range(rows):
            click = {
                "user": f"u{random.randrange(max(1, rows // 20)):06d}",
                "time": _START + random.randrange(86_400),
                "page": random.choice(_PAGES),
                "ms": random.randrange(20, 3000),
            }
            file.write(json.dumps(click) + "\n")
    return "clicks, seed 9"


def write_orders(folder: Path, scale: float) -> str:
    """a-customers.csv, b-tickets.jsonl and c-orders.parquet, which share a customer's number."""
    random = Random(10)
    orders = int(_ORDERS * scale)
    customers = max(1, orders // 4)
    with (folder / "a-customers.csv").open("w", newline="\n") as file:
        file.write("customer,name,state,email,since\n")
        for number in range(customers):
            name = f"Customer {number}"
            since = f"20{random.randrange(10, 25)}-0{random.randrange(1, 10)}-1{random.randrange(10)}"
            file.write(f"{number},{name},{random.choice(_STATES)},{number}@example.com,{since}\n")
    with (folder / "b-tickets.jsonl").open("w", newline="\n") as file:
        for number in range(orders):
            ticket = {
                "ticket": number,
                "customer": random.randrange(customers),
                "text": " ".join(random.choices(_PAGES, k=6)),
                "minutes": random.randrange(1, 240),
            }
            file.write(json.dumps(ticket) + "\n")
    _orders_parquet(folder, orders, customers)
    return "orders, seed 10"


def _orders_parquet(folder: Path, orders: int, customers: int) -> None:
    target = folder / "c-orders.parquet"
    query = (
        f"SELECT i AS number, (hash(i) % {customers})::BIGINT AS customer,"
        f" 'product-' || (hash(i + 1) % 800) AS product, ((hash(i + 2) % 100000) / 100.0)::DOUBLE AS amount"
        f" FROM range({orders}) AS orders(i) ORDER BY i"
    )
    with duckdb.connect() as database:
        database.execute("SET threads = 1")
        database.execute(f"COPY ({query}) TO '{target}' (FORMAT parquet)")


def write_sales(folder: Path, scale: float) -> str:
    """sales.jsonl: sales as JSON documents."""
    random = Random(12)
    with (folder / "sales.jsonl").open("w", newline="\n") as file:
        for number in range(int(_SALES * scale)):
            sale = {
                "product": random.choice(_PRODUCTS),
                "state": random.choice(_STATES),
                "count": random.randrange(1, 9),
                "id": number,
            }
            file.write(json.dumps(sale) + "\n")
    return "sales, seed 12"
