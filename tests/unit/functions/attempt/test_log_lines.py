"""What an attempt prints becomes lines of its log, and nothing is lost, doubled or stuck."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.functions.attempt.log_lines import JsonLines, Printed, printed_as_lines

CALL = {"job": "tally", "run": "r7", "step": 1, "lo": 3, "hi": 9, "attempt": 2, "hop": 0}


@pytest.fixture
def lines() -> Iterator[list[dict[str, object]]]:
    """What is logged, as it would be written."""
    found: list[dict[str, object]] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(json.loads(JsonLines().format(record)))

    handler, logger = Keep(), logging.getLogger("sluice.tally")
    logger.addHandler(handler)
    yield found
    logger.removeHandler(handler)


def test_what_is_printed_carries_the_ids_of_its_task(lines: list[dict[str, object]]) -> None:
    out = io.StringIO()
    with printed_as_lines("mapper", CALL, out):
        print("one", "word")
        print("two\nlines", end="")
    print_ids = {"job": "tally", "run": "r7", "step": 1, "phase": "map", "task": 3, "attempt": 2}
    expected = {"level": "INFO", **print_ids, "printed": True}
    assert lines == [{**expected, "message": text} for text in ("one word", "two", "lines")]
    assert out.getvalue() == ""


def test_print_goes_on_where_it_went_if_that_is_asked_for(lines: list[dict[str, object]]) -> None:
    out = io.StringIO()
    with printed_as_lines("reducer", CALL, out, shown=True):
        print("one")
    assert out.getvalue() == "one\n"
    assert lines[0]["phase"] == "reduce"


def test_an_error_goes_up_and_what_was_printed_before_it_is_told(lines: list[dict[str, object]]) -> None:
    before = sys.stdout

    def fail() -> None:
        with printed_as_lines("mapper", CALL, io.StringIO()):
            print("no end", end="")
            raise ValueError("why")

    with pytest.raises(ValueError, match="why"):
        fail()
    assert [line["message"] for line in lines] == ["no end"]
    assert sys.stdout is before


def test_a_silent_logger_does_not_silence_print(lines: list[dict[str, object]]) -> None:
    logger = logging.getLogger("sluice.tally")
    logger.setLevel(logging.CRITICAL)
    try:
        with printed_as_lines("mapper", CALL, io.StringIO()):
            print("still here")
    finally:
        logger.setLevel(logging.NOTSET)
    assert [line["message"] for line in lines] == ["still here"]


def test_a_handler_upon_standard_output_makes_no_circle(lines: list[dict[str, object]]) -> None:
    out, logger = io.StringIO(), logging.getLogger("sluice.tally")
    with printed_as_lines("mapper", CALL, out):
        handler = logging.StreamHandler(sys.stdout)
        logger.addHandler(handler)
        print("once")
        logger.removeHandler(handler)
    assert [line["message"] for line in lines] == ["once"]
    assert out.getvalue() == "once\n"


@pytest.mark.parametrize("function", ["coordinator", "supervisor"])
def test_functions_that_run_no_code_of_the_jobs_keep_their_output(function: str) -> None:
    before = sys.stdout
    with printed_as_lines(function, {"Records": []}, io.StringIO()):  # type: ignore[arg-type]
        assert sys.stdout is before


@given(st.lists(st.text(alphabet="ab\n", max_size=6)))
def test_lines_are_those_of_the_text_however_it_is_written(texts: list[str]) -> None:
    found: list[str] = []
    stream = Printed(io.StringIO(), found.append, shown=False)
    for text in texts:
        assert stream.write(text) == len(text)
    stream.flush()
    whole = "".join(texts)
    assert found == (whole.removesuffix("\n").split("\n") if whole else [])


def test_a_line_without_end_is_cut_and_not_kept() -> None:
    found: list[str] = []
    stream = Printed(io.StringIO(), found.append, shown=False)
    for _ in range(100):
        stream.write("x" * 1000)
    assert len(found) >= 3
    stream.flush()
    assert "".join(found) == "x" * 100_000
    assert max(map(len, found)) <= 1 << 15
