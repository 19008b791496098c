"""Sizes and durations as people write them: `64MiB`, `1.5 GB`, `90s`, `15m`."""

from __future__ import annotations

import re
from typing import Literal

_QUANTITY = re.compile(r"([0-9]{1,19}(?:_[0-9]{1,18}){0,6}(?:\.[0-9]{1,19})?) ?([A-Za-z]*)")
_SIZES = {"": 1, "B": 1} | {
    f"{letter}{tail}": base**power
    for power, letter in enumerate("KMGT", 1)
    for tail, base in (("iB", 1024), ("B", 1000))
}
_FACTORS = {
    "bytes": {unit.lower(): factor for unit, factor in _SIZES.items()},
    "seconds": {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400},
}


def parse(text: str, unit: Literal["bytes", "seconds"]) -> int | None:
    """`text` as a number of `unit`, rounded down; None if it is not a size or duration."""
    found = _QUANTITY.fullmatch(text.strip())
    factor = found and _FACTORS[unit].get(found[2].lower())
    if not found or not factor:
        return None
    number = found[1].replace("_", "")
    if number.isdecimal():
        return int(number) * int(factor)
    from fractions import Fraction  # few numbers have a point

    exact = Fraction(number)
    return None if factor == 1 and exact.denominator != 1 else int(exact * factor)


def format_size(size: int) -> str:
    """In the largest binary unit that divides `size`: `64MiB`, `1536MiB`, `1500`."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if size and size % _SIZES[unit] == 0:
            return f"{size // _SIZES[unit]}{unit}"
    return str(size)


def format_duration(seconds: int) -> str:
    """Whole minutes if it can, else seconds: `15m`, `90s`."""
    return f"{seconds // 60}m" if seconds and seconds % 60 == 0 else f"{seconds}s"
