"""What a clock starts: functions, roles and rules for the jobs that ask for them, and nothing for the others."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest

from chalicelib.core.ports import Loc
from chalicelib.run.periods.keys import PeriodKeys
from scripts.deployment.aws.account import Account
from scripts.deployment.aws.clients import connect
from scripts.deployment.aws.functions import Functions
from scripts.deployment.lifecycle import lifecycle_rules
from scripts.deployment.planner import plan_deletion, plan_deployment
from scripts.deployment.policies import policies
from scripts.deployment.project import Project
from scripts.deployment.stage import stage_config
from scripts.deployment.steps import ConfigureFunction, Remove, RunChalice
from scripts.deployment.survey import FunctionState
from scripts.deployment.target import FUNCTIONS, Target, clock_rule, sluice_function
from tests.unit.scripts.deployment.test_planner import deployed, empty
from tests.unit.scripts.deployment.world import arn, target
from tests.unit.scripts.test_policies import allowed

RULE = "sluice-tally-scheduler-event"
BOTH = {"trigger": "every 15m", "audit": 3600}


def chalice_step(job: Target, survey: Any) -> RunChalice:
    (step,) = [step for step in plan_deployment(job, survey, 7) if isinstance(step, RunChalice)]
    return step


def test_only_jobs_that_ask_for_clocks_have_their_functions(tmp_path: Path) -> None:
    plain, both = target(), target(**BOTH)
    assert plain.functions == FUNCTIONS
    assert both.functions == (*FUNCTIONS, "scheduler", "auditor")
    assert set(stage_config(plain)["lambda_functions"]) == set(policies(plain)) == set(FUNCTIONS)
    assert set(stage_config(both)["lambda_functions"]) == set(policies(both)) == set(both.functions)
    assert "periods" not in json.dumps(policies(plain))
    project = Project(tmp_path)
    for job, number in ((both, 6), (plain, 4)):
        project.write_stage("tally", stage_config(job), policies(job))
        assert len(list((tmp_path / ".chalice").glob("policy-tally-*"))) == number
        assert set(project.policies("tally")) == set(job.functions)


def test_a_dry_run_tells_of_rules_and_functions() -> None:
    step = chalice_step(target(**BOTH), empty())
    assert f"  rule {RULE}: create, rate(15 minutes)" in step.lines
    assert "  rule sluice-tally-auditor-event: create, rate(60 minutes)" in step.lines
    assert any(
        line.startswith("  function sluice-tally-scheduler: create, memory 512 MB") for line in step.lines
    )
    other = chalice_step(target(trigger="every 1m"), empty(clocks={RULE: "rate(15 minutes)"}))
    assert f"  rule {RULE}: rate(15 minutes) -> rate(1 minute)" in other.lines
    same = chalice_step(target(**BOTH), empty(clocks={RULE: "rate(15 minutes)"}))
    assert not [line for line in same.lines if RULE in line]
    unknown = chalice_step(target(**BOTH), empty(clocks={RULE: None}))
    assert f"  rule {RULE}: set -> rate(15 minutes)" in unknown.lines
    assert not [line for line in chalice_step(target(), empty()).lines if "rule " in line]


def test_the_supervisor_is_told_what_a_clock_s_function_has_failed_on() -> None:
    steps = plan_deployment(target(**BOTH), empty(), 7)
    (scheduler,) = [
        step
        for step in steps
        if isinstance(step, ConfigureFunction) and step.function == "sluice-tally-scheduler"
    ]
    assert (scheduler.on_failure, scheduler.recursion) == (arn("sluice-tally-supervisor"), "Terminate")
    for name, may in (("scheduler", True), ("auditor", True), ("coordinator", False)):
        document = policies(target(**BOTH))["supervisor"]
        key = f"arn:aws:s3:::scratch/sluice/clocks/tally/{name}.failed"
        assert allowed(document, "s3:PutObject", key) is may
        assert not allowed(policies(target())["supervisor"], "s3:PutObject", key)
    assert sluice_function(arn(scheduler.function)) == scheduler.function


def test_what_the_job_no_longer_asks_for_goes_the_rule_first() -> None:
    found = deployed(target())
    found = replace(
        found,
        functions={**found.functions, "sluice-tally-scheduler": FunctionState()},
        clocks={RULE: "rate(15 minutes)"},
    )
    for steps in (plan_deployment(target(), found, 7), plan_deletion("tally", None, found)):
        gone = [
            (step.kind, step.name) for step in steps if isinstance(step, Remove) and "scheduler" in step.name
        ]
        assert gone == [
            ("rule", RULE),
            *((kind, "sluice-tally-scheduler") for kind in ("function", "role", "logs")),
        ]
    kept = plan_deployment(target(**BOTH), found, 7)
    assert not [step for step in kept if isinstance(step, Remove)]


def test_chalice_deletes_clocks_of_which_its_record_knows() -> None:
    found = deployed(target())
    functions = {**found.functions, "sluice-tally-scheduler": FunctionState()}
    resources = [*found.record["resources"], {"resource_type": "cloudwatch_event", "rule_name": RULE}]
    for record, whole in (({"resources": resources}, True), (found.record, False)):
        steps = plan_deletion("tally", None, replace(found, functions=functions, record=record))
        assert any(isinstance(step, RunChalice) for step in steps) is whole


def test_a_rule_is_looked_at_and_removed_with_its_target(account: Any) -> None:
    clients = connect()
    assert Account(clients).clock(RULE) == ""
    assert not Functions(clients).remove("rule", RULE)
    events = boto3.client("events")
    events.put_rule(Name=RULE, ScheduleExpression="rate(15 minutes)")
    events.put_targets(Rule=RULE, Targets=[{"Id": "1", "Arn": arn("sluice-tally-scheduler")}])
    assert Account(clients).clock(RULE) == "rate(15 minutes)"
    assert Functions(clients).remove("rule", RULE)
    assert Account(clients).clock(RULE) == ""


def test_the_longest_names_fit() -> None:
    assert len(clock_rule("a" * 32, "scheduler")) <= 64


def test_lists_of_periods_expire_with_the_runs_and_the_record_stays() -> None:
    job = target(trigger="every 15m")
    keys = PeriodKeys(job.spec.work_loc, "tally")
    expiring = [
        Loc("scratch", rule["Filter"]["Prefix"])
        for rule in lifecycle_rules(job, "scratch", 7)
        if "Expiration" in rule
    ]
    assert keys.all_given in expiring
    for kept in (keys.pointer, keys.all_taken):
        assert not [place for place in expiring if kept.key.startswith(place.key)]


@pytest.mark.parametrize(
    ("action", "key", "may"),
    [
        ("s3:GetObject", "data/tally/a.csv", False),
        ("s3:PutObject", "data/tally/x.manifest", False),
        ("s3:PutObject", "scratch/sluice/periods/tally/pointer.json", True),
        ("s3:PutObject", "scratch/sluice/periods/tally/taken/0000000001.t", True),
        ("s3:DeleteObject", "scratch/sluice/periods/tally/pointer.json", False),
        ("s3:DeleteObject", "scratch/sluice/periods/tally/given/0000000001.period", False),
        ("s3:DeleteObject", "scratch/sluice/periods/tally/given/0000000001.t.objects", False),
        ("s3:PutObject", "scratch/sluice/periods/other/pointer.json", False),
        ("s3:PutObject", "scratch/sluice/runs/tally/r/plan.json", False),
        ("s3:GetObject", "scratch/sluice/runs/tally/r/plan.json", False),
    ],
)
def test_a_scheduler_may_write_its_record_and_little_else(action: str, key: str, may: bool) -> None:
    document = policies(target(trigger="every 15m"))["scheduler"]
    assert allowed(document, action, f"arn:aws:s3:::{key}") is may


def test_no_other_function_writes_what_was_taken() -> None:
    documents = policies(target(**BOTH))
    for function in (*FUNCTIONS, "auditor"):
        for name in ("pointer.json", "taken/0000000001.t", "given/0000000001.period"):
            key = f"arn:aws:s3:::scratch/sluice/periods/tally/{name}"
            assert not allowed(documents[function], "s3:PutObject", key), (function, name)
