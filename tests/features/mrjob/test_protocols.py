"""Protocols are mrjob's to the byte; nothing stored is ever executed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import mrjob
from chalicelib.core.errors import UserError
from chalicelib.mrjob.lines import NO_KEY, decoder, encoder, joined

DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
PAIRS = [mrjob.JSONProtocol, mrjob.ReprProtocol]


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


@pytest.mark.parametrize("protocol", PAIRS)
@given(key=DOCUMENTS, value=DOCUMENTS)
def test_what_is_shuffled_is_the_line_cut_at_its_first_tab(protocol: type[Any], key: Any, value: Any) -> None:
    """Also where key and value are encoded apart, and what comes again is remembered."""
    encode = encoder(protocol().write, keyless=False)
    for _ in range(2):
        head, rest = encode(key, value)
        assert joined(head, rest) == protocol().write(key, value)
        assert b"\t" not in head
    found, values = decoder(protocol().read, keyless=False)(head, iter([rest, rest]))
    assert (found, list(values)) == (key, [value, value])


def test_equal_numbers_of_different_types_stay_apart() -> None:
    encode = encoder(mrjob.JSONProtocol().write, keyless=False)
    assert [encode(key, key) for key in (1, True, 1.0)] == [
        (b"1", b"1"),
        (b"true", b"true"),
        (b"1.0", b"1.0"),
    ]


def test_lines_of_a_protocol_without_keys_are_one_group() -> None:
    protocol = mrjob.RawValueProtocol()
    assert encoder(protocol.write, keyless=True)("a", "x\ty") == (NO_KEY, b"x\ty")
    key, values = decoder(protocol.read, keyless=True)(NO_KEY, iter([b"x\ty", b"z"]))
    assert (key, list(values)) == (None, ["x\ty", "z"])


@given(st.lists(st.binary(max_size=6).filter(lambda line: b"\n" not in line), max_size=5), st.integers(1, 4))
def test_lines_are_the_same_whatever_the_chunks(lines: list[bytes], size: int) -> None:
    body = b"".join(line + b"\n" for line in lines)
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    assert list(mrjob.to_lines(chunks)) == [line + b"\n" for line in lines]


def test_an_empty_chunk_ends_a_file() -> None:
    assert list(mrjob.to_lines([b"a\nb", b"", b"c"])) == [b"a\n", b"b", b"c"]
