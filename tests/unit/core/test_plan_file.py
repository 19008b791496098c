"""plan.json: one document of which any stretch can be read alone."""

from __future__ import annotations

import json

import msgspec
import pytest
from msgspec.structs import replace

from chalicelib.core import plan_file
from chalicelib.core.errors import CorruptData, NotFound
from chalicelib.core.keys import RunKeys
from chalicelib.core.plan import Plan, Split
from chalicelib.core.plan_file import PAGE, Task, compose, mark_stopped, read_head, read_plan, read_tasks
from chalicelib.core.ports import Loc
from chalicelib.stores.memory import MemoryStore
from tests.worlds.simulation import spec

KEYS = RunKeys(Loc("work", "w/"), "job", "run")


def plan(**figures: object) -> Plan:
    fields = {
        "job": "job", "run": "run", "token": "t", "source": "s3://in/é ü\n.txt", "head": 0, "spec": spec(),
        "work": KEYS.work,
        "output": Loc("out", "o/"), "partitions": 4, "tasks": 0, "page": 0, "pages": (), "inputs": 1, "bytes": 9,
        "created": 1.5, "code": "c",
    }  # fmt: skip
    return Plan(**{**fields, **figures})


def tasks(count: int) -> list[Task]:
    return [
        tuple(
            Split(bucket="in", key=f"k{number} ü/{part}", etag="e", start=part, stop=part + 1, size=9)
            for part in range(1 + number % 3)
        )
        for number in range(count)
    ]


def stored(count: int, **figures: object) -> tuple[MemoryStore, Plan, list[Task]]:
    store, wanted = MemoryStore(), tasks(count)
    rendered, body = compose(plan(**figures), wanted)
    store.put(KEYS.plan, body)
    return store, rendered, wanted


@pytest.mark.parametrize("size", [*range(480, 530), 100_000])
def test_a_plan_that_is_stopped_keeps_the_place_of_its_tasks(size: int) -> None:
    store, rendered, wanted = stored(PAGE + 1, code="c" * size)
    before = store.get(KEYS.plan)
    assert mark_stopped(store, KEYS, rendered)
    head = read_head(store, KEYS)
    assert head == replace(rendered, stopped=True)
    assert store.get(KEYS.plan)[head.head :] == before[head.head :]
    assert read_tasks(store, KEYS, rendered, 0, PAGE + 1) == wanted


def test_a_plan_of_earlier_code_without_room_for_the_word_stays() -> None:
    store, rendered, _ = stored(3)
    before = store.get(KEYS.plan)
    # `true` takes a letter less than `false`: nothing is left of what the head takes
    tight = replace(rendered, head=len(before.partition(b"\n")[0].rstrip()) - 1)
    assert not mark_stopped(store, KEYS, tight)
    assert store.get(KEYS.plan) == before


@pytest.mark.parametrize("count", [0, 1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE + 5])
def test_head_and_any_range_of_tasks_read_back(count: int) -> None:
    store, rendered, wanted = stored(count)
    head = read_head(store, KEYS)
    assert head == rendered
    assert head.tasks == count
    edges = sorted({0, 1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE, count - 1, count} & set(range(count + 1)))
    for lo in edges:
        for hi in edges:
            if lo < hi:
                assert read_tasks(store, KEYS, head, lo, hi) == wanted[lo:hi]


@pytest.mark.parametrize("count", [0, 1, PAGE, 70])
def test_the_whole_is_one_json_document_for_people(count: int) -> None:
    store, _, wanted = stored(count)
    document = json.loads(store.get(KEYS.plan))
    assert document["plan"]["source"] == "s3://in/é ü\n.txt"
    assert [[split[1] for split in task] for task in document["tasks"]] == [
        [s.key for s in task] for task in wanted
    ]


def test_a_task_reads_its_page_and_not_the_plan() -> None:
    store, rendered, _ = stored(40 * PAGE)
    whole = len(store.get(KEYS.plan))
    got = store.get(KEYS.plan, rendered.head + rendered.pages[7], rendered.head + rendered.pages[8])
    assert len(got) < whole / 30


def test_a_head_longer_than_the_first_read() -> None:
    store, rendered, wanted = stored(2, source="s3://in/" + "x" * 300_000)
    assert read_head(store, KEYS) == rendered
    assert read_tasks(store, KEYS, rendered, 1, 2) == wanted[1:2]


@pytest.mark.parametrize(("lo", "hi"), [(0, 0), (3, 2), (0, PAGE + 1), (5 * PAGE, 5 * PAGE + 1)])
def test_tasks_that_there_are_not(lo: int, hi: int) -> None:
    store, rendered, _ = stored(3)
    with pytest.raises(CorruptData, match=f"asked for tasks {lo} to {hi} of 3"):
        read_tasks(store, KEYS, rendered, lo, hi)


def test_no_plan_and_no_json() -> None:
    store = MemoryStore()
    with pytest.raises(NotFound):
        read_head(store, KEYS)
    for body in (b"", b"{}\n", b'{"plan": {"job": 1}, "tasks": [\n]}'):
        store.put(KEYS.plan, body)
        with pytest.raises(CorruptData, match=r"s3://work/w/runs/job/run/plan\.json: expected a plan"):
            read_head(store, KEYS)


def test_rendering_is_a_function_of_its_input() -> None:
    assert compose(plan(), tasks(5)) == compose(plan(), tasks(5))


@pytest.mark.parametrize("chunk", [1, 300, 1 << 20])
@pytest.mark.parametrize("count", [0, 1, PAGE, 9 * PAGE, 9 * PAGE + 1, 40 * PAGE + 7])
def test_a_head_tells_of_some_pages_however_many_tasks_there_are(
    count: int, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages are longer then; lines that were packed meanwhile are the same."""
    whole = compose(plan(), tasks(count))[1]
    monkeypatch.setattr(plan_file, "_CHUNK", chunk)
    assert compose(plan(), tasks(count))[1] == whole
    monkeypatch.setattr(plan_file, "MOST_PAGES", 8)
    store, rendered, wanted = stored(count)
    assert len(rendered.pages) <= 9
    assert json.loads(store.get(KEYS.plan))["tasks"] == [
        json.loads(msgspec.json.encode(task)) for task in wanted
    ]
    for lo in range(0, count, PAGE - 1):
        hi = min(lo + PAGE + 3, count)
        assert read_tasks(store, KEYS, rendered, lo, hi) == wanted[lo:hi]


def test_tasks_that_came_with_the_head_are_not_asked_for_again() -> None:
    store = MemoryStore()
    many = [
        (Split(bucket="in", key=f"k{number}", etag="e", start=0, stop=9, size=9),) for number in range(2000)
    ]
    made, body = compose(plan(), many)
    store.put(KEYS.plan, body)
    read, behind = read_plan(store, KEYS)
    assert read == made
    assert 0 < len(behind) < len(body) - made.head
    before = store.requests["get"]
    for task in (0, 1, PAGE - 1, PAGE):
        assert read_tasks(store, KEYS, read, task, task + 1, behind) == many[task : task + 1]
    assert store.requests["get"] == before
    for task in range(0, 2000, 7):  # the page at the edge of what came is among them
        assert read_tasks(store, KEYS, read, task, task + 1, behind) == many[task : task + 1]
    assert before < store.requests["get"] < before + 2000 // 7
