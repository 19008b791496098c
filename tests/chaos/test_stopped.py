"""A run that is stopped: at each call of the store and the invoker, one at a time, in jobs of every kind.

Behind the verdict nothing is committed, `_SUCCESS` never comes, and everything ends by itself. `make chaos` stops at
every call; otherwise only at the first from each place in the code.
"""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from chalicelib.core.keys import RunKeys, parse_done, parse_run_key
from chalicelib.core.tasks import STOPPED
from chalicelib.functions.stop import stop
from chalicelib.run.status.runs import list_runs
from tests.chaos.grammar import odd_results, odd_work
from tests.chaos.sites import Sites
from tests.worlds.simulated import CASES, Cloud
from tests.worlds.simulation import SCRATCH, WORK, Killed

FULL = os.environ.get("CHAOS") == "full"
#: Those that fail by themselves are over too soon to be worth it, as are those of which a second run is another.
RUNS = [name for name, case in CASES.items() if not case.fails and not case.stands]
WHO = "alice"


class Stopping:
    """A cloud in which the run is stopped at one call; `killed` is the call of the stop's own that is its last.

    `crowded`: before each call of the stop's own the run goes on by an invocation.
    """

    def __init__(self, name: str, number: int, killed: int | None = None, *, crowded: bool = False) -> None:
        self.cloud = Cloud(CASES[name], SCRATCH)
        self.keys: RunKeys | None = None
        self.outcome = ""
        self.calls = 0
        self._killed, self._crowded = killed, crowded
        #: What was committed when the verdict was there.
        self.committed: set[str] = set()
        self.cloud.at_call(number, self._stop)
        CASES[name].begin(self.cloud)
        self.cloud.run()

    def _stop(self) -> None:
        found = list_runs(self.cloud.memory, WORK)
        if not found:
            return
        self.keys = found[0]
        try:
            _, verdict = stop(_Counted(self), self.keys, WHO, "too dear", self.cloud.time)  # type: ignore[arg-type]
            self.outcome = verdict.outcome
        except Killed:
            self.outcome = "killed"
        self.committed = committed(self.cloud)

    def call(self) -> None:
        self.calls += 1
        if self._crowded:
            self.cloud.pause(0.0)
        if self.calls == self._killed:
            raise Killed


class _Counted:
    """The store, whose every request may be the last of whoever stops."""

    parallel_reads = 0

    def __init__(self, stopping: Stopping) -> None:
        self._stopping = stopping

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._stopping.cloud.memory, name)

        def request(*args: Any, **kwargs: Any) -> Any:
            self._stopping.call()
            return method(*args, **kwargs)

        return request


def committed(cloud: Cloud) -> set[str]:
    """Markers that commit a task, and plans: all that a run's result may come of."""
    found = set()
    for name, body in cloud.objects().items():
        bucket, _, key = name.partition("/")
        parsed = parse_run_key(bucket, key)
        if bucket != "work" or parsed is None:
            continue
        if parse_done(parsed[1]) is not None and f'"token":"{STOPPED}"'.encode() not in body:
            found.add(name)
        if name.endswith("plan.json") and b'"stopped":true' not in body[: body.find(b"\n") + 1 or None]:
            found.add(name)
    return found


def check_stopped(stopped: Stopping, *, sealed: bool = True) -> None:
    cloud, keys = stopped.cloud, stopped.keys
    assert keys
    results = {key.partition("/")[2]: key for key in cloud.names() if key.startswith(f"out/{keys.run}/")}
    found = {name.partition("/")[2]: cloud.objects()[key] for name, key in results.items()}
    assert "_SUCCESS" not in found, sorted(found)
    assert f"stopped by {WHO}: too dear" in found["_FAILED"].decode()
    manifest = json.loads(found["_manifest.json"])
    assert (manifest["outcome"], manifest["parts"]) == ("failed", [])
    assert cloud.errors == []
    if sealed:
        assert committed(cloud) <= stopped.committed
    root = keys.run_root.key
    assert odd_work(f"work/{root}", [key for key in cloud.names() if key.startswith(f"work/{root}")]) == []
    assert odd_results("", found) == []


@pytest.fixture(scope="module")
def sites() -> Sites:
    return Sites()


@pytest.mark.parametrize("name", RUNS)
def test_nothing_is_committed_behind_the_verdict_wherever_a_run_is_stopped(name: str, sites: Sites) -> None:
    ended = set()
    for number in sites.calls_of(CASES[name], SCRATCH, every=FULL):
        stopped = Stopping(name, number)
        ended.add(stopped.outcome)
        if stopped.outcome == "failed":
            check_stopped(stopped)
        else:  # it had not begun, or was over
            assert any(key.endswith("/_SUCCESS") for key in stopped.cloud.names()), number
    assert ended <= {"", "failed", "success"}
    assert "failed" in ended or not ended - {"", "success"}


@pytest.mark.parametrize("name", ["words", "two steps", "rows alone", "small, several reducers", "all twice"])
def test_the_run_goes_on_while_it_is_being_stopped(name: str) -> None:
    """Whatever comes between two requests of the stop: once it has returned, nothing is committed any more."""
    calm = Cloud(CASES[name], SCRATCH)
    CASES[name].begin(calm)
    calm.run()
    ended = set()
    for number in range(1, calm.calls, 1 if FULL else 17):
        stopped = Stopping(name, number, crowded=True)
        ended.add(stopped.outcome)
        if stopped.outcome == "failed":
            check_stopped(stopped)
    assert "failed" in ended


@pytest.mark.parametrize("name", ["words", "two steps", "small"])
def test_whoever_stops_a_run_may_die_at_any_moment(name: str) -> None:
    """Before the verdict the run goes on as if nothing had been; behind it others end the run."""
    middle = Stopping(name, 30 if name != "small" else 12)
    assert middle.outcome == "failed"
    decided = set()
    for number in range(1, middle.calls + 1):
        stopped = Stopping(name, 30 if name != "small" else 12, killed=number)
        names = stopped.cloud.names()
        assert stopped.outcome == "killed"
        decided.add(any(key.endswith("/_FAILED") for key in names))
        if any(key.endswith("/_SUCCESS") for key in names):
            assert decided == {False}, number
        else:
            check_stopped(stopped, sealed=False)
    assert decided == {False, True}


def test_a_second_stop_goes_on_where_the_first_one_died() -> None:
    stopped = Stopping("words", 30, killed=6)
    assert stopped.keys
    plan, verdict = stop(stopped.cloud.memory, stopped.keys, "bob", "", stopped.cloud.time)
    assert verdict.stopped
    assert verdict.stopped.by == WHO
    assert plan.tasks
    missing = [
        task for task in range(plan.tasks)
        if f"work/{stopped.keys.done('map', task).key}" not in stopped.cloud.names()
    ]  # fmt: skip
    assert missing == []


def test_user_code_is_not_begun_any_more() -> None:
    """Sub-trees that wait to be called read in the plan that they need not begin, and nothing is retried."""
    calm = Cloud(CASES["words"], SCRATCH)
    CASES["words"].begin(calm)
    calm.run()
    begun = next(number for number in range(1, calm.calls) if Stopping("words", number).outcome == "failed")
    stopped = Stopping("words", begun)
    assert not any(key.endswith((".run", ".overtaken", ".failed")) for key in stopped.cloud.names())
    assert stopped.cloud.invocations["mapper"] == calm.invocations["mapper"]
    assert stopped.cloud.calls < calm.calls / 2
