"""`partition`: known values, so that a changed hash is noticed; equal keys together; no process's own hash."""

from __future__ import annotations

import os
import subprocess
import sys
from binascii import crc32
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.errors import DataTypeError
from chalicelib.job.partitioners import Hash, key_bytes
from tests.strategies import examples, key_lists, scalars

partitions_of = Hash().partitions_of
scatter = Hash().scatter

ROOT = Path(__file__).resolve().parents[3]

#: Encodings by hand, from the msgpack specification; CRC-32 is the one of zip files.
KNOWN: list[tuple[Any, bytes]] = [
    ("", b""),
    ("word", b"word"),
    ("häß", "häß".encode()),
    (b"\x00\xff", b"\x00\xff"),
    (None, b"\xc0"),
    (7, b"\x07"),
    (-1, b"\xff"),
    (300, b"\xcd\x01\x2c"),
    (0.5, b"\xcb\x3f\xe0\x00\x00\x00\x00\x00\x00"),
    (("a", 1), b"\x92\xa1a\x01"),
    (("a", (None, b"x")), b"\x92\xa1a\x92\xc0\xc4\x01x"),
    (2**64, b"18446744073709551616"),
]


@pytest.mark.parametrize(("key", "encoded"), KNOWN, ids=lambda item: repr(item))
def test_known_encodings(key: Any, encoded: bytes) -> None:
    assert key_bytes(key) == encoded
    assert partitions_of([key], 1000) == [crc32(encoded) % 1000]


def test_known_partitions() -> None:
    words = ["", "the", "quick", "brown", "fox", "ünïcödé"]
    assert partitions_of(words, 16) == [0, 6, 7, 4, 6, 11]
    assert partitions_of([b"the", b"fox"], 16) == partitions_of(["the", "fox"], 16)


@pytest.mark.parametrize(
    "equal",
    [(1, 1.0, True), (0, -0.0, 0.0, False), (2**70, float(2**70)), ((1, "a"), (1.0, "a"), (True, "a"))],
)
def test_equal_keys_share_a_partition(equal: tuple[Any, ...]) -> None:
    assert len({partitions_of([key], 4096)[0] for key in equal}) == 1


@given(key_lists | st.lists(scalars), st.integers(1, 4096))
@examples(200)
def test_a_key_s_partition_does_not_depend_on_its_company(keys: list[Any], partitions: int) -> None:
    together = partitions_of(keys, partitions)
    assert together == [partitions_of([key], partitions)[0] for key in keys]
    assert all(0 <= partition < partitions for partition in together)


@given(key_lists | st.lists(scalars), st.integers(1, 40))
@examples(100)
def test_scatter_puts_each_item_where_its_key_belongs(keys: list[Any], partitions: int) -> None:
    numbers = list(range(len(keys)))
    parts = scatter(keys, numbers, partitions)
    where = partitions_of(keys, partitions)
    assert parts == [[number for number in numbers if where[number] == part] for part in range(partitions)]


@given(key_lists | st.lists(scalars), st.integers(1, 40))
@examples(100)
def test_a_table_is_scattered_with_its_values(keys: list[Any], partitions: int) -> None:
    table = {key: f"value {number}" for number, key in enumerate(keys)}
    where = partitions_of(list(table), partitions)
    for part, (own, values) in enumerate(Hash().scatter_table(table, partitions)):
        mine = [(key, table[key]) for key, at in zip(table, where, strict=True) if at == part]
        assert list(zip(own, values, strict=True)) == mine


def test_all_partitions_are_used_about_evenly() -> None:
    found = partitions_of([f"word{number}" for number in range(16_000)], 16)
    assert all(800 < found.count(partition) < 1200 for partition in range(16))


@pytest.mark.parametrize("partitions", [1, 7])
@pytest.mark.parametrize("key", ["a\ud800", ("a\ud800", 1)])
def test_a_lone_surrogate_is_a_user_s_mistake(key: Any, partitions: int) -> None:
    with pytest.raises(DataTypeError, match="surrogate"):
        partitions_of([key], partitions)
    with pytest.raises(DataTypeError, match="surrogate"):
        scatter([key], [0], partitions)


def test_another_process_agrees_whatever_its_hash_seed() -> None:
    keys = ["a", b"a", None, 3, 0.25, ("x", (1, None)), "ß" * 9, 2**90]
    code = f"from chalicelib.job.partitioners import Hash; print([Hash().partitions_of([k], 997)[0] for k in {keys!r}])"
    mine = str([partitions_of([key], 997)[0] for key in keys])
    for seed in ("0", "1", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        theirs = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert theirs.stdout.strip() == mine


@pytest.mark.parametrize(
    "keys",
    [
        [("a", 1), ("b", None), (b"c", -7)],
        [("a", 2**64), ("b", 1)],
        [("a", 2**63), ("b", -(2**63))],
        [(), ("a",)],
        [("a", True), ("a", 1)],
        [("a", 1.0), ("a", 2.5)],
        [("a", (1.0,)), ("a", ("b",))],
        [1, 2**64 - 1, -5],
        [1, 2**70],
    ],
)
def test_keys_that_are_encoded_together_are_encoded_as_each_alone(keys: list[Any]) -> None:
    assert list(Hash().codes(keys, 7)) == [crc32(key_bytes(key)) for key in keys]


@given(key_lists)
@examples(100)
def test_codes_are_those_of_the_encodings(keys: list[Any]) -> None:
    assert list(Hash().codes(keys, 7)) == [crc32(key_bytes(key)) for key in keys]


def test_the_code_of_a_key_does_not_depend_on_what_is_hashed_beside_it() -> None:
    keys: list[Any] = [*range(3000), *map(str, range(3000)), *((n, "a", 1.0 * n) for n in range(3000)), True]
    assert list(Hash().codes(keys, 7)) == [crc32(key_bytes(key)) for key in keys]
