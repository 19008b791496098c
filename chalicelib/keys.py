"""Every object key, built and parsed here and nowhere else.

<work>/runs/<job>/<run>/plan.json              the plan: inputs, etags, splits, configuration
<work>/runs/<job>/<run>/plan.done              the map tree's root was invoked
<work>/runs/<job>/<run>/map/000042.0.9f3c.run  sorted partitions of task 42, attempt 0, execution 9f3c
<work>/runs/<job>/<run>/map/000042.done        commit marker (conditional)
<work>/runs/<job>/<run>/map/000042.1.failed    why attempt 1 failed
<work>/runs/<job>/<run>/map/000042.0.9f3c.next where an attempt out of time goes on
<work>/runs/<job>/<run>/quarantine/map-000042.0.9f3c.jsonl  bad records of task 42
<work>/runs/<job>/<run>/reduce/lease           who supervises
<work>/runs/<job>/<run>/reduce/plan.json       reduce tasks
<work>/runs/<job>/<run>/reduce/index           one slice of the shuffle index for each reduce task
<work>/runs/<job>/<run>/reduce/started         the reduce tree's root was invoked
<work>/runs/<job>/<run>/reduce/00007.0.7b1e.next, .piece  an attempt out of time, and what it wrote
<work>/runs/<job>/<run>/reduce/00007.done      commit marker (conditional)
<work>/runs/<job>/<run>/run.done               the verdict: success or failure, once and for all
<output>/<run>/part-00007.tsv                  results; in a local folder <output> alone
<output>/<run>/_manifest.json, _SUCCESS | _FAILED
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from .ports import Loc

Phase = Literal["map", "reduce"]

RUNS = "runs/"
DONE = ".done"
FAILED = ".failed"
PLAN = "plan.json"
PLAN_DONE = "plan.done"
RUN_DONE = "run.done"
SUCCESS = "_SUCCESS"
FAILURE = "_FAILED"
MANIFEST = "_manifest.json"

_RUN_KEY = re.compile(r"(?:^|.*/)runs/(?P<job>[A-Za-z0-9_-]+)/(?P<run>[A-Za-z0-9._-]+)/(?P<rest>.+)$")
_MARKER = re.compile(r"(?P<task>\d+)\.done$")
_FAILURE = re.compile(r"(?P<task>\d+)\.(?P<attempt>\d+)\.failed$")
_NEXT = re.compile(r"(?P<task>\d+)\.(?P<attempt>\d+)\.(?P<token>[A-Za-z0-9]+)\.next$")
_QUARANTINED = re.compile(r"(?P<phase>map|reduce)-(?P<task>\d+)\.(?P<attempt>\d+)\.[A-Za-z0-9]+\.jsonl$")
_RUN_FILE = re.compile(r"(?P<task>\d+)\.(?P<attempt>\d+)\.(?P<token>[A-Za-z0-9]+)\.run$")

_QUARANTINE = "quarantine/"

#: Digits of a task's number in its keys, so that listings come in task order.
_WIDTH = {"map": 6, "reduce": 5}


@dataclass(frozen=True)
class RunKeys:
    """The places of one run's objects. `work` is the work prefix, ending in `/` or empty."""

    work: Loc
    job: str
    run: str

    @property
    def root(self) -> Loc:
        return self.work.child(f"{RUNS}{self.job}/{self.run}/")

    @property
    def plan(self) -> Loc:
        return self.root.child(PLAN)

    @property
    def plan_done(self) -> Loc:
        return self.root.child(PLAN_DONE)

    @property
    def run_done(self) -> Loc:
        return self.root.child(RUN_DONE)

    @property
    def lease(self) -> Loc:
        return self.root.child("reduce/lease")

    @property
    def reduce_plan(self) -> Loc:
        return self.root.child("reduce/plan.json")

    @property
    def reduce_started(self) -> Loc:
        return self.root.child("reduce/started")

    @property
    def reduce_index(self) -> Loc:
        return self.root.child("reduce/index")

    def phase(self, phase: Phase) -> Loc:
        """The prefix under which the markers of a phase are counted."""
        return self.root.child(f"{phase}/")

    def done(self, phase: Phase, task: int) -> Loc:
        return self.phase(phase).child(f"{task:0{_WIDTH[phase]}d}{DONE}")

    def failed(self, phase: Phase, task: int, attempt: int) -> Loc:
        return self.phase(phase).child(f"{task:0{_WIDTH[phase]}d}.{attempt}{FAILED}")

    def following(self, phase: Phase, task: int, attempt: int, token: str) -> Loc:
        """Where an attempt that ran out of time leaves what its next invocation must know."""
        return self.phase(phase).child(f"{task:0{_WIDTH[phase]}d}.{attempt}.{token}.next")

    def piece(self, task: int, attempt: int, token: str) -> Loc:
        """A stretch of a part, of an attempt that ran out of time."""
        return self.phase("reduce").child(f"{task:0{_WIDTH['reduce']}d}.{attempt}.{token}.piece")

    def quarantine(self, phase: Phase, task: int, attempt: int, token: str) -> Loc:
        """The bad records that one attempt set aside."""
        name = f"{phase}-{task:0{_WIDTH[phase]}d}.{attempt}.{token}.jsonl"
        return self.quarantined.child(name)

    @property
    def quarantined(self) -> Loc:
        """The prefix of all that was set aside."""
        return self.root.child(_QUARANTINE)

    def run_file(self, task: int, attempt: int, token: str) -> Loc:
        return self.phase("map").child(f"{task:0{_WIDTH['map']}d}.{attempt}.{token}.run")


