"""Any bytes as any format, packed or not: however an object is cut, its records are the same, or it is refused by name.

The oracle is the object in one piece, and for whole lines the lines themselves.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.errors import InputError, UserError
from chalicelib.core.plan import Split
from chalicelib.core.ports import Loc
from chalicelib.core.spec import InputSpec
from chalicelib.mapreduce.input.blocks import fixed_blocks, line_blocks, whole_object
from chalicelib.mapreduce.input.records import record_reader
from chalicelib.mapreduce.input.rows import rows_of_stream
from chalicelib.mapreduce.input.splits import cut
from chalicelib.mapreduce.shuffle.zstd import ZstdCompressor
from chalicelib.stores.memory import MemoryStore
from tests.fuzz.damage import damaged, or_refused
from tests.strategies import examples

FORMATS: list[dict[str, Any]] = [
    {"format": "text"},
    {"format": "text", "encoding": "latin-1", "comment": "#"},
    {"format": "text", "errors": "replace"},
    {"format": "csv"},
    {"format": "csv", "header": True},
    {"format": "tsv", "comment": "#"},
    {"format": "jsonl"},
    {"format": "jsonl", "comment": "#"},
]
GOOD = b'\xef\xbb\xbfa,"b, c",3\r\n{"x": [1, 2]}\n# no\n\n\xc3\xa4\tb\r\n[1]\n"open\n17\n'
BODIES = st.one_of(
    damaged(GOOD),
    st.binary(max_size=80),
    st.lists(
        st.sampled_from([b"\n", b"\r", b'"', b",", b"\t", b"a", b"{}", b"1", b"\xef\xbb\xbf", b"#"])
    ).map(b"".join),
)
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda body: ZstdCompressor().compress(body, ZstdCompressor.FLUSH_FRAME),
}
#: Bytes that a record may have here.
LONGEST = 60


def put(key: str, body: bytes, size: int = 1 << 30) -> tuple[MemoryStore, list[Split]]:
    store, loc = MemoryStore(), Loc("in", key)
    store.put(loc, body)
    return store, list(cut("in", store.head(loc), size, splittable=True))


def records(fields: InputSpec, store: MemoryStore, splits: list[Split]) -> list[Any]:
    found: list[Any] = []
    for split in splits:
        reader = record_reader(fields, None, store, split)
        for block in line_blocks(store, split, LONGEST):
            found += reader.records(block)
    return found


@pytest.mark.parametrize("fields", FORMATS, ids=str)
@given(body=BODIES, size=st.integers(1, 40))
@examples(60)
def test_cuts_change_nothing(fields: dict[str, Any], body: bytes, size: int) -> None:
    spec = InputSpec(url="s3://in/", **fields)
    whole = or_refused(lambda: records(spec, *put("k", body)), "s3://in/k", InputError)
    pieces = or_refused(lambda: records(spec, *put("k", body, size)), "s3://in/k", InputError)
    assert pieces == whole


@pytest.mark.parametrize("suffix", PACKERS)
@given(data=st.data())
@examples(60)
def test_packed_bytes(suffix: str, data: st.DataObject) -> None:
    """Whole ones, in as many streams as there are, give what was packed; damaged ones that, less, or an error."""
    parts = data.draw(st.lists(BODIES, min_size=1, max_size=3))
    body, packed = b"".join(parts), b"".join(map(PACKERS[suffix], parts))
    store, splits = put(f"k{suffix}", packed)
    assert b"".join(whole_object(store, splits[0])) == body
    changed = data.draw(damaged(packed))
    if changed:
        store, splits = put(f"k{suffix}", changed)
        or_refused(lambda: list(whole_object(store, splits[0])), f"s3://in/k{suffix}", UserError)
        spec = InputSpec(url="s3://in/")
        or_refused(lambda: records(spec, store, splits), f"s3://in/k{suffix}", UserError)


@given(body=st.binary(min_size=1, max_size=80), width=st.integers(1, 9), size=st.integers(1, 40))
@examples(60)
def test_records_of_so_many_bytes(body: bytes, width: int, size: int) -> None:
    spec = InputSpec(url="s3://in/", format="fixed", record_bytes=width)

    def read() -> list[Any]:
        store, splits = put("k", body, size)
        found: list[Any] = []
        for split in splits:
            reader = record_reader(spec, None, store, split)
            for block in fixed_blocks(store, split, width):
                found += reader.records(block)
        return found

    wanted = [body[at : at + width] for at in range(0, len(body), width)]
    assert or_refused(read, "s3://in/k", InputError) == (None if len(body) % width else wanted)


@given(body=BODIES, one=st.integers(1, 40), other=st.integers(1, 40))
@examples(60)
def test_rows_over_several_lines(body: bytes, one: int, other: int) -> None:
    """What chunks a stream comes in changes nothing."""
    spec = InputSpec(url="s3://in/", format="csv", multiline=True)

    def read(size: int) -> list[Any] | None:
        def chunks() -> Iterator[bytes]:
            return (body[at : at + size] for at in range(0, len(body), size))

        return or_refused(lambda: [*rows_of_stream(spec, chunks(), "s3://in/k")], "s3://in/k", InputError)

    first, second = read(one), read(other)
    assert (first is None) == (second is None)
    if first is not None and second is not None:
        assert list(chain(*first)) == list(chain(*second))
