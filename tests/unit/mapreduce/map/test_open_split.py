"""Steps: as long as the pace has them, edges behind each, and one record at a time where records are isolated."""

from __future__ import annotations

from typing import Any

from chalicelib.mapreduce.guard.isolate import RecordPlace
from tests.unit.mapreduce.map.opened import Lines, Opened


def test_steps_grow_with_the_pace_and_cover_all_records() -> None:
    opened = Opened(Lines, b"")
    mapped = iter([[(number, 1)] for number in range(20)])
    pairs, edges = opened.read(lambda split: split.steps(mapped, 20, lambda done: (100 + done, done)))
    assert pairs == [(number, 1) for number in range(20)]
    assert edges == [(101, 1), (103, 3), (107, 7), (115, 15), (120, 20)]
    assert opened.counted == (20, 0)


def test_a_mapper_may_give_nothing_for_a_record() -> None:
    opened = Opened(Lines, b"")
    mapped: Any = iter([None, [("a", 1), ("b", 1)], (), [("c", 1)]])
    pairs, edges = opened.read(lambda split: split.steps(mapped, 4))
    assert pairs == [("a", 1), ("b", 1), ("c", 1)]
    assert edges == [None, None, None]


def test_each_isolates_one_record_after_the_other() -> None:
    opened = Opened(Lines, b"", policy="quarantine")

    def mapper(record: str) -> Any:
        return Lines({}).mapper(None, record)

    found = opened.split.each(["a", "bad", "b"], mapper, lambda number, record: RecordPlace(number, record))
    assert list(found) == [[("a", 1)], [], [("b", 1)]]
    assert opened.bad == [(1, None, "bad")]
