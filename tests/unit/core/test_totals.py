"""The messages of the totals: what is stored is what is read, and no two pointers have the same bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.core.errors import CorruptData
from chalicelib.core.messages import Message, decode, encode
from chalicelib.core.totals import Pointer, Shown, ShownPart, StatePart, TotalsPlan, Waiting
from tests.strategies import examples

counts = st.integers(0, (1 << 63) - 1)
words = st.text("ab/.é", max_size=6)
parts = st.builds(
    StatePart, key=words, bytes=counts, etag=words, edges=st.lists(counts, max_size=3).map(tuple)
)
several = st.lists(parts, max_size=3).map(tuple)
runs = st.lists(words, max_size=3).map(tuple)
messages: st.SearchStrategy[Message] = st.one_of(
    parts,
    st.builds(Waiting, run=words, parts=several),
    st.builds(
        Pointer, generation=counts, run=words, step=counts, withdrawals=counts, withdrawn=words, parts=several,
        recent=runs,
    ),
    st.builds(TotalsPlan, etag=words, generation=counts, runs=runs),
    st.builds(
        Shown, job=words, generation=counts, run=words, records=counts, bytes=counts,
        parts=st.lists(st.builds(ShownPart, key=words, bytes=counts, records=counts), max_size=2).map(tuple),
    ),
)  # fmt: skip


@given(messages)
@examples(200)
def test_what_is_stored_is_what_is_read(message: Message) -> None:
    assert decode(type(message), encode(message), "s3://work/x") == message


def test_the_first_pointer_is_that_of_no_merge() -> None:
    assert Pointer(generation=0) == decode(Pointer, b'{"generation": 0}', "")
    assert not Pointer(generation=0).recent


@pytest.mark.parametrize(
    "change", [{"generation": 2}, {"run": "s"}, {"step": 2}, {"withdrawals": 1}, {"withdrawn": "r"}]
)
def test_pointers_with_the_same_parts_differ_in_their_bytes(change: dict[str, object]) -> None:
    """A store may make the etag of the bytes alone; then a swap must still see that there was another pointer."""
    pointer = Pointer(generation=1, run="r", step=1)
    assert encode(replace(pointer, **change)) != encode(pointer)


@pytest.mark.parametrize("body", [b"{}", b'{"generation": -1}', b'{"generation": "1"}', b"[]"])
def test_a_pointer_that_is_none_is_corrupt(body: bytes) -> None:
    with pytest.raises(CorruptData, match="s3://work/pointer: expected a Pointer"):
        decode(Pointer, body, "s3://work/pointer")
