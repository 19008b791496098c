"""The jobs of the stored runs, and what plain Python makes of their input.

Both the code that began the runs and the code that ends them load this file, so it imports nothing but the package's
front door.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from chalicelib import Job, Sum

LINES = [
    f"w{number * number % 11} w{number % 7} line{number % 3} {'häß' if number % 5 else 'x'}"
    for number in range(36)
]
TEXT = "\n".join(LINES).encode()

#: The lines of the output, in any order.
Rows = list[str]


class Words(Job):
    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        for word in line.split():
            yield word, 1

    reducer = Sum()


def words(lines: list[str]) -> Rows:
    return [f"{word}\t{count}" for word, count in Counter(" ".join(lines).split()).items()]


class Ordered(Job):
    """The values of a key reach the reducer in the order of the input."""

    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        first, rest = line.split(" ", 1)
        yield first, rest

    def reducer(self, first: str, rests: Iterator[str]) -> Iterator[Any]:
        yield first, "|".join(rests)


def ordered(lines: list[str]) -> Rows:
    rows: dict[str, list[str]] = {}
    for line in lines:
        first, rest = line.split(" ", 1)
        rows.setdefault(first, []).append(rest)
    return [f"{first}\t{'|'.join(rests)}" for first, rests in rows.items()]


class Slow(Ordered):
    """Takes several times the life of an invocation, in map and in reduce. `wait` lets virtual time pass."""

    wait: Callable[[float], None]

    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        self.wait(1.1)
        yield from super().mapper(_, line)

    def reducer(self, first: str, rests: Iterator[str]) -> Iterator[Any]:
        self.wait(3.0)
        yield from super().reducer(first, rests)


class ByCount(Job):
    """count -> the words that come so often."""

    def mapper(self, word: str, count: int) -> Iterator[Any]:
        yield count, word

    def reducer(self, count: int, words: Iterator[str]) -> Iterator[Any]:
        yield count, "|".join(sorted(words))


class TwoSteps(Job):
    steps = (Words, ByCount)


def two_steps(lines: list[str]) -> Rows:
    counts = Counter(" ".join(lines).split())
    return [
        f"{count}\t{'|'.join(sorted(word for word in counts if counts[word] == count))}"
        for count in set(counts.values())
    ]


class Lengths(Job):
    """No shuffle: each map task writes a part."""

    shuffle = False

    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        yield line, len(line)


def lengths(lines: list[str]) -> Rows:
    return [f"{line}\t{len(line)}" for line in lines]


class Poisoned(Words):
    """Some lines are bad records."""

    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        if line.startswith("w5"):
            raise ValueError("poison")
        yield from super().mapper(_, line)


def poisoned(lines: list[str]) -> Rows:
    return words([line for line in lines if not line.startswith("w5")])


class FailsOnce(Words):
    """The first execution comes to nothing; `tries` counts them."""

    tries: list[int]

    def mapper_init(self) -> None:
        self.tries.append(1)
        if len(self.tries) == 1:
            raise OSError("not yet")


class Doomed(Words):
    """Always fails."""

    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        raise ValueError("boom")


#: Job and oracle by name; a job without an oracle cannot succeed.
JOBS: dict[str, tuple[type[Job], Callable[[list[str]], Rows] | None]] = {
    "words": (Words, words),
    "ordered": (Ordered, ordered),
    "slow": (Slow, ordered),
    "two steps": (TwoSteps, two_steps),
    "lengths": (Lengths, lengths),
    "poisoned": (Poisoned, poisoned),
    "fails once": (FailsOnce, words),
    "doomed": (Doomed, None),
    "totals": (Words, words),
}
