"""Text in chunks: lines are counted, edges are ends of blocks, and a bad chunk is taken line by line."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib import Job
from chalicelib.mapreduce.map import chunks
from tests.unit.mapreduce.map.opened import Opened


class Chunks(Job):
    def mapper_chunk(self, text: str) -> Any:
        if "bad" in text:
            raise ValueError("no")
        return dict.fromkeys(text.splitlines(), 1)


@pytest.mark.parametrize("policy", ["fail", "quarantine"])
@pytest.mark.parametrize("body", [b"one\ntwo\n", b"one\ntwo"])
def test_a_chunk_is_a_step(body: bytes, policy: str) -> None:
    opened = Opened(Chunks, body, policy=policy)
    pairs, edges = opened.read(chunks.steps)
    assert pairs == [("one", 1), ("two", 1)]
    assert edges[-1] == (len(body), 0)
    assert opened.counted == (2, len(body))


def test_of_a_bad_chunk_the_good_lines_count() -> None:
    opened = Opened(Chunks, b"one\nbad\n\xff\ntwo\n", policy="quarantine")
    assert opened.read(chunks.steps)[0] == [("one", 1), ("two", 1)]
    assert [(offset, line) for offset, line, _ in opened.bad] == [(4, 2), (8, 3)]
    with pytest.raises(ValueError, match="no"):
        Opened(Chunks, b"bad\n").read(chunks.steps)
