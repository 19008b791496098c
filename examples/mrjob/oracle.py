from __future__ import annotations

import json
import re
from collections import Counter


def _counts(text: str) -> Counter[str]:
    return Counter(word.lower() for word in re.findall(r"[\w']+", text))


def word_freq(text: str) -> list[str]:
    return sorted(f"{json.dumps(word)}\t{count}" for word, count in _counts(text).items())


def most_used_word(text: str) -> list[str]:
    count, word = max((count, word) for word, count in _counts(text).items())
    return [f"{count}\t{json.dumps(word)}"]