def results_place(output: Loc, run: str) -> Loc:
    """Where a run's results are under its job's output place."""
    return output.child(f"{run}/")


def runs_prefix(work: Loc, job: str = "") -> Loc:
    """The prefix of all runs of `job`, or of all jobs."""
    return work.child(f"{RUNS}{job}/" if job else RUNS)


def parse_run_key(bucket: str, key: str) -> tuple[RunKeys, str] | None:
    """The run a work object belongs to, and its key within the run; None if it is not one of ours."""
    found = _RUN_KEY.match(key)
    if not found:
        return None
    tail = f"{RUNS}{found['job']}/{found['run']}/{found['rest']}"
    work = Loc(bucket, key[: -len(tail)])
    return RunKeys(work, found["job"], found["run"]), found["rest"]


def parse_done(key: str) -> int | None:
    """The task whose marker `key` is."""
    found = _MARKER.search(key.rpartition("/")[2])
    return int(found["task"]) if found else None


def parse_failed(key: str) -> tuple[int, int] | None:
    """(task, attempt) of a failure marker."""
    found = _FAILURE.search(key.rpartition("/")[2])
    return (int(found["task"]), int(found["attempt"])) if found else None


def parse_following(key: str) -> tuple[int, str] | None:
    """(task, token) of the object that an attempt out of time left."""
    found = _NEXT.search(key.rpartition("/")[2])
    return (int(found["task"]), found["token"]) if found else None


def parse_quarantined(key: str) -> tuple[Phase, int] | None:
    """(phase, task) of the bad records that one attempt set aside."""
    found = _QUARANTINED.search(key.rpartition("/")[2])
    return ("map" if found["phase"] == "map" else "reduce", int(found["task"])) if found else None


def parse_run_file(key: str) -> tuple[int, int, str] | None:
    """(task, attempt, token) of a run file."""
    found = _RUN_FILE.search(key.rpartition("/")[2])
    return (int(found["task"]), int(found["attempt"]), found["token"]) if found else None


@dataclass(frozen=True)
class OutputKeys:
    """The places of one run's results under `prefix` (which ends in `/`, or is empty)."""

    prefix: Loc

    def part(self, number: int, extension: str) -> Loc:
        return self.prefix.child(f"part-{number:05d}.{extension}")

    @property
    def manifest(self) -> Loc:
        return self.prefix.child(MANIFEST)

    @property
    def success(self) -> Loc:
        return self.prefix.child(SUCCESS)

    @property
    def failure(self) -> Loc:
        return self.prefix.child(FAILURE)
