"""The data of jobs as people write them: homes, documents, clicks, orders, sales; 20 MB each.

Everything is text with the small dirt of real files: quoted fields, prices that are missing or no numbers. Seed 42 is
that of the published table; each data set draws numbers of its own from it.
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
#: The seed of the published data, whose bytes must stay.
SEED = 42


def _random(own: int, seed: int) -> Random:
    """Numbers for a data set, which has a number of its `own`."""
    return Random(own if seed == SEED else f"{own} of {seed}")


def write_homes(folder: Path, scale: float, seed: int = SEED, *, bad: float) -> str:
    """homes.csv with a header; the share `bad` of the prices is no number."""
    random = _random(8, seed)
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
    return f"homes, seed {seed}, {bad:.0%} of the prices bad"


def write_documents(folder: Path, scale: float, seed: int = SEED) -> str:
    """documents.tsv: lines of a document's name and some of its words."""
    random = _random(11, seed)
    words = _vocabulary(random, 60_000)
    weights = list(accumulate(1.0 / (rank + 3) for rank in range(len(words))))
    with (folder / "documents.tsv").open("w", newline="\n") as file:
        for number in range(max(2, int(_DOCUMENTS * scale))):
            for _ in range(_WORDS // _DOCUMENTS // 12):
                file.write(
                    f"doc-{number:04d}\t{' '.join(random.choices(words, cum_weights=weights, k=12))}\n"
                )
    return f"documents, seed {seed}"


def _vocabulary(random: Random, count: int) -> list[str]:
    letters = "etaoinshrdlucmfw"
    found: dict[str, None] = {}
    while len(found) < count:
        found["".join(random.choices(letters, k=random.randrange(2, 10)))] = None
    return list(found)


def write_clicks(folder: Path, scale: float, seed: int = SEED) -> str:
    """clicks.jsonl: who opened which page when, in order of no user's time."""
    random = _random(9, seed)
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
    return f"clicks, seed {seed}"


def write_orders(folder: Path, scale: float, seed: int = SEED) -> str:
    """a-customers.csv, b-tickets.jsonl and c-orders.parquet, which share a customer's number."""
    random = _random(10, seed)
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
    _orders_parquet(folder, orders, customers, (seed - SEED) * 1_000_003)
    return f"orders, seed {seed}"


def _orders_parquet(folder: Path, orders: int, customers: int, shift: int) -> None:
    """c-orders.parquet; another `shift` gives other orders."""
    target = folder / "c-orders.parquet"
    query = (
        f"SELECT i AS number, (hash(i + {shift}) % {customers})::BIGINT AS customer,"
        f" 'product-' || (hash(i + {shift} + 1) % 800) AS product,"
        f" ((hash(i + {shift} + 2) % 100000) / 100.0)::DOUBLE AS amount"
        f" FROM range({orders}) AS orders(i) ORDER BY i"
    )
    with duckdb.connect() as database:
        database.execute("SET threads = 1")
        database.execute(f"COPY ({query}) TO '{target}' (FORMAT parquet)")


def write_sales(folder: Path, scale: float, seed: int = SEED) -> str:
    """sales.jsonl: sales as JSON documents."""
    random = _random(12, seed)
    with (folder / "sales.jsonl").open("w", newline="\n") as file:
        for number in range(int(_SALES * scale)):
            sale = {
                "product": random.choice(_PRODUCTS),
                "state": random.choice(_STATES),
                "count": random.randrange(1, 9),
                "id": number,
            }
            file.write(json.dumps(sale) + "\n")
    return f"sales, seed {seed}"
