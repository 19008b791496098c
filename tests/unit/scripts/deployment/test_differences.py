"""What a dry run says of each thing that differs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.core.spec import MemorySpec
from scripts.deployment import differences
from scripts.deployment.lifecycle import lifecycle_rules
from scripts.deployment.policies import policies
from scripts.deployment.stage import stage_config
from scripts.deployment.steps import ConfigureFunction
from scripts.deployment.survey import FunctionState, RoleState
from tests.unit.scripts.deployment.world import arn, target

RUNTIME = "python3.13"
SAME = FunctionState(
    memory=2048, timeout=900, architecture="x86_64", runtime=RUNTIME, variables={"SLUICE_NAME": "tally"}
)


@pytest.mark.parametrize(
    ("old", "told"),
    [
        (None, f"create, memory 2048 MB, timeout 900 s, x86_64, {RUNTIME}"),
        (SAME, "nothing but its code, which is shipped again"),
        (
            FunctionState(memory=1024, timeout=300, architecture="arm64", runtime="python3.9"),
            f"memory 1024 -> 2048 MB, timeout 300 -> 900 s, architecture arm64 -> x86_64, "
            f"runtime python3.9 -> {RUNTIME}, environment SLUICE_NAME",
        ),
    ],
)
def test_a_function(old: FunctionState | None, told: str) -> None:
    assert differences.function(old, stage_config(target()), "mapper", RUNTIME) == told


def test_values_of_variables_are_not_shown() -> None:
    old = FunctionState(variables={"SLUICE_NAME": "tally", "TOKEN": "hunter2"})
    told = differences.function(old, stage_config(target()), "mapper", RUNTIME)
    assert "environment TOKEN" in told
    assert "hunter2" not in told


def test_a_role() -> None:
    policy = policies(target())["mapper"]
    fewer = {"Version": "2012-10-17", "Statement": policy["Statement"][1:]}
    assert differences.role(RoleState(exists=False), policy) == "create, with the policy of its function"
    assert differences.role(RoleState(exists=True, policy=policy), policy) == ""
    assert differences.role(RoleState(exists=True), policy) == "write the policy of its function"
    assert differences.role(RoleState(exists=None), policy) == "write the policy of its function"
    assert differences.role(RoleState(exists=True, policy=fewer), policy) == (
        "allow s3:GetObject on arn:*:s3:::data/tally/* and "
        "s3:GetObject on arn:*:s3:::scratch/sluice/runs/tally/*"
    )
    assert differences.role(RoleState(exists=True, policy=policy), fewer).startswith("no longer allow s3:Get")
    other = [
        {**statement, **({"Condition": {}} if "Condition" in statement else {})}
        for statement in policy["Statement"]
    ]
    same_rights = {**policy, "Statement": other}
    assert differences.role(RoleState(exists=True, policy=same_rights), policy) == (
        "write its policy anew, with other conditions"
    )


def test_a_stage() -> None:
    stage, documents = stage_config(target()), policies(target())
    assert differences.stage(None, stage, {}, documents) == "write it, and 4 policies"
    assert differences.stage(stage, stage, documents, documents) == ""
    larger = stage_config(target(memory=MemorySpec(mapper=3000)))
    assert differences.stage(stage, larger, documents, documents) == "change its settings"
    assert differences.stage(stage, stage, {**documents, "mapper": {}}, documents) == (
        "write the policies of mapper"
    )


def wanted(on_failure: str, **more: Any) -> ConfigureFunction:
    return ConfigureFunction(function="f", recursion="Allow", on_failure=on_failure, **more)


def test_settings_that_chalice_has_none_for() -> None:
    ours, theirs = arn("sluice-tally-supervisor"), "arn:aws:sqs:eu-central-1:123456789012:dead"
    same = FunctionState(recursion="Allow", retries=2, max_age=21_600, on_failure=ours)
    assert differences.settings(same, wanted(ours)) == ""
    other = FunctionState(recursion="Terminate", retries=0, max_age=60, on_failure=theirs)
    assert differences.settings(other, wanted(ours)) == (
        "recursion Terminate -> Allow, retries 0 -> 2, events wait at most 60 -> 21600 s, "
        "failed events go to dead -> sluice-tally-supervisor"
    )
    assert differences.settings(None, wanted(ours)) == (
        "recursion Allow, retries 2, events wait at most 21600 s, failed events go to sluice-tally-supervisor"
    )
    assert differences.settings(replace(same, on_failure=ours.replace("eu-", "us-")), wanted(ours)) == (
        f"failed events go to {ours.replace('eu-', 'us-')} -> {ours}"
    )


def test_lifecycle_rules() -> None:
    ours, foreign = lifecycle_rules(target(), "scratch", 7), {"ID": "archive", "Status": "Enabled"}
    assert differences.lifecycle([foreign, *ours], "tally", ours) == ""
    assert differences.lifecycle([foreign], "tally", ours).startswith("add sluice-tally-work (")
    assert differences.lifecycle([foreign, *ours], "tally", []) == "remove sluice-tally-work"
    assert differences.lifecycle([foreign], "tally", []) == ""
    assert differences.lifecycle([*ours, foreign], "tally", ours) == "write the job's rules behind the others"


def test_logs() -> None:
    stage = stage_config(target())

    def told(exist: bool | None, days: int | None) -> str:
        return differences.logs(exist, FunctionState(log_retention=days), stage, "mapper")

    assert told(False, None) == "create, keep each line 30 days"
    assert [told(True, 30), told(True, None), told(None, None)] == ["", "", ""]
    assert told(True, 7) == "keep each line 7 days -> 30 days"
    assert told(True, 0) == "keep each line for ever -> 30 days"
