"""A traceback that is remembered says what Python says."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.core.errors import InputError, user_traceback
from chalicelib.mapreduce.guard.tracebacks import Tracebacks


class Odd(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Plain(Exception):
    pass


def raised(kind: type[Exception], *args: Any) -> None:
    raise kind(*args)


def chained() -> None:
    try:
        int("x")
    except ValueError as error:
        raise Plain("from another") from error


def while_handled() -> None:
    try:
        int("x")
    except ValueError:
        raise Plain("beside another")  # noqa: B904 - that is what is tried


def noted() -> None:
    error = Plain("with a note")
    error.add_note("the note")
    raise error


def deep(depth: int) -> None:
    if depth:
        deep(depth - 1)
    raise Plain(depth)


@pytest.mark.parametrize(
    "fail",
    [
        lambda: int("x"),
        lambda: Decimal("x"),
        lambda: {}["missing"],
        lambda: json.loads("{"),
        lambda: raised(Plain),
        lambda: raised(Plain, "two\nlines\n"),
        lambda: raised(Odd),
        lambda: raised(InputError, "unreadable"),
        lambda: None.missing,  # type: ignore[attr-defined]
        lambda: compile("1 +", "name", "eval"),
        lambda: undefined,  # type: ignore[name-defined]  # noqa: F821
        chained,
        while_handled,
        noted,
        lambda: deep(8),
    ],
)
def test_it_is_what_python_says(fail: Any) -> None:
    kept = Tracebacks()
    for _ in range(2):
        with pytest.raises(Exception) as caught:  # noqa: PT011 - any at all
            fail()
        assert kept.of(caught.value) == user_traceback(caught.value)


def test_another_line_of_the_same_function_is_another_place() -> None:
    def fails(first: bool) -> None:
        if first:
            int("x")
        int("x")

    kept = Tracebacks()
    for first in (True, False, True):
        with pytest.raises(ValueError, match="invalid literal") as caught:
            fails(first)
        assert kept.of(caught.value) == user_traceback(caught.value)
