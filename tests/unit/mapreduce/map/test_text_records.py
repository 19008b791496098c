"""Text as records: every kind, edges at which one may go on, and bad lines between good ones."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.mapreduce.map import text_records
from tests.unit.mapreduce.map.opened import Lines, Opened

LINES = [f"line {number}" for number in range(40)]
BODY = "".join(f"{line}\n" for line in LINES).encode()


def test_an_attempt_goes_on_at_any_edge() -> None:
    pairs, edges = Opened(Lines, BODY).read(text_records.steps)
    assert [key for key, _ in pairs] == LINES
    assert edges[-1] == (len(BODY), 0)
    done = 0
    for edge in edges[:-1]:
        assert edge
        before, (rest, _) = (
            BODY[: edge[0]].count(b"\n"),
            Opened(Lines, BODY, start=edge[0]).read(text_records.steps),
        )
        assert [key for key, _ in rest] == LINES[before:]
        assert before > done
        done = before


@pytest.mark.parametrize(
    ("settings", "body", "expected"),
    [
        ({"format": "jsonl"}, b'1\n\n"a"\n', [1, "a"]),
        ({"format": "tsv"}, b"a\tb\n", [["a", "b"]]),
        ({"format": "csv", "header": True}, b"x,y\n1,2\n", [{"x": "1", "y": "2"}]),
        ({"format": "fixed", "record_bytes": 2}, b"abcd", [b"ab", b"cd"]),
        ({"comment": "#"}, b"#no\nyes\n", ["yes"]),
        ({"encoding": "bytes"}, b"\xff\n", [b"\xff"]),
    ],
    ids=lambda item: str(item.get("format", next(iter(item)))) if isinstance(item, dict) else "",
)
@pytest.mark.parametrize("policy", ["fail", "quarantine"])
def test_every_kind_of_record(
    settings: dict[str, Any], body: bytes, expected: list[Any], policy: str
) -> None:
    opened = Opened(Lines, body, policy=policy, **settings)
    assert [key for key, _ in opened.read(text_records.steps)[0]] == expected
    assert opened.counted == (len(expected), len(body))


def test_what_cannot_be_mapped_or_read_is_set_aside_with_its_line() -> None:
    body = b"one\nbad\n\xff\ntwo\n\xfe\nbad\n"
    opened = Opened(Lines, body, policy="quarantine")
    pairs, _ = opened.read(text_records.steps)
    assert [key for key, _ in pairs] == ["one", "two"]
    assert [(offset, line) for offset, line, _ in opened.bad] == [(4, 2), (8, 3), (14, 5), (16, 6)]
    assert opened.counted == (6, len(body))
