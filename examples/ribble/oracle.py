from __future__ import annotations

from collections import Counter, defaultdict
from fractions import Fraction
from typing import Any


def word_count(text: str) -> list[str]:
    often = [(count, word) for word, count in Counter(text.split()).items() if count >= 5]
    return [f"{word}\t{count}" for count, word in sorted(often)]


def _items(lineitem: str) -> list[list[str]]:
    return [line.split("|") for line in lineitem.splitlines()]


def _cents(number: Fraction, digits: int) -> str:
    """A decimal of so many digits behind the point; the fraction must be one."""
    whole = number * 10**digits
    assert whole.denominator == 1
    text = f"{whole.numerator:0{digits + 1}d}"
    return f"{text[:-digits]}.{text[-digits:]}" if digits else text


def query1(lineitem: str) -> list[list[Any]]:
    """By flag and status: exact sums, then means as fractions, then the count."""
    groups = defaultdict(list)
    for item in _items(lineitem):
        if item[10] <= "1998-09-02":
            groups[item[8], item[9]].append([Fraction(cell) for cell in item[4:8]])
    found: list[list[Any]] = []
    for (flag, status), rows in sorted(groups.items()):
        reduced = [price * (1 - discount) for _, price, discount, _ in rows]
        charged = [part * (1 + row[3]) for part, row in zip(reduced, rows, strict=True)]
        sums = [sum(row[0] for row in rows), sum(row[1] for row in rows), sum(reduced), sum(charged)]
        means = [sum(row[place] for row in rows) / len(rows) for place in (0, 1, 2)]
        found.append([flag, status, *sums, *means, len(rows)])
    return found


def query6(lineitem: str) -> list[str]:
    total = Fraction(0)
    for item in _items(lineitem):
        quantity, price, discount = map(Fraction, item[4:7])
        if item[10].startswith("1994-") and 5 <= discount * 100 <= 7 and quantity < 24:
            total += price * discount
    return [f"revenue\t{_cents(total, 4)}"]
