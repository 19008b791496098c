import base64
import random
import tracemalloc

import msgspec
import pytest

from chalicelib.core.errors import UserError
from chalicelib.core.keys import RunKeys
from chalicelib.core.ports import Loc
from chalicelib.core.spec import BadRecordsSpec
from chalicelib.core.tasks import BadRecord
from chalicelib.mapreduce.guard.quarantine import Quarantine
from chalicelib.stores.memory import MemoryStore

MIB = 1 << 20


def quarantine(most: int = 10_000) -> Quarantine:
    return Quarantine(BadRecordsSpec(policy="quarantine", max=most, max_fraction=1.0), "map")


def fail(ours: Quarantine, number: int, body: bytes) -> None:
    try:
        raise ValueError(f"no number: {number}")
    except ValueError as error:
        ours.add(error, "s3://in/a.txt", 100 * number, body, number + 1)


def written(ours: Quarantine) -> bytes:
    store = MemoryStore()
    key = ours.write(store, RunKeys(Loc("work", ""), "job", "20261121T032424-0123456789ab"), 3, 0, "t" * 12)
    return store.get(Loc("work", key))


def test_very_many_bad_records_take_little_memory_and_are_all_listed_in_order():
    tracemalloc.start()
    try:
        ours = quarantine()
        for number in range(6000):
            fail(ours, number, b"%08d " % number + b"x" * 100)
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    body = written(ours)
    assert len(body) > 3 * MIB
    assert held < MIB
    lines = msgspec.json.Decoder(BadRecord).decode_lines(body)
    assert [(line.offset, line.line) for line in lines] == [(100 * n, n + 1) for n in range(6000)]
    assert lines == ours.records
    assert ours.count == 6000


def test_what_does_not_compress_is_kept_whole():
    ours, bodies = quarantine(), [random.Random(seed).randbytes(MIB // 4) for seed in range(5)]
    for number, body in enumerate(bodies):
        fail(ours, number, body)
    lines = msgspec.json.Decoder(BadRecord).decode_lines(written(ours))
    assert [base64.b64decode(line.record) for line in lines] == bodies


def test_earlier_pieces_of_an_attempt_come_first_and_count():
    earlier, ours = quarantine(), quarantine(most=3)
    for number in range(2):
        fail(earlier, number, b"old")
    ours.extend(tuple(earlier.records))
    fail(ours, 2, b"new")
    assert [record.text for record in ours.records] == ["old", "old", "new"]
    with pytest.raises(UserError, match=r"more than 3 bad records .* s3://in/a.txt, byte 300"):
        fail(ours, 3, b"new")


def test_nothing_is_stored_where_nothing_was_set_aside():
    store = MemoryStore()
    assert quarantine().write(store, RunKeys(Loc("work", ""), "job", "run"), 0, 0, "t") == ""
    assert list(store.list(Loc("work", ""))) == []
