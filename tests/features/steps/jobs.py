"""Small jobs of several steps, each with what plain Python says of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from chalicelib import Job, Sum

TEXT = b"".join(
    b"%s\n" % line
    for line in (
        b"the quick brown fox",
        b"jumps over the lazy dog",
        b"the end h\xc3\xa4\xc3\x9f the fox",
        b"",
        b"fox dog dog",
    )
)


class CountWords(Job):
    def mapper(self, _: None, line: str) -> Iterator[Any]:
        for word in line.split():
            yield word, 1

    reducer = Sum()


class ByCount(Job):
    """count -> how many words have it; keys change their type from step to step."""

    def mapper(self, word: str, count: int) -> Iterator[Any]:
        yield (count, len(word)), {"word": word}

    def reducer(self, key: Any, values: Iterator[Any]) -> Iterator[Any]:
        yield key, sorted(value["word"] for value in values)


class Longest(Job):
    def mapper(self, key: tuple[int, int], words: list[str]) -> Iterator[Any]:
        yield key[0], (key[1], words)

    def reducer(self, count: int, values: Iterator[tuple[int, list[str]]]) -> Iterator[Any]:
        length, words = max(values)
        yield count, f"{length}: {' '.join(words)}"


class ThreeSteps(Job):
    steps = (CountWords, ByCount, Longest)


def three_steps(text: bytes) -> list[str]:
    """The rows that ThreeSteps gives, sorted."""
    counts = Counter(text.decode().split())
    found = {}
    for count in set(counts.values()):
        words = [word for word, number in counts.items() if number == count]
        length = max(map(len, words))
        found[count] = f"{length}: {' '.join(sorted(word for word in words if len(word) == length))}"
    return sorted(f"{count}\t{row}" for count, row in found.items())
