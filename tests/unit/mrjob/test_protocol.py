"""Protocols are mrjob's to the byte; nothing stored is ever executed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import mrjob
from chalicelib.core.errors import UserError
from chalicelib.mrjob.protocol import _of_json, _to_json

from .documents import DOCUMENTS


@given(DOCUMENTS, DOCUMENTS)
def test_json_is_python_s_json_with_a_tab_between(key: Any, value: Any) -> None:
    line = mrjob.JSONProtocol().write(key, value)
    assert line == f"{json.dumps(key)}\t{json.dumps(value)}".encode()
    assert mrjob.JSONProtocol().read(line) == (key, value)
    assert mrjob.JSONValueProtocol().read(mrjob.JSONValueProtocol().write(key, value)) == (None, value)


def test_json_turns_tuples_into_lists_and_keys_of_dicts_into_text() -> None:
    assert mrjob.JSONProtocol().read(mrjob.JSONProtocol().write((1, "a"), {1: None})) == (
        [1, "a"],
        {"1": None},
    )


def test_repr_keeps_tuples_sets_and_bytes() -> None:
    key, value = (1, b"\x00\t"), {"a", None}
    assert mrjob.ReprProtocol().read(mrjob.ReprProtocol().write(key, value)) == (key, value)
    assert mrjob.ReprValueProtocol().read(mrjob.ReprValueProtocol().write(key, value)) == (None, value)


@pytest.mark.parametrize("text", [b"__import__('os').getcwd()", b"open('x')", b"[].append(1)", b"1 + x"])
def test_repr_reads_literals_and_evaluates_nothing(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"malformed|literal"):
        mrjob.ReprValueProtocol().read(text)


@pytest.mark.parametrize("protocol", [mrjob.PickleProtocol, mrjob.PickleValueProtocol])
def test_pickle_is_refused_with_a_reason(protocol: type[Any]) -> None:
    with pytest.raises(UserError, match=r"runs whatever code.*use JSONProtocol"):
        protocol()


def test_raw_lines_break_at_the_first_tab_and_fall_back_to_latin_1() -> None:
    raw = mrjob.RawProtocol()
    assert raw.read(b"a\tb\tc") == ("a", "b\tc")
    assert raw.read(b"a") == ("a", None)
    assert raw.read(b"\xe4\t\xfc") == ("ä", "ü")
    assert [raw.write("a", "b"), raw.write("a", None), raw.write(None, "b")] == [b"a\tb", b"a", b"b"]
    assert mrjob.RawValueProtocol().read("ü".encode("latin-1")) == (None, "ü")
    assert mrjob.BytesProtocol().read(b"\xff\t\x00") == (b"\xff", b"\x00")
    assert mrjob.BytesValueProtocol().write("ignored", b"\xff") == b"\xff"


def test_a_line_without_a_tab_is_no_pair() -> None:
    with pytest.raises(ValueError, match="unpack"):
        mrjob.JSONProtocol().read(b"1")


@given(DOCUMENTS)
def test_json_is_what_json_dumps_writes(value: Any) -> None:
    for item in (value, [value], {"k": value}, (value, 1.5), (value, value)):
        assert _to_json(item) == json.dumps(item).encode()
        assert repr(_of_json(json.dumps(item))) == repr(json.loads(json.dumps(item)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "1 ",
        " [1]",
        "[1] x",
        "NaN",
        "-Infinity",
        '"\\ud800"',
        '{"a":1,"a":2}',
        "[" * 5000,
        "\ufeff1",
        "1" * 30,
    ],
)
def test_json_is_what_json_loads_reads(text: str) -> None:
    assert outcome(lambda: _of_json(text)) == outcome(lambda: json.loads(text))


def test_what_json_dumps_refuses_is_refused() -> None:
    circle: list[Any] = []
    circle.append(circle)
    for bad in (circle, {1, 2}, b"x", {(1, 2): 3}, [object]):
        assert outcome(lambda bad=bad: _to_json(bad)) == outcome(lambda bad=bad: json.dumps(bad))
    for odd in ({1: 2, None: True, 1.5: "é"}, [float("nan"), float("-inf"), 2**80, True]):
        assert _to_json(odd) == json.dumps(odd).encode()


def outcome(work: Callable[[], Any]) -> str:
    try:
        return repr(work())
    except (ValueError, TypeError, RecursionError) as error:
        return f"{type(error).__name__}: {error}"


@given(
    st.lists(st.integers() | st.just(True)) | st.lists(st.text() | st.sampled_from(['",', "\x7f", "a", "b,"]))
)
def test_lists_of_one_kind_are_what_json_dumps_writes(values: list[Any]) -> None:
    assert _to_json(values) == _to_json(tuple(values)) == json.dumps(values).encode()
