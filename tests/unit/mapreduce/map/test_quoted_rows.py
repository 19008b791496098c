"""Rows over several lines: all of an object, without edges, bad ones known by what they hold."""

from __future__ import annotations

from typing import Any

from chalicelib import Job
from chalicelib.mapreduce.map import whole_objects
from tests.unit.mapreduce.map.opened import Opened

BODY = b'a,"x\ny"\nbad,1\nb,2\n'


class Rows(Job):
    def mapper(self, _: Any, row: list[str]) -> Any:
        if row[0] == "bad":
            raise ValueError("no")
        return [tuple(row)]


def test_rows_are_mapped_in_order_and_an_attempt_cannot_stop_between_them() -> None:
    rows = b"".join(b'%d,"x\ny"\n' % number for number in range(9))
    opened = Opened(Rows, rows, format="csv", multiline=True)
    pairs, edges = opened.read(whole_objects.quoted_rows)
    assert pairs == [(str(number), "x\ny") for number in range(9)]
    assert set(edges) == {None}
    assert opened.counted == (9, len(rows))


def test_a_bad_row_is_listed_as_python_writes_it() -> None:
    opened = Opened(Rows, BODY, policy="quarantine", format="csv", multiline=True)
    assert opened.read(whole_objects.quoted_rows)[0] == [("a", "x\ny"), ("b", "2")]
    assert opened.bad == [(None, None, "['bad', '1']")]
