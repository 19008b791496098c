"""Where bad records are set aside: of a record whose quotes go over line ends no line counts as a row."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import Job
from chalicelib.core.errors import UserError
from chalicelib.core.spec import BadRecordsSpec, InputSpec
from chalicelib.mapreduce.input.compression import BLOCK
from chalicelib.mapreduce.map import text_records
from tests.features.io.runs import job_spec, started
from tests.strategies import examples
from tests.unit.mapreduce.map.opened import Lines, Opened


def read(body: bytes, **settings: Any) -> tuple[list[Any], list[tuple[int | None, int | None, str]]]:
    """The rows, and (byte, line, text) of what was set aside."""
    opened = Opened(Lines, body, policy="quarantine", **{"format": "csv", **settings})
    rows = [key for key, _ in opened.read(text_records.steps)[0]]
    return rows, opened.bad


@pytest.mark.parametrize(
    ("body", "rows", "bad"),
    [
        (b'a,"1\nb,2"\n', [], [(0, 1, 'a,"1\nb,2"\n')]),
        (b'x,y\na,"1\nb,2"\nz,w\n', [["x", "y"], ["z", "w"]], [(4, 2, 'a,"1\nb,2"\n')]),
        (b'a,"1\n\n#\nb,2\nc"\nz,w\n', [["z", "w"]], [(0, 1, 'a,"1\n\n#\nb,2\nc"\n')]),
        (b'a,"1\r\nb,""2""\r\nc"\r\nz,w\r\n', [["z", "w"]], [(0, 1, 'a,"1\r\nb,""2""\r\nc"\r\n')]),
        # What closes one quote opens the next.
        (b'a,"1\nb","2\nc"\nz,w\n', [["z", "w"]], [(0, 1, 'a,"1\nb","2\nc"\n')]),
        # A line that closes it out of place ends it all the same.
        (b'a,"1\nb,"x",2\nz,w\n', [["z", "w"]], [(0, 1, 'a,"1\nb,"x",2\n')]),
        # Nothing closes it.
        (b'x,y\na,"1\nb,2\n', [["x", "y"]], [(4, 2, 'a,"1\nb,2\n')]),
        # A quote inside a field opens nothing.
        (b'a,5" pipe\n"b"x,1\nz,w\n', [["a", '5" pipe'], ["z", "w"]], [(10, 2, '"b"x,1\n')]),
    ],
)
def test_the_lines_of_one_record_are_set_aside_together(body: bytes, rows: Any, bad: Any) -> None:
    assert read(body) == (rows, bad)
    assert read(body.replace(b",", b"\t"), format="tsv")[0] == rows


def test_a_record_goes_over_blocks() -> None:
    lines = b"good,row\n" * (BLOCK // 9 - 1)
    body = lines + b'a,"' + b"x" * 300 + b"\n" + b"y" * BLOCK + b'\nb,2"\n' + b"z,w\n"
    rows, ((offset, line, _),) = read(body)
    assert rows[-1] == ["z", "w"]
    assert rows[:-1] == [["good", "row"]] * lines.count(b"\n")
    assert (offset, line) == (len(lines), lines.count(b"\n") + 1)


def test_an_attempt_goes_on_at_any_edge_beside_such_a_record() -> None:
    body = b'a,1\n"b\nc,2"\nd,3\ne,"4\n5"\nf,6\n'
    expected = read(body)
    for edge in Opened(Lines, body, policy="quarantine", format="csv").read(text_records.steps)[1]:
        assert edge
        if edge[0] == len(body):
            continue
        opened = Opened(Lines, body, start=edge[0], policy="quarantine", format="csv")
        rows = [key for key, _ in opened.read(text_records.steps)[0]]
        assert rows == expected[0][-len(rows) :]
        assert [offset for offset, _, _ in opened.bad] == [at for at, _, _ in expected[1] if at >= edge[0]]  # type: ignore[operator]


FIELDS = st.sampled_from(["1", "a b", "2\n3", 'say "x"', "\n", "x\n\ny,z", '"', ""])


@given(st.lists(st.lists(FIELDS, min_size=2, max_size=2), min_size=1, max_size=12))
@examples(150)
def test_no_line_of_a_row_that_has_several_counts(rows: list[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    found, bad = read(text.getvalue().encode())
    assert found == [row for row in rows if "\n" not in "".join(row)]
    assert [list(csv.reader(io.StringIO(text, newline=""))) for _, _, text in bad] == [
        [row] for row in rows if "\n" in "".join(row)
    ]


# -- where nobody can know --------------------------------------------------------------------------------


def test_behind_more_lines_than_may_be_bad_the_run_fails() -> None:
    good = b"good,row\n"
    assert read(b'a,"1\n' + b"x\n" * 98 + b'y"\n' + good)[0] == [["good", "row"]]
    with pytest.raises(UserError, match=r"in/a.txt, line at byte 9: a quote .* more than 100 lines"):
        read(good + b'a,"1\n' + good * 1000)


def test_behind_a_line_that_is_too_long_the_run_fails() -> None:
    for body in (b'a,"1\n' + b"x" * 90 + b'\nb"\n', b'a,"' + b"x" * 90 + b'\nb,2"\n'):
        with pytest.raises(UserError, match="into or out of the line at byte"):
            read(body, max_record_bytes=64)
    assert read(b'"a",' + b"x" * 90 + b"\nb,2\n", max_record_bytes=64)[0] == [["b", "2"]]


class Rows(Job):
    def mapper(self, _: Any, row: list[str]) -> Any:
        yield ",".join(row), 1


@pytest.mark.parametrize("split_size", [*range(4, 24), 1000])
def test_no_split_makes_a_row_of_half_a_record(split_size: int, tmp_path: Path) -> None:
    """However the object is cut: the whole record is set aside, or the run fails and says where."""
    body = b'x,y\na,"1\nb,2"\nz,w\n'
    spec = job_spec(
        InputSpec(url="s3://in/data/", format="csv"),
        split_size=split_size,
        bad_records=BadRecordsSpec(policy="quarantine", max=10, max_fraction=1.0),
    )
    world = started(Rows, spec, {"a.csv": body}, tmp_path)
    if "_SUCCESS" in world.output():
        assert world.text() == b"x,y\t1\nz,w\t1\n"
    else:
        told = world.output()["_FAILED"].decode()
        assert (
            "a.csv, line at byte 4: a quote that is opened and not closed in the same line goes beyond"
            in told
        )
        assert "set input.multiline: true" in told
    cut_in_record = any(4 < len(body) * n // -(-len(body) // split_size) <= 9 for n in range(20))
    assert ("_FAILED" in world.output()) == cut_in_record
