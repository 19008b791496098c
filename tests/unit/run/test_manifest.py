"""The manifest is a function of verdict and markers; what `_FAILED` tells."""

from __future__ import annotations

import json

from msgspec.structs import replace

from chalicelib.core.messages import Stats, decode, encode
from chalicelib.core.outcome import Manifest, Verdict
from chalicelib.core.tasks import Part, ReduceMarker, ReducePlan, ReduceTask
from chalicelib.run.manifest import failure_text, publish, step_results
from tests.unit.run.test_verdict import KEYS, OUTPUT, ends, failure, world


def test_publishing_again_writes_the_same() -> None:
    runtime, store, head = world()
    verdict = Verdict(outcome="failed", reason="why", failures=(failure(0),))
    publish(runtime.store, KEYS, head, verdict)
    before = store.get(OUTPUT.manifest), store.get(OUTPUT.failure)
    publish(runtime.store, KEYS, head, verdict)
    assert (store.get(OUTPUT.manifest), store.get(OUTPUT.failure)) == before


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
    publish(runtime.store, KEYS, head, Verdict(outcome="failed", reason="r", failures=failures))
    assert [item["task"] for item in json.loads(store.get(OUTPUT.manifest))["failures"]] == list(range(9))


def test_a_manifest_adds_up_what_all_tasks_did() -> None:
    runtime, store, head = world()
    task = ReduceTask(first=0, last=1, bytes=1, index_start=0, index_stop=1)
    mapped = ReducePlan(
        tasks=(task,) * 2, mapped=Stats(records_in=9), counters={"m": 1, "both": 2}, bad=1, quarantine=("q",),
        map_started=1.0, map_finished=2.0,
    )  # fmt: skip
    store.put(KEYS.reduce_plan, encode(mapped))
    for number in range(2):
        marker = ReduceMarker(
            task=number, attempt=0, token="t", part=f"p{number}", bytes=10, records=3, stats=Stats(records_in=4),
            counters={"both": 3}, bad=number, quarantine="r" * number, started=3.0, finished=4.0 + number,
        )  # fmt: skip
        store.put(KEYS.done("reduce", number), encode(marker))
    publish(runtime.store, KEYS, head, Verdict(outcome="success"))
    found = decode(Manifest, store.get(OUTPUT.manifest), "here")
    assert found.parts == (Part(key="p0", bytes=10, records=3), Part(key="p1", bytes=10, records=3))
    assert (found.records, found.bytes, found.reduce_tasks, found.finished) == (6, 20, 2, 5.0)
    assert (found.counters, found.bad, found.quarantine) == ({"m": 1, "both": 8}, 2, ("q", "r"))
    assert (found.mapped, found.reduced) == (Stats(records_in=9), Stats(records_in=8))
    parts, earlier = step_results(store, KEYS, head)
    later = replace(head, earlier=earlier)
    assert step_results(store, KEYS, later)[1].reduced == Stats(records_in=16), "steps add up"
    assert parts == found.parts


def test_neither_a_step_before_the_last_nor_an_overtaken_one_ends_a_run() -> None:
    for steps, verdict in ((2, Verdict(outcome="success")), (1, Verdict(outcome="overtaken"))):
        runtime, store, head = world()
        publish(runtime.store, KEYS, replace(head, steps=steps), verdict)
        assert ends(store) == set()
