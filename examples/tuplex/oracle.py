from __future__ import annotations

import csv
import re
from collections import defaultdict


def flats(flats: str) -> list[str]:
    prices = defaultdict(list)
    for row in csv.DictReader(flats.splitlines(), delimiter=";"):
        price, bedrooms = re.fullmatch(r"\$([\d,]+)\+?", row["price"]), re.match(r"(\d+) bds", row["facts"])
        if price and bedrooms and row["offer"] == "sale":
            prices[int(bedrooms[1])].append(int(price[1].replace(",", "")))
    rows = [f"{beds},{len(some)},{min(some)},{max(some)}" for beds, some in sorted(prices.items())]
    return ["key,flats,cheapest,dearest", *rows]
