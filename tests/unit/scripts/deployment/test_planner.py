"""The steps of a deployment, from what is to be and what is there: no account, no checkout."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from chalicelib.config.triggers import Trigger
from chalicelib.core.deployment_spec import LambdaSpec
from scripts.deployment.lifecycle import lifecycle_rules
from scripts.deployment.planner import plan_deletion, plan_deployment
from scripts.deployment.policies import policies
from scripts.deployment.rules import with_rule
from scripts.deployment.stage import stage_config
from scripts.deployment.steps import (
    ConfigureFunction,
    ForgetRecord,
    LeaveBucket,
    MakeBucket,
    Remove,
    RunChalice,
    SetLifecycle,
    SetRules,
    Step,
    TidyRules,
    WriteBill,
    WriteStage,
)
from scripts.deployment.survey import BucketState, FunctionState, RoleState, Survey
from scripts.deployment.target import (
    FUNCTIONS,
    RECURSION,
    DeployError,
    Target,
    Where,
    function_name,
    function_names,
    told_of_failures,
)
from tests.unit.scripts.deployment.world import OTHER_ARN, REGION, arn, target

NAMES = function_names("tally")
ACCOUNT = "123456789012"


def empty(**known: Any) -> Survey:
    """An account with nothing in it."""
    nothing: dict[str, Any] = {
        "region": REGION,
        "account": ACCOUNT,
        "concurrency": 900,
        "functions": dict.fromkeys(NAMES),
        "roles": {name: RoleState(exists=False) for name in NAMES},
        "logs": dict.fromkeys(NAMES, False),
    }
    return Survey(**{**nothing, **known})


def deployed(job: Target) -> Survey:
    """An account in which all of the job is as it is to be."""
    stage, documents = stage_config(job, 900), policies(job, Where("aws", REGION, ACCOUNT))
    buckets = {bucket: BucketState(lifecycle=lifecycle_rules(job, bucket, 7)) for bucket in job.buckets}
    for function, triggers in job.rules.items():
        state = buckets[triggers[0].bucket]
        rules = with_rule(state.rules, arn(function_name(job.name, function)), *triggers)
        buckets[triggers[0].bucket] = replace(state, rules=rules)
    return empty(
        stage=stage,
        policies=documents,
        record={"resources": [{"resource_type": "s3_event", "bucket": bucket} for bucket in buckets]},
        buckets=buckets,
        functions={
            function_name(job.name, function): FunctionState(
                recursion=RECURSION[function],
                retries=2,
                max_age=21_600,
                on_failure=arn(function_name(job.name, told_of_failures(function))),
            )
            for function in FUNCTIONS
        },
        roles={
            function_name(job.name, function): RoleState(exists=True, policy=documents[function])
            for function in FUNCTIONS
        },
        logs=dict.fromkeys(NAMES, True),
    )


def changes(steps: tuple[Step, ...]) -> list[str]:
    return [line for step in steps if step.change for line in step.lines]


def test_the_order_of_a_deployment() -> None:
    kinds = [type(step) for step in plan_deployment(target(), empty(), 7)]
    assert list(dict.fromkeys(kinds)) == [
        MakeBucket, WriteStage, TidyRules, WriteBill, RunChalice, ConfigureFunction, SetRules, SetLifecycle,
    ]  # fmt: skip
    assert [kinds.count(kind) for kind in (MakeBucket, TidyRules, ConfigureFunction, SetRules)] == [
        2,
        2,
        4,
        2,
    ]


def test_in_an_empty_account_each_step_changes_something_but_those_that_clear_up() -> None:
    steps = plan_deployment(target(), empty(), 7)
    assert {type(step) for step in steps if not step.change} == {TidyRules}
    told = changes(steps)
    assert told[0] == "bucket data: create, private, TLS only, encrypted by S3 (AES256)"
    assert "event rules of bucket data for sluice-tally-coordinator: watch s3://data/tally/*" in told
    assert (
        "event rules of bucket scratch for sluice-tally-supervisor: watch s3://scratch/sluice/runs/tally/*.done"
    ) in told


def test_a_bucket_under_a_key_says_which() -> None:
    key = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd"
    first, *_ = plan_deployment(target(kms_key=key), empty(), 7)
    assert first.lines == [f"bucket data: create, private, TLS only, encrypted with aws:kms key {key}"]


def test_what_is_so_already_changes_nothing_but_the_code() -> None:
    job = target()
    steps = plan_deployment(job, deployed(job), 7)
    assert [type(step) for step in steps if step.change] == [WriteBill, RunChalice]
    assert steps[0].lines == ["bucket data: nothing"]


def test_work_objects_that_are_to_expire_sooner() -> None:
    job = target()
    (told,) = [line for line in changes(plan_deployment(job, deployed(job), 3)) if line.startswith("life")]
    assert told == (
        "lifecycle of bucket scratch: change sluice-tally-work "
        "(unfinished uploads under sluice/runs/tally/ go after 1 day, objects after 3)"
    )


def test_rules_in_the_way_of_chalice() -> None:
    job = target()
    found = deployed(job)
    dead, mapper = arn("sluice-old-coordinator"), arn("sluice-tally-mapper")
    rules = found.buckets["data"].rules  # type: ignore[union-attr]
    for other, prefix in ((dead, "old/"), (mapper, "wrong/"), (OTHER_ARN, "theirs/")):
        rules = with_rule(rules, other, Trigger("data", prefix, ""))
    more = [
        rule
        for rule in rules["LambdaFunctionConfigurations"]
        if "tally-coordinator" in rule["LambdaFunctionArn"]
    ]
    rules = {"LambdaFunctionConfigurations": [*rules["LambdaFunctionConfigurations"], *more]}
    data = BucketState(rules=rules, dead=frozenset({dead}))
    steps = plan_deployment(job, replace(found, buckets={**found.buckets, "data": data}), 7)
    (tidy,) = [step for step in steps if isinstance(step, TidyRules) and step.bucket == "data"]
    assert tidy.misplaced == {"sluice-tally-mapper", "sluice-tally-supervisor", "sluice-tally-reducer"}
    assert tidy.lines == [
        "stale event rules of bucket data: remove that of sluice-old-coordinator, which does not exist, "
        "remove that of sluice-tally-mapper, take 1 of sluice-tally-coordinator away until Chalice is done"
    ]


def test_rules_that_another_deployment_overwrote_are_written_again() -> None:
    job = target()
    found = deployed(job)
    buckets = {**found.buckets, "data": BucketState(lifecycle=lifecycle_rules(job, "data", 7))}
    steps = plan_deployment(job, replace(found, buckets=buckets), 7)
    assert [step.function for step in steps if isinstance(step, SetRules) and step.change] == [
        "sluice-tally-coordinator"
    ]


def test_the_order_of_a_deletion() -> None:
    job = target()
    steps = plan_deletion("tally", job, deployed(job))
    kinds = [type(step) for step in steps]
    assert list(dict.fromkeys(kinds)) == [LeaveBucket, RunChalice, Remove, ForgetRecord, WriteStage]
    assert [(step.kind, step.name) for step in steps if isinstance(step, Remove)] == [
        (kind, name) for kind in ("function", "role", "logs") for name in NAMES
    ]
    assert all(step.change for step in steps)


def test_chalice_deletes_only_what_is_there_as_a_whole() -> None:
    job = target()
    found = deployed(job)
    some = replace(found, functions={**found.functions, NAMES[1]: None})
    for survey in (some, replace(found, record={})):
        assert not any(isinstance(step, RunChalice) for step in plan_deletion("tally", job, survey))
    (gone,) = [
        step
        for step in plan_deletion("tally", job, some)
        if isinstance(step, Remove) and (step.kind, step.name) == ("function", NAMES[1])
    ]
    assert gone.lines == [f"function {NAMES[1]}: nothing"]


def test_a_job_whose_yaml_is_gone_is_deleted_by_chalices_record() -> None:
    steps = plan_deletion("tally", None, deployed(target()))
    assert [step.bucket for step in steps if isinstance(step, LeaveBucket)] == ["data", "scratch"]


def test_what_may_not_be_looked_at_is_removed_if_it_is_there() -> None:
    unknown = empty(
        stage={}, roles={name: RoleState(exists=None) for name in NAMES}, logs=dict.fromkeys(NAMES)
    )
    told = {step.change for step in plan_deletion("tally", None, unknown) if isinstance(step, Remove)}
    assert told == {"", "remove, if it is there"}


def test_the_record_of_another_account_goes_first() -> None:
    first, *_ = plan_deletion("tally", None, empty(stage={}, elsewhere=("us-east-1", "0")))
    assert isinstance(first, ForgetRecord)
    assert first.change == "remove, since the last deployment went to 0 in us-east-1"


def test_failed_events_that_go_elsewhere_are_sent_to_the_supervisor_again() -> None:
    job = target()
    found = deployed(job)
    mapper = replace(found.functions["sluice-tally-mapper"], on_failure="arn:aws:sqs:eu-central-1:1:mine")  # type: ignore[type-var]
    steps = plan_deployment(
        job, replace(found, functions={**found.functions, "sluice-tally-mapper": mapper}), 7
    )
    (step,) = [step for step in steps if isinstance(step, ConfigureFunction) and step.change]
    assert step.lines == [
        "recursion and retries of function sluice-tally-mapper: failed events go to mine -> sluice-tally-supervisor"
    ]
    assert step.on_failure == arn("sluice-tally-supervisor")


def test_a_limit_of_functions_that_cannot_be_read_is_said_and_left_out() -> None:
    (step,) = [
        step for step in plan_deployment(target(), empty(concurrency=None), 7) if isinstance(step, WriteStage)
    ]
    assert step.stage is not None
    assert "environment_variables" not in step.stage["lambda_functions"]["supervisor"]
    assert step.lines == [
        "stage tally in .chalice/config.json: write it, and 4 policies",
        "  how many functions may run at once is not known (lambda:GetAccountSettings): "
        "supervisors reckon without it",
    ]


def test_a_share_that_the_account_cannot_give_is_refused_before_anything_is_done() -> None:
    plan_deployment(target(concurrency=400), empty(), 7)
    with pytest.raises(
        DeployError, match=r"concurrency: 401 .* of the 900 functions .* expected at most 400"
    ):
        plan_deployment(target(concurrency=401), empty(), 7)
    with pytest.raises(DeployError, match=r"of the 10 functions .* or have the account's limit raised"):
        plan_deployment(target(concurrency=1), empty(concurrency=10), 7)
    plan_deployment(target(concurrency=401), empty(concurrency=None), 7)
    held = {
        "sluice-tally-mapper": FunctionState(reserved=300),
        "sluice-tally-reducer": FunctionState(reserved=300),
    }
    plan_deployment(
        target(concurrency=300), empty(concurrency=100, functions={**dict.fromkeys(NAMES), **held}), 7
    )


def test_a_network_and_tracing_need_rights() -> None:
    def rights(**given: Any) -> set[str]:
        (step,) = [
            step
            for step in plan_deployment(target(lambda_=LambdaSpec(**given)), empty(), 7)
            if isinstance(step, WriteStage)
        ]
        assert step.policies is not None
        statements = step.policies["mapper"]["Statement"]
        return {action for row in statements for action in row["Action"] if row["Resource"] == ["*"]}

    assert rights() == rights(tracing=False) == set()
    assert rights(tracing=True) == {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
    assert "ec2:CreateNetworkInterface" in rights(subnets="subnet-0a", security_groups="sg-0a")


def test_steps_are_frozen() -> None:
    step, *_ = plan_deployment(target(), empty(), 7)
    with pytest.raises(FrozenInstanceError):
        step.change = "x"  # type: ignore[misc]
