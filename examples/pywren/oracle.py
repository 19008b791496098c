from __future__ import annotations

import json
from collections import Counter


def squares(numbers: str) -> list[str]:
    return [f"{int(line)}\t{int(line) * int(line)}" for line in numbers.splitlines()]


def words(text: str) -> list[str]:
    return [json.dumps(sorted(Counter(text.split()).items()), separators=(",", ":"), ensure_ascii=False)]
