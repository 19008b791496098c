"""Lines are cut at their first tab, encoded and decoded as the protocols would do it whole."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from chalicelib import mrjob
from chalicelib.mrjob.lines import NO_KEY, decoder, drops_keys, encoder, joined, sorted_rests

from .documents import DOCUMENTS

PAIRS = [mrjob.JSONProtocol, mrjob.ReprProtocol]


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


@pytest.mark.parametrize("protocol", PAIRS)
def test_tuples_that_are_remembered_are_written_as_they_are(protocol: type[Any]) -> None:
    """By their kinds, though they may be equal; in parts that are said again."""
    some = [1, True, 1.0, 300, 1 << 70, -1, "a", "ä", "a\tb", '"', "\ud800", "x" * 100, None]
    rows = [
        (),
        [],
        *((item,) for item in some),
        *([item, item] for item in some),
        (1, 1.0),
        ("a", 1),
        ("a", ("a",)),
    ]
    encode = encoder(protocol().write, keyless=False)
    for row in rows + rows[::-1]:
        key, value = encode(row, row)
        assert key == value == protocol()._dumps(row), row


def test_lines_of_a_protocol_without_keys_are_one_group() -> None:
    protocol = mrjob.RawValueProtocol()
    assert encoder(protocol.write, keyless=True)("a", "x\ty") == (NO_KEY, b"x\ty")
    key, values = decoder(protocol.read, keyless=True)(NO_KEY, iter([b"x\ty", b"z"]))
    assert (key, list(values)) == (None, ["x\ty", "z"])


def test_a_line_without_a_tab_has_no_rest() -> None:
    encode = encoder(mrjob.RawProtocol().write, keyless=False)
    assert [encode("a", None), encode("a", ""), encode("a", "b\tc")] == [
        (b"a", None),
        (b"a", b""),
        (b"a", b"b\tc"),
    ]
    assert [joined(b"a", None), joined(b"a", b""), joined(NO_KEY, b"a\tb", keyless=True)] == [
        b"a",
        b"a\t",
        b"a\tb",
    ]


def test_a_protocol_that_changes_a_method_is_asked_for_each_line() -> None:
    """Shortcuts are for protocols that encode key and value separately, as the base class does."""

    class Shouting(mrjob.JSONProtocol):
        def write(self, key: Any, value: Any) -> bytes:
            return super().write(key.upper(), value)

        def read(self, line: bytes) -> Any:
            key, value = super().read(line)
            return key, value + 1

    protocol = Shouting()
    assert encoder(protocol.write, keyless=False)("a", 1) == (b'"A"', b"1")
    key, values = decoder(protocol.read, keyless=False)(b'"A"', iter([b"1", b"2"]))
    assert (key, list(values)) == ("A", [2, 3])


def test_many_long_keys_are_encoded_right_though_not_all_are_remembered() -> None:
    protocol = mrjob.JSONProtocol()
    encode = encoder(protocol.write, keyless=False)
    for key in ["x" * length for length in (1, 61, 62, 63, 64, 200)] * 2:
        assert joined(*encode(key, 300)) == protocol.write(key, 300)


def test_only_protocols_of_values_drop_keys() -> None:
    dropping = [
        protocol
        for protocol in (*PAIRS, mrjob.JSONValueProtocol, mrjob.RawValueProtocol, mrjob.RawProtocol)
        if drops_keys(protocol().read)
    ]
    assert dropping == [mrjob.JSONValueProtocol, mrjob.RawValueProtocol]


def test_sorted_values_are_in_the_order_of_their_lines() -> None:
    assert list(sorted_rests([b"2", None, b"10", b""])) == [None, b"", b"10", b"2"]
