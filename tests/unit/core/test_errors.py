"""The tree of errors is as it is drawn, and an error is told as its kind asks for."""

from __future__ import annotations

import re
from http.client import IncompleteRead
from pathlib import Path
from subprocess import TimeoutExpired
from urllib.error import URLError

import duckdb
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from chalicelib.core import codec, errors
from chalicelib.core.errors import (
    ConfigError,
    DiskError,
    InvokeError,
    JobCodeError,
    SluiceError,
    StoreError,
    comes_again,
    explain,
    may_pass,
    user_traceback,
)


def drawn() -> dict[str, str]:
    """From each class of the drawing to the one it derives from."""
    parents: dict[str, str] = {}
    way: list[str] = []
    for indent, name in re.findall(r"^    ([│├└─ ]*)([A-Z]\w+)(?= |$)", errors.__doc__ or "", re.MULTILINE):
        del way[len(indent) // 4 :]
        parents[name] = way[-1] if way else "Exception"
        way.append(name)
    return parents


def below(kind: type[Exception]) -> dict[str, str]:
    found = {kind.__name__: kind.__base__.__name__ if kind.__base__ else ""}
    for child in kind.__subclasses__():
        if child.__module__ in (errors.__name__, codec.__name__):
            found |= below(child)
    return found


def test_the_tree_is_as_it_is_drawn() -> None:
    assert drawn() == below(SluiceError)
    assert len(drawn()) > 10


def test_what_the_user_can_mend_is_not_tried_again() -> None:
    kinds = [getattr(errors, name, None) or getattr(codec, name) for name in drawn()]
    assert {kind for kind in kinds if kind.fatal} == {
        kind for kind in kinds if issubclass(kind, errors.UserError)
    }


class Passing(ValueError):
    retry = True


def raised_from(inner: Exception, *, explicitly: bool) -> ValueError:
    try:
        try:
            raise inner
        except Exception as caught:
            if explicitly:
                raise ValueError("outer") from caught
            raise ValueError("outer")  # noqa: B904 - that it has no cause is the point
    except ValueError as outer:
        return outer


def circle() -> Exception:
    one, other = ValueError(), KeyError()
    one.__context__, other.__context__ = other, one
    return one


THE_WORLDS: list[Exception] = [
    MemoryError(),
    OSError(28, "full"),
    TimeoutError(),
    ConnectionResetError(),
    URLError("no route"),
    IncompleteRead(b""),
    ReadTimeoutError(endpoint_url="u"),
    ClientError({"Error": {"Code": "SlowDown"}}, "GetObject"),
    TimeoutExpired("x", 3),
    StoreError(),
    InvokeError(),
    DiskError(),
    Passing(),
    type("Deeper", (Passing,), {})(),
]
THE_RECORDS: list[Exception] = [
    ValueError("x"),
    KeyError("a"),
    ZeroDivisionError(),
    RecursionError(),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
    type("Refused", (Passing,), {"retry": False})(),
    ExceptionGroup("both", [ValueError(), KeyError()]),
    raised_from(KeyError(), explicitly=True),
    circle(),
]


@pytest.mark.parametrize("error", THE_WORLDS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("how", ["itself", "cause", "context", "group"])
def test_an_error_of_the_world_may_pass(error: Exception, how: str) -> None:
    given: Exception = {
        "itself": lambda: error,
        "cause": lambda: raised_from(error, explicitly=True),
        "context": lambda: raised_from(error, explicitly=False),
        "group": lambda: ExceptionGroup("some", [ValueError(), error]),
    }[how]()
    failed = JobCodeError("job j: line at byte 3")
    failed.__cause__ = given
    assert may_pass(given)
    assert not comes_again(failed)


@pytest.mark.parametrize("error", THE_RECORDS, ids=lambda error: type(error).__name__)
def test_any_other_error_of_a_job_s_code_comes_again(error: Exception) -> None:
    failed = JobCodeError("job j: line at byte 3")
    failed.__cause__ = error
    assert not may_pass(error)
    assert comes_again(failed)


def test_what_is_no_job_s_error_is_judged_by_its_kind() -> None:
    assert comes_again(ConfigError())
    assert not comes_again(StoreError())
    assert not comes_again(ValueError("ours"))
    assert not comes_again(JobCodeError("of which no cause is known"))


@pytest.mark.parametrize(
    ("query", "passes"),
    [("SELECT 1 FROM nowhere", False), ("SELECT 'x'::INT", False), ("SELECT * FROM '/no/such.csv'", True)],
)
def test_an_error_of_a_query_comes_again_and_one_of_files_may_pass(query: str, passes: bool) -> None:
    with pytest.raises(duckdb.Error) as caught:
        duckdb.sql(query).fetchall()
    assert may_pass(caught.value) is passes


def test_a_user_s_mistake_is_told_without_a_traceback() -> None:
    assert user_traceback(ConfigError("job: missing")) == ""


def test_a_traceback_of_a_job_s_code_shows_no_frame_of_ours() -> None:
    try:
        codec.encode_column([object()])
    except errors.DataTypeError as inner:
        failed = JobCodeError("mapper")
        failed.__cause__ = inner
    shown = user_traceback(failed)
    assert __file__ in shown
    assert str(Path(errors.__file__).parents[1]) + "/" not in shown
    assert shown.splitlines()[-1].startswith("chalicelib.core.codec.Unsupported: ")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("what it says"), "ValueError: what it says"),
        (KeyError("a"), "KeyError: 'a'"),
    ],
)
def test_an_error_in_a_line(error: Exception, line: str) -> None:
    assert explain(error) == line
