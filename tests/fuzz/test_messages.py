"""Messages from nowhere: plan, markers, lease, verdict, manifest, continuations, index and payloads.

Whatever is in the place of a message, it is either a message or a `CorruptData` that names the object.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core import messages, plan_file
from chalicelib.core.errors import CorruptData, NotFound, SluiceError
from chalicelib.core.keys import RunKeys
from chalicelib.core.messages import Message, Stats, encode
from chalicelib.core.outcome import Manifest, Verdict
from chalicelib.core.plan import Column, Plan, Split
from chalicelib.core.ports import Loc
from chalicelib.core.tasks import (
    BadRecord,
    Continuation,
    Exchanged,
    ExchangePlan,
    ExchangeSums,
    Failure,
    IndexBlock,
    MapMarker,
    MapSums,
    Part,
    Piece,
    Position,
    ReduceContinuation,
    ReduceMarker,
    ReducePlan,
    ReducePosition,
    ReduceTask,
    RowGroup,
    TaskCall,
)
from chalicelib.mapreduce.shuffle.index import BlockBuilder
from chalicelib.mapreduce.shuffle.offsets import pack
from chalicelib.run.lease import Lease, Watch
from chalicelib.run.reduce_plan import read_slices
from chalicelib.stores.memory import MemoryStore
from tests.fuzz.damage import damaged, json_values, or_refused, twisted
from tests.strategies import examples
from tests.worlds.simulation import OUT, WORK, spec

STATS = Stats(records_in=3, bytes_in=40, seconds=0.5)
FAILURE = Failure(
    phase="map", task=1, attempt=0, error="ValueError", message="no", detail="Traceback", at=5.0
)
BAD = BadRecord(phase="map", source="s3://in/a", offset=7, error="e", traceback="t", text="x", record="eA==")
COLUMN = Column(shape=0, body=b"\x91\xa1a")
PIECE = Piece(run_file="runs/job/r/map/000000.0.ab.run", offsets=(0, 10, 20))
SPLIT = Split(bucket="in", key="data/a", etag="e", start=0, stop=10, size=30)
KEYS = RunKeys(WORK, "job", "r")
PLAN = Plan(
    job="job", run="r", token="t", source="s3://in/a", head=0, spec=spec(params={"a": [1, {"b": 2}]}), work=WORK,
    output=OUT, partitions=2, tasks=0, page=1, pages=(), inputs=1, bytes=30, bounds=COLUMN, created=5.0, code="c",
)  # fmt: skip
TASKS = [(SPLIT,), (SPLIT, SPLIT)] * 20

MESSAGES: list[Message] = [
    MapMarker(task=1, attempt=0, token="t", run_file="f", offsets=(0, 5, 9), earlier=(PIECE,), bad=1,
              quarantine="q", key_types=("str",), stats=STATS, started=1.0, finished=2.0, counters={"a": 1}),
    ReduceMarker(task=0, attempt=0, token="t", part="p", bytes=5, records=2, stats=STATS, started=1.0, finished=2.0),
    MapMarker(task=1, attempt=0, token="t", run_file="f", offsets=pack((0, 5, 9)), stats=STATS, started=1.0,
              finished=2.0),
    MapSums(stop=1, block=IndexBlock(rows=1, width=4, names=9), columns=b"x", stats=STATS, counters={},
            key_types={"a": 1}, started=1.0, finished=2.0),
    ReducePlan(tasks=(ReduceTask(first=0, last=2, bytes=20, index_start=0, index_stop=9),), mapped=STATS,
               counters={}, bad=1, quarantine=("q",), map_started=1.0, map_finished=2.0),
    Lease(token="t", trigger="plan.done", expires=9.0, renewals=1, hops=1,
          watch=Watch(phase="map", done=1, moved=2.0, started={3: (1, 5.0)})),
    Verdict(outcome="failed", reason="r", failures=(FAILURE,)),
    Manifest(job="job", run="r", outcome="success", parts=(Part(key="p", bytes=5, records=2),), failures=(FAILURE,)),
    Continuation(position=Position(split=0, offset=5), earlier=(PIECE,), bad=(BAD,), stats=STATS),
    ReduceContinuation(position=ReducePosition(partition=0, key=COLUMN), pieces=("p",), stats=STATS, started=1.0),
    TaskCall(bucket="work", prefix="", job="job", run="r", lo=0, hi=3),
    ExchangePlan(
        rows=(RowGroup(block=0, first=0, last=3),), columns=((0, 2),),
        reduce=ReducePlan(tasks=(), index=(IndexBlock(rows=3, width=4, names=9, first=0, last=2),), mapped=STATS,
                          exchanged=Exchanged(tasks=1, stats=STATS, finished=3.0), counters={}, map_started=1.0,
                          map_finished=2.0),
    ),
    ExchangeSums(blocks=(IndexBlock(rows=3, width=4, names=9),), stats=STATS, repeated={1: 2}, finished=3.0),
    FAILURE,
    BAD,
    PLAN,
]  # fmt: skip


def negative(value: Any) -> list[str]:
    """Numbers of things that are below zero, anywhere in a message; times and the like may be."""
    if isinstance(value, Stats):
        return []
    if isinstance(value, msgspec.Struct):
        pairs = [(name, getattr(value, name)) for name in value.__struct_fields__]
    elif isinstance(value, list | tuple):
        pairs = [("item", item) for item in value]
    else:
        return []
    found = [name for name, item in pairs if type(item) is int and item < 0]
    return found + [name for _, item in pairs for name in negative(item)]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
@given(st.data())
@examples(120)
def test_a_message_or_an_error_that_names_the_object(message: Message, data: st.DataObject) -> None:
    good = encode(message)
    body = data.draw(st.one_of(damaged(good), twisted(good), json_values.map(json.dumps).map(str.encode)))
    found = or_refused(
        lambda: messages.decode(type(message), body, "s3://work/x"), "s3://work/x: expected a", CorruptData
    )
    if found is not None:
        assert type(found) is type(message)
        assert negative(found) == []
        assert messages.decode(type(message), encode(found), "") == found


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
@pytest.mark.parametrize("body", [b"[" * 300_000, b'{"a":' * 300_000, b"", b"\xff", b"null"])
def test_nesting_without_end(message: Message, body: bytes) -> None:
    with pytest.raises(CorruptData, match="s3://work/x"):
        messages.decode(type(message), body, "s3://work/x")


@given(st.one_of(json_values, twisted(encode(MESSAGES[8])).map(json.loads)))
@examples(200)
def test_payloads_of_functions(payload: Any) -> None:
    found = or_refused(
        lambda: messages.from_payload(TaskCall, payload, "the event"), "the event: expected a TaskCall"
    )
    assert found is None or isinstance(found, TaskCall)


def stored(body: bytes, loc: Loc = KEYS.plan) -> MemoryStore:
    store = MemoryStore()
    store.put(loc, body)
    return store


WHOLE_PLAN, PLAN_BODY = plan_file.compose(PLAN, TASKS)


@given(st.one_of(damaged(PLAN_BODY), st.binary(max_size=100), st.just(b"")))
@examples(300)
def test_a_plan_and_its_tasks(body: bytes) -> None:
    """As many tasks as were asked for, or an error that names the plan."""
    store = stored(body)
    head = or_refused(lambda: plan_file.read_head(store, KEYS), KEYS.plan.url, CorruptData)
    if head is None:
        return
    for lo, hi in ((0, 1), (33, 40), (0, 40)):
        found = or_refused(
            lambda lo=lo, hi=hi: plan_file.read_tasks(store, KEYS, head, lo, hi), KEYS.plan.url
        )  # type: ignore[misc]
        assert found is None or len(found) == hi - lo


@pytest.mark.parametrize(("lo", "hi"), [(-1, 0), (0, 0), (5, 3), (39, 41), (1 << 70, 1 << 71)])
def test_tasks_that_are_not_there(lo: int, hi: int) -> None:
    with pytest.raises(CorruptData, match=f"plan.json: asked for tasks {lo} to {hi} of 40"):
        plan_file.read_tasks(stored(PLAN_BODY), KEYS, WHOLE_PLAN, lo, hi)


OLD_INDEX = msgspec.msgpack.encode([("runs/job/r/map/000000.0.ab.run", (0, 10, 20)), ("x", (5, 5, 9))])
OLD_PLAN = ReducePlan(tasks=(), mapped=STATS, counters={}, map_started=1.0, map_finished=2.0)


def read_index(
    store: MemoryStore, reduce_plan: ReducePlan, task: ReduceTask
) -> list[list[tuple[int, int, int]]]:
    slices = read_slices(store, KEYS, reduce_plan, task)
    return [slices.wanted(number, number + 1) for number in range(task.last - task.first)]


@given(st.one_of(damaged(OLD_INDEX), st.binary(max_size=60)))
@examples(300)
def test_the_shuffle_index_of_an_earlier_version(body: bytes) -> None:
    if not body:
        return
    task = ReduceTask(first=0, last=1, bytes=9, index_start=0, index_stop=len(body))
    store = stored(body, KEYS.reduce_index)
    found = or_refused(lambda: read_index(store, OLD_PLAN, task), KEYS.reduce_index.url, CorruptData)
    assert found is None or negative(found) == []


BUILDER = BlockBuilder(2)
BUILDER.add("runs/job/r/map/000000.0.ab.run", (0, 10, 20))
BUILDER.add("runs/job/r/map/000001.0.cd.run", (0, 0, 1 << 33))
BLOCK, INDEX, _ = BUILDER.build()


@given(
    st.one_of(damaged(INDEX), st.binary(max_size=120)),
    st.integers(0, 2),
    st.integers(0, 9),
    st.integers(0, 99),
)
@examples(300)
def test_the_shuffle_index(body: bytes, rows: int, width: int, names: int) -> None:
    for block in (BLOCK, IndexBlock(rows=rows, width=width, names=names)):
        task = ReduceTask(first=0, last=2, bytes=9)
        store, loc = stored(body, KEYS.index_block(0)), KEYS.index_block(0)
        reduce_plan = msgspec.structs.replace(OLD_PLAN, index=(block,))
        read = partial(read_index, store, reduce_plan, task)
        found = or_refused(read, loc.url, CorruptData)
        assert found is None or negative(found) == []


def test_what_is_not_there_is_not_found_and_nothing_else() -> None:
    with pytest.raises(NotFound):
        plan_file.read_head(MemoryStore(), KEYS)
    assert issubclass(NotFound, SluiceError)
