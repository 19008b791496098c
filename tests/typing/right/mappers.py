"""Each kind of mapper, and what a job uses beside its records."""

import os
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from chalicelib import Each, Job, Sum


class Words(Job):
    def mapper(self, _: None, line: str) -> Iterator[tuple[str, int]]:
        for word in line.split():
            yield word, 1

    reducer = Sum()


class Chunks(Job):
    def mapper_chunk(self, text: str) -> Each:
        return Each(text.split(), 1)

    reducer = Sum()


class Lengths(Job):
    """A chunk's pairs as a dict."""

    def mapper_chunk(self, text: str) -> dict[int, int]:
        return {len(line): 1 for line in text.splitlines()}

    reducer = Sum()


class Sizes(Job):
    def mapper_raw(self, path: str) -> Iterator[tuple[str, int]]:
        yield Path(path).suffix, os.path.getsize(path)

    reducer = Sum()


class Documents(Job):
    """Whole objects: the key is the object's URL."""

    def mapper(self, url: str, text: bytes) -> list[tuple[str, int]]:
        return [(url, len(text))]


class Visit(Struct):
    page: str
    seconds: float


class Visits(Job):
    """Records that are decoded into a class of the job's own."""

    def mapper(self, _: None, visit: Visit) -> Iterator[tuple[str, float]]:
        yield visit.page, visit.seconds

    reducer = Sum(exact=True)


class Services(Job):
    """All that a job may use, and a job without a shuffle."""

    shuffle = False

    def mapper_init(self) -> None:
        self.names = self.file("names.txt").read_text().split()
        self.seen = 0

    def mapper(self, _: None, line: str) -> Iterator[tuple[tuple[str, int | None], float]]:
        self.seen += 1
        self.count("lines")
        self.count("bytes", len(line))
        if line in self.names:
            self.log.info("found %s", line, extra={"key": self.input.key})
        least: float = self.params["least"]
        if self.random.random() >= least:
            yield (self.input.url, self.input.offset), self.random.gauss(0.0, 1.0)

    def mapper_final(self) -> Iterator[tuple[tuple[str, None], float]]:
        yield ("all", None), float(self.seen)


class OwnStart(Job):
    """A constructor of its own."""

    def __init__(self, params: dict[str, object] | None = None) -> None:
        super().__init__(params)
        self.first = True

    def mapper(self, _: None, line: str) -> Iterator[tuple[bool, str]]:
        yield self.first, line
        self.first = False
