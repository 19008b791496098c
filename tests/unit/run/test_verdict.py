"""One verdict, whoever asks."""

from __future__ import annotations

import json

from chalicelib.core.keys import OutputKeys, RunKeys
from chalicelib.core.messages import Stats, encode
from chalicelib.core.outcome import Verdict
from chalicelib.core.plan import Plan
from chalicelib.core.ports import Loc, Runtime
from chalicelib.core.tasks import Failure, ReducePlan
from chalicelib.run.verdict import conclude, first_failures, read_verdict
from chalicelib.stores.memory import MemoryStore
from tests.unit.run.test_reduce_plan import plan

KEYS = RunKeys(Loc("work", ""), "job", "run")
OUTPUT = OutputKeys(Loc("out", ""))


def failure(task: int, attempt: int = 0, message: str = "", detail: str = "") -> Failure:
    return Failure(
        phase="map",
        task=task,
        attempt=attempt,
        error="E",
        message=message or f"error {task}.{attempt}",
        detail=detail,
    )


def world() -> tuple[Runtime, MemoryStore, Plan]:
    store = MemoryStore()
    empty = ReducePlan(tasks=(), mapped=Stats(), counters={}, map_started=1.0, map_finished=2.0)
    store.put(KEYS.reduce_plan, encode(empty))

    class Nothing:
        def __getattr__(self, name: str) -> object:
            raise AssertionError(f"{name} is nothing the end of a run needs")

    runtime = Runtime(
        store=store, invoker=Nothing(), clock=Nothing(), new_token=str, remaining=float, load_job=lambda name: Nothing,
        disk=Nothing(),
    )  # type: ignore[arg-type]  # fmt: skip
    return runtime, store, plan(1, 0)


def ends(store: MemoryStore) -> set[str]:
    return {info.key for info in store.list(Loc("out", ""))}


def test_the_first_verdict_stays() -> None:
    success, failed = (
        Verdict(outcome="success"),
        Verdict(outcome="failed", reason="why", failures=(failure(0),)),
    )
    for first, second, end in ((success, failed, "_SUCCESS"), (failed, success, "_FAILED")):
        runtime, store, head = world()
        assert read_verdict(store, KEYS) is None
        conclude(runtime.store, KEYS, head, first)
        conclude(runtime.store, KEYS, head, second)
        assert read_verdict(store, KEYS) == first
        assert ends(store) == {"_manifest.json", end}
        assert json.loads(store.get(OUTPUT.manifest))["outcome"] == first.outcome


def test_the_end_is_the_last_write() -> None:
    _, store, head = world()
    written: list[str] = []
    watched = MemoryStore(on_created=lambda loc: written.append(loc.key))
    for info in store.list(Loc("work", "")):
        watched.put(Loc("work", info.key), store.get(Loc("work", info.key)))
    written.clear()
    conclude(watched, KEYS, head, Verdict(outcome="success"))
    assert written == [KEYS.run_done.key, "_manifest.json", "_SUCCESS"]


def test_the_first_failure_of_each_task() -> None:
    found = first_failures([failure(1, 2), failure(0, 1), failure(1, 0), failure(0, 3)])
    assert [(item.task, item.attempt) for item in found] == [(0, 1), (1, 0)]
