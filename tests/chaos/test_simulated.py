"""The simulated cloud: a kill at every call of every handler, one at a time; then many faults at once, at random.

`make chaos` runs all of it; otherwise a sample. With `SHUFFLE_LEVELS=2` in the environment every case has two levels of
shuffle. The output is the calm run's bytes, always.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from functools import cache

import pytest

from chalicelib.functions.supervision.stalled_runs import QUIET
from tests.chaos.grammar import odd_results, odd_work
from tests.chaos.sites import Sites
from tests.chaos.table import faults, render
from tests.worlds.simulated import CASES, FORCED, LIKELY, Cloud, Troubled, mixture
from tests.worlds.simulation import SCRATCH

FULL = os.environ.get("CHAOS") == "full"
SEEDS = range(1000 if FULL else 36)


def run_of(cloud: Cloud, key: str) -> str:
    """The run that one input object started."""
    plans = [name for name in cloud.names() if name.startswith("work/") and name.endswith("/plan.json")]
    (found,) = {name.split("/")[3] for name in plans if f"in/data/{key}".encode() in cloud.objects()[name]}
    return found


def results(cloud: Cloud, run: str) -> dict[str, bytes]:
    prefix = f"out/{run}/"
    return {
        name.removeprefix(prefix): body for name, body in cloud.objects().items() if name.startswith(prefix)
    }


def main_run(cloud: Cloud, name: str) -> str:
    """The run that a case is about."""
    if CASES[name].fails and not any(key.endswith("/plan.json") for key in cloud.names()):
        (run,) = {
            key.split("/")[1] for key in cloud.names() if key.startswith("out/")
        }  # refused: it has no plan
        return run
    return run_of(cloud, CASES[name].starts)


@cache
def calm(name: str) -> Cloud:
    cloud = Cloud(CASES[name], SCRATCH)
    CASES[name].begin(cloud)
    cloud.run()
    return cloud


def figures(manifest: bytes) -> list[object]:
    """What a manifest says that may not depend on how often anything was done."""
    document = json.loads(manifest)
    parts = [(part["key"], part["bytes"], part["records"]) for part in document["parts"]]
    told = [document.get(name) for name in ("outcome", "records", "bytes", "inputs", "input_bytes", "bad")]
    return [*told, document["mapped"]["records_in"], document.get("counters"), parts]


def check(cloud: Cloud, name: str) -> None:
    run = main_run(cloud, name)
    found, quiet = results(cloud, run), results(calm(name), run)
    assert found.keys() == quiet.keys(), (sorted(found), cloud.errors[-1:])
    same = [key for key in quiet if key.startswith("part-")]
    assert {key: found[key] for key in same} == {key: quiet[key] for key in same}
    root = f"work/runs/job/{run}/"
    assert odd_work(root, [key for key in cloud.names() if key.startswith(root)]) == []
    assert odd_results("", found) == []
    if CASES[name].fails:
        assert any(why in found["_FAILED"].decode() for why in (CASES[name].fails, "said the test"))
        assert json.loads(found["_manifest.json"])["outcome"] == "failed"
        return
    assert "_SUCCESS" in found
    assert figures(found["_manifest.json"]) == figures(quiet["_manifest.json"])
    assert bad_records(cloud, run) == bad_records(calm(name), run)


def bad_records(cloud: Cloud, run: str) -> list[tuple[str, int]]:
    """Where the bad records came from that the manifest lists."""
    manifest = json.loads(results(cloud, run)["_manifest.json"])
    lists = [cloud.objects()[f"work/{key}"] for key in manifest.get("quarantine", ())]
    records = [json.loads(line) for body in lists for line in body.splitlines()]
    return sorted((record["source"], record["offset"] or 0) for record in records)


@pytest.mark.parametrize("name", CASES)
def test_the_calm_runs_are_right(name: str) -> None:
    cloud = calm(name)
    check(cloud, name)
    if CASES[name].fails:
        return
    found = results(cloud, main_run(cloud, name))
    text = b"".join(body for key, body in sorted(found.items()) if key.startswith("part-"))
    rows = [line.partition("\t") for line in text.decode().splitlines()]
    assert {key: cell for key, _, cell in rows} == CASES[name].expected()
    assert len(rows) == len(CASES[name].expected())
    assert cloud.errors == []


# ---------------------------------------------------------------------------------------------------
# One kill at a time


@pytest.fixture(scope="module")
def sites() -> Iterator[Sites]:
    found = Sites()
    yield found
    print(f"\n{found}")


@pytest.mark.parametrize("name", CASES)
def test_a_kill_at_any_call_changes_nothing(name: str, sites: Sites) -> None:
    """Before and after it; in a sample, only the first call that comes from a place in the code."""
    for number in sites.calls_of(CASES[name], SCRATCH, every=FULL):
        for before in (True, False):
            cloud = Cloud(CASES[name], SCRATCH, kill_at=[number], before=before)
            CASES[name].begin(cloud)
            cloud.run()
            assert len(cloud.killed) == 1, f"call {number}"
            check(cloud, name)
            sites.killed += 1


@pytest.mark.skipif(FORCED, reason="no run is a small one then")
def test_every_call_in_the_code_of_the_handlers_was_one_of_these(sites: Sites) -> None:
    for case in CASES.values():
        sites.calls_of(case, SCRATCH, every=FULL)
    assert sites.unmet() == []


# ---------------------------------------------------------------------------------------------------
# Many faults at once


class Totals:
    def __init__(self) -> None:
        self.injected: Counter[str] = Counter()
        self.runs: Counter[str] = Counter()
        self.again: Counter[str] = Counter()

    def __str__(self) -> str:
        rows = [(name, self.runs[name], self.again[name]) for name in CASES]
        head = ["simulated cloud", "runs with the calm run's bytes", "picked up by the next event"]
        return render(head, rows) + "\n" + faults(self.injected)


@pytest.fixture(scope="module")
def totals() -> Iterator[Totals]:
    found = Totals()
    yield found
    print(f"\n{found}")
    if found.runs.total() == len(SEEDS):
        assert found.injected.keys() == LIKELY.keys(), "a kind of fault was never met"


@pytest.mark.parametrize("seed", SEEDS)
def test_any_faults_at_once_leave_the_bytes_as_they_are(seed: int, totals: Totals) -> None:
    name = list(CASES)[seed % len(CASES)]
    cloud = Troubled(CASES[name], SCRATCH, seed, mixture(seed))
    CASES[name].begin(cloud)
    cloud.run()
    if not results(cloud, main_run(cloud, name)).keys() & {"_SUCCESS", "_FAILED"}:
        # All deliveries were used up, or dropped: the job's next event finds the run.
        cloud.calm()
        cloud.time += QUIET + 1
        cloud.drop("c.txt" if CASES[name].starts == "a.txt" else "c.manifest", b"")
        cloud.run()
        totals.again[name] += 1
    check(cloud, name)
    totals.injected += cloud.injected
    totals.runs[name] += 1
