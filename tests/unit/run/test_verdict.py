"""`finish`: one verdict, whoever asks; what `_FAILED` tells."""

from __future__ import annotations

import json

from chalicelib.core.keys import OutputKeys, RunKeys
from chalicelib.core.messages import Stats, encode
from chalicelib.core.outcome import Verdict
from chalicelib.core.plan import Plan
from chalicelib.core.ports import Loc, Runtime
from chalicelib.core.tasks import Failure, ReducePlan
from chalicelib.run.verdict import conclude, failure_text, first_failures, publish, read_verdict
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
        conclude(runtime, KEYS, head, first)
        conclude(runtime, KEYS, head, second)
        assert read_verdict(store, KEYS) == first
        assert ends(store) == {"_manifest.json", end}
        assert json.loads(store.get(OUTPUT.manifest))["outcome"] == first.outcome


def test_publishing_again_writes_the_same() -> None:
    runtime, store, head = world()
    verdict = Verdict(outcome="failed", reason="why", failures=(failure(0),))
    publish(runtime, KEYS, head, verdict)
    before = store.get(OUTPUT.manifest), store.get(OUTPUT.failure)
    publish(runtime, KEYS, head, verdict)
    assert (store.get(OUTPUT.manifest), store.get(OUTPUT.failure)) == before


def test_the_end_is_the_last_write() -> None:
    runtime, store, head = world()
    written: list[str] = []
    watched = MemoryStore(on_created=lambda loc: written.append(loc.key))
    for info in store.list(Loc("work", "")):
        watched.put(Loc("work", info.key), store.get(Loc("work", info.key)))
    written.clear()
    conclude(Runtime(**{**vars(runtime), "store": watched}), KEYS, head, Verdict(outcome="success"))
    assert written == [KEYS.run_done.key, "_manifest.json", "_SUCCESS"]


def test_the_first_failure_of_each_task() -> None:
    found = first_failures([failure(1, 2), failure(0, 1), failure(1, 0), failure(0, 3)])
    assert [(item.task, item.attempt) for item in found] == [(0, 1), (1, 0)]


def test_failed_tells_the_reason_its_traceback_and_a_few_others() -> None:
    failures = tuple(failure(task, detail=f"trace {task}") for task in range(9))
    text = failure_text(KEYS, Verdict(outcome="failed", reason="map task 3: error 3.0", failures=failures))
    lines = text.splitlines()
    assert lines[0] == "job job, run run failed: map task 3: error 3.0"
    assert lines[1] == "trace 3"
    assert "map task 0, attempt 0: error 0.0" in text
    assert "and 4 more tasks; _manifest.json lists them all" in text
    assert (
        failure_text(KEYS, Verdict(outcome="failed", reason="none known"))
        == "job job, run run failed: none known\n"
    )


def test_all_failures_are_in_the_manifest() -> None:
    runtime, store, head = world()
    failures = tuple(failure(task) for task in range(9))
    conclude(runtime, KEYS, head, Verdict(outcome="failed", reason="r", failures=failures))
    assert [item["task"] for item in json.loads(store.get(OUTPUT.manifest))["failures"]] == list(range(9))
