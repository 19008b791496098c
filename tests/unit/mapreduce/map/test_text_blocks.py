"""Blocks of a split's text, the places of lines in them, and lines that are too long."""

from __future__ import annotations

import pytest

from chalicelib.core.errors import InputError
from chalicelib.mapreduce.map.text_blocks import SplitText, end_of
from tests.unit.mapreduce.map.opened import Lines, Opened

BODY = b"one\ntwo\nthree\n"


def test_blocks_are_counted_and_their_ends_are_edges() -> None:
    opened = Opened(Lines, BODY)
    blocks = list(SplitText(opened.split).blocks())
    assert b"".join(block.data for block in blocks) == BODY
    assert end_of(blocks[-1]) == (len(BODY), 0)
    assert opened.counted == (0, len(BODY))


@pytest.mark.parametrize(
    ("policy", "start", "line"), [("quarantine", 0, 2), ("quarantine", 4, None), ("fail", 0, None)]
)
def test_lines_have_numbers_where_they_can_be_known_and_are_needed(
    policy: str, start: int, line: int | None
) -> None:
    text = SplitText(Opened(Lines, BODY, start=start, policy=policy).split)
    for _ in text.blocks():
        assert text.place(4, b"two\n") == (4, b"two\n", line)


def test_a_line_that_is_too_long_is_set_aside_if_bad_records_are() -> None:
    body = b"one\n" + b"x" * 50 + b"\ntwo\n"
    opened = Opened(Lines, body, policy="quarantine", max_record_bytes=10)
    found = b"".join(block.data for block in SplitText(opened.split).blocks())
    assert found == b"one\ntwo\n"
    assert [(offset, line) for offset, line, _ in opened.bad] == [(4, 2)]
    assert opened.counted == (1, len(found))
    with pytest.raises(InputError, match="line at byte 4"):
        list(SplitText(Opened(Lines, body, max_record_bytes=10).split).blocks())
