"""Words of all files that were ever dropped."""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib import Job, Sum


class Tally(Job):
    def mapper(self, _: None, line: str) -> Iterator[tuple[str, int]]:
        for word in line.split():
            yield word, 1

    reducer = Sum()
