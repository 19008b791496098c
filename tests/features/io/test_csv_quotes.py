"""Newlines inside quotes: an error with the place, or with `multiline` the rows that the csv module reads."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job
from chalicelib.core.spec import InputSpec
from tests.features.io.runs import failed, job_spec, run

ROWS = [
    ["id", "text"],
    *([str(n), f"line {n}"] for n in range(40)),
    ["40", 'two\nlines, "quoted"'],
    ["41", "end"],
]


def as_csv(rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


class Rows(Job):
    def mapper(self, _: Any, row: list[str]) -> Any:
        yield tuple(row), None


@pytest.mark.parametrize("split_size", [*range(10, 30), 10_000])
def test_a_newline_inside_quotes_is_told_with_its_place(split_size: int, tmp_path: Path) -> None:
    body = as_csv(ROWS)
    message = failed(
        Rows,
        job_spec(InputSpec(url="s3://in/data/", format="csv"), split_size=split_size),
        {"a.csv": body},
        tmp_path,
    )
    at = body.index(b'40,"two')
    assert f"s3://in/data/a.csv: line at byte {at}: a quoted field goes over the end of its line" in message
    assert "set input.multiline: true" in message


def test_with_multiline_it_is_a_row(tmp_path: Path) -> None:
    spec = job_spec(
        InputSpec(url="s3://in/data/", format="csv", multiline=True), output={"format": "csv"}, split_size=10
    )
    world = run(Rows, spec, {"a.csv": as_csv(ROWS)}, tmp_path)
    found = [row[:2] for row in csv.reader(io.StringIO(world.text().decode(), newline=""))]
    assert found == sorted(ROWS)
