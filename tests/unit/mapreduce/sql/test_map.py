"""An attempt that runs out of time keeps what it has and goes on behind it: every row once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.core.plan import SqlInput, SqlTables
from chalicelib.core.ports import Loc
from chalicelib.core.spec import InputSpec, SqlSpec
from chalicelib.core.tasks import ReducePosition, ReduceTask, Slice
from chalicelib.mapreduce.guard.deadline import Pace, endless
from chalicelib.mapreduce.input.splits import cut
from chalicelib.mapreduce.map.task import rest_of
from chalicelib.mapreduce.shuffle.index import Slices
from chalicelib.mapreduce.shuffle.run_file import RunWriter
from chalicelib.mapreduce.sql.map import SqlMap
from chalicelib.mapreduce.sql.reduce import SqlReduce
from chalicelib.mapreduce.sql.tables import together
from chalicelib.stores.disk import LocalDisk
from chalicelib.stores.memory import MemoryStore
from tests.worlds import simulation

PARTITIONS = 8
TEXT = b"".join(b"%d,%d\n" % (n % 1000, n) for n in range(60_000))


class Seconds:
    """Time that runs out after so many looks at it."""

    def __init__(self, looks: int) -> None:
        self.looks = looks

    def __call__(self) -> float:
        self.looks -= 1
        return 300.0 if self.looks > 0 else 0.0


def job() -> Any:
    sql = SqlSpec(
        map="SELECT k, sum(n) AS n, count(*) AS c FROM input GROUP BY 1",
        key="k",
        reduce="SELECT k, sum(n) AS n, sum(c) AS c FROM shuffled GROUP BY 1",
    )
    tables = SqlTables(
        input=(("k", "INTEGER"), ("n", "BIGINT")),
        shuffled=(("k", "INTEGER"), ("n", "HUGEINT"), ("c", "BIGINT")),
    )
    spec = simulation.spec("", sql=sql, input={"format": "csv", "columns": "k INTEGER, n BIGINT"})
    return SimpleNamespace(job="j", run="r", spec=spec, sql=tables, partitions=PARTITIONS)


def join() -> Any:
    """The same answer, of which each input gives a column."""
    columns = (("k", "INTEGER"), ("n", "BIGINT"))
    mapped = {"a": (("k", "INTEGER"), ("n", "HUGEINT")), "b": (("k", "INTEGER"), ("c", "BIGINT"))}
    queries = {
        "a": "SELECT k, sum(n) * 2 AS n FROM input GROUP BY 1",
        "b": "SELECT k, count(*) * 2 AS c FROM input GROUP BY 1",
    }
    inputs = [
        InputSpec(tag=tag, url=f"s3://in/{tag}", format="csv", columns="k INTEGER, n BIGINT", map=query)
        for tag, query in queries.items()
    ]
    reduce = """SELECT k, n, c FROM (SELECT k, sum(n) AS n FROM a GROUP BY 1)
        JOIN (SELECT k, sum(c) AS c FROM b GROUP BY 1) USING (k)"""
    spec = replace(
        simulation.spec("", sql=SqlSpec(key="k", reduce=reduce)), input=inputs[0], more_inputs=(inputs[1],)
    )
    tables = SqlTables(
        input=(),
        shuffled=together(mapped),
        tagged={tag: SqlInput(input=columns, mapped=own) for tag, own in mapped.items()},
    )
    return SimpleNamespace(job="j", run="r", spec=spec, sql=tables, partitions=PARTITIONS)


@pytest.fixture
def runtime(tmp_path: Path) -> Any:
    return SimpleNamespace(store=MemoryStore(), disk=LocalDisk(tmp_path))


def mapped(runtime: Any, looks: int, plan: Any) -> list[Slice]:
    """The run files of a task that has time for so many blocks at once."""
    store = runtime.store
    for name in "ab":
        store.put(Loc("in", name), TEXT)
    splits = [split for name in "ab" for split in cut("in", store.head(Loc("in", name)), 1 << 20, True)]
    if plan.sql.tagged:
        splits = [replace(split, tag=split.key) for split in splits]
    slices: list[Slice] = []
    rest, stopped = list(splits), None
    while not slices or stopped:
        frames: list[bytes] = []
        writer = RunWriter(frames.append, PARTITIONS)
        pace = Pace(lambda: 0.0, Seconds(looks + 2))
        stopped = SqlMap(runtime, plan, pace).run(rest, writer)
        key = f"run-{len(slices)}"
        slices.append(Slice(run_file=key, offsets=writer.finish()))
        store.put(Loc("work", key), b"".join(frames))
        if stopped:
            rest = rest_of(rest, stopped)
    return slices


def reduced(runtime: Any, slices: list[Slice], plan: Any, looks: int | None = None) -> tuple[bytes, int]:
    """(all rows, how many invocations it took)."""
    task = ReduceTask(first=0, last=PARTITIONS, bytes=0, index_start=0, index_stop=0)
    rows: list[bytes] = []
    after: ReducePosition | None = None
    for invocation in range(1, 100):
        pace = Pace(lambda: 0.0, Seconds(looks + 2)) if looks else endless()
        after = SqlReduce(runtime, plan, "work", pace).run(task, Slices.of(slices), None, rows.append, after)
        if after is None:
            return b"".join(rows), invocation
    raise AssertionError("it does not come to an end")


@pytest.mark.slow
@pytest.mark.parametrize("make", [job, join])
def test_pieces_add_up_to_the_whole(make: Callable[[], Any], runtime: Any) -> None:
    plan = make()
    whole = mapped(runtime, 10_000, plan)
    assert len(whole) == 1
    answer, invocations = reduced(runtime, whole, plan)
    assert invocations == 1
    assert len(answer.splitlines()) == 1000
    keys = {k: (sum(range(k, 60_000, 1000)) * 2, 120) for k in range(1000)}
    found = {int(k): (int(n), int(c)) for k, n, c in (line.split(b"\t") for line in answer.splitlines())}
    assert found == keys
    for looks in (1, 2, 3):
        pieces = mapped(runtime, looks, plan)
        assert len(pieces) > 2
        assert reduced(runtime, pieces, plan)[0] == answer


def test_a_reduce_goes_on_at_the_next_partition(runtime: Any) -> None:
    plan = job()
    slices = mapped(runtime, 10_000, plan)
    rows, invocations = reduced(runtime, slices, plan, looks=3)
    assert invocations > 1
    assert rows == reduced(runtime, slices, plan)[0]
