"""What a plan says of its step: its role, where its parts go, and the JSON names that a run's other half may read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.core.messages import Stats, decode, encode
from chalicelib.core.plan import Earlier, Plan, Role
from chalicelib.core.ports import Loc
from chalicelib.core.spec import BadRecordsSpec
from chalicelib.core.totals import TotalsPlan
from tests.worlds.simulation import spec

OUTPUT = Loc("out", "o/run/")
BEFORE = Earlier(
    inputs=1, bytes=9, map_tasks=2, reduce_tasks=1, mapped=Stats(), reduced=Stats(), started=1.0, finished=2.0
)


def plan(**figures: Any) -> Plan:
    return Plan(
        **{
            "job": "job", "run": "run", "token": "t", "source": "s3://in/a", "head": 0, "spec": spec(),
            "work": Loc("work", "w/"), "output": OUTPUT, "partitions": 4, "tasks": 0, "page": 32, "pages": (),
            "inputs": 1, "bytes": 9, "created": 1.5, "code": "c",
        }
        | figures
    )  # fmt: skip


@pytest.mark.parametrize(
    ("merge_step", "steps", "roles"),
    [
        (0, 1, ["work"]),
        (0, 3, ["work", "work", "work"]),
        (1, 3, ["states", "merge", "render"]),
        (2, 4, ["work", "states", "merge", "render"]),
        (3, 6, ["work", "work", "states", "merge", "render", "render"]),
    ],
)
def test_each_of_the_job_s_steps_has_a_role(merge_step: int, steps: int, roles: list[Role]) -> None:
    plans = [plan(merge_step=merge_step, steps=steps, job_step=number) for number in range(steps)]
    assert [one.role for one in plans] == roles
    assert [one.last_step for one in plans] == [False] * (steps - 1) + [True]
    assert {one.accumulates for one in plans} == {merge_step > 0}


def test_a_merge_done_again_is_another_step_of_the_run_and_the_same_of_the_job() -> None:
    merge = plan(steps=3, merge_step=1, step=1, job_step=1, tasks=7)
    again = merge.next_step(1, BEFORE)
    assert (again.step, again.job_step, again.role, again.tasks) == (2, 1, "merge", 0)
    assert again.earlier == BEFORE
    assert again.where == "step 2 of 3: "


def test_parts_go_to_the_results_the_next_step_or_the_totals() -> None:
    totals = TotalsPlan(etag="e", generation=12)
    states = plan(steps=3, merge_step=1)
    merge = plan(steps=3, merge_step=1, step=3, job_step=1, totals=totals)
    render = plan(steps=3, merge_step=1, step=4, job_step=2, totals=totals)
    assert states.results == Loc("work", "w/runs/job/run/step-1/input/")
    assert merge.results == Loc("work", "w/totals/job/states/0000000012.run.3/")
    assert render.results == plan().results == OUTPUT


def test_between_steps_there_are_typed_pairs() -> None:
    job = spec(input={"format": "csv", "header": True}, output={"format": "jsonl"})
    steps = [plan(spec=job, steps=3, step=number, job_step=number).own_spec for number in range(3)]
    assert [step.input.format for step in steps] == ["csv", "pairs", "pairs"]
    assert [step.output.format for step in steps] == ["pairs", "pairs", "jsonl"]


def test_a_merge_sets_no_state_aside() -> None:
    job = spec(bad_records=BadRecordsSpec(policy="quarantine", max=3))
    policies = [
        plan(spec=job, steps=3, merge_step=1, step=number, job_step=number).own_spec.bad_records.policy
        for number in range(3)
    ]
    assert policies == ["quarantine", BadRecordsSpec().policy, "quarantine"]


def test_the_stored_names_stay() -> None:
    """Another version of Sluice may have begun the run, or may finish it."""
    whole = plan(steps=3, merge_step=1, step=3, job_step=2)
    stored = json.loads(encode(whole))
    assert {name: stored[name] for name in ("step", "steps", "nth", "own_steps")} == {
        "step": 3, "steps": 3, "nth": 2, "own_steps": 1,
    }  # fmt: skip
    assert list(stored) == [
        "job", "run", "token", "source", "head", "spec", "work", "output", "step", "steps", "nth", "own_steps",
        "loops", "round", "rounds",
        "totals", "map_only", "earlier", "partitions", "reducers", "tasks", "page", "pages", "inputs", "bytes",
        "bounds", "sql", "files", "created", "code", "chain", "stopped", "small", "exchange",
    ]  # fmt: skip
    assert decode(Plan, encode(whole), "") == whole


def test_a_plan_from_before_there_were_steps_is_read() -> None:
    stored = json.loads(encode(plan()))
    for name in (
        "step",
        "steps",
        "nth",
        "own_steps",
        "totals",
        "map_only",
        "earlier",
        "reducers",
        "files",
        "chain",
    ):
        del stored[name]
    assert decode(Plan, json.dumps(stored).encode(), "") == plan()
