"""The tree of errors is as it is drawn, and an error is told as its kind asks for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chalicelib.core import codec, errors
from chalicelib.core.errors import ConfigError, JobCodeError, SluiceError, explain, user_traceback


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
