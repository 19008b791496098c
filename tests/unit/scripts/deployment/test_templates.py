"""A deployment written down: all that its steps make, in both formats, with their values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, get_args

import msgspec
import pytest

from chalicelib.core.deployment_spec import LambdaSpec
from chalicelib.core.spec import OutputSpec
from scripts.deploy import parse
from scripts.deployment.steps import AnyStep, ConfigureFunction, RunChalice, WriteStage
from scripts.deployment.target import DeployError, Json, Target
from scripts.deployment.templates import cloudformation, terraform
from scripts.deployment.templates.contents import WHY_NOT, contents, plan
from scripts.deployment.templates.write import FORMATS, Format, document
from tests.unit.scripts.deployment.terraform_provider import (
    ARGUMENTS,
    ATTRIBUTES,
    MAPS,
    META,
    PAGE,
    REQUIRED,
)
from tests.unit.scripts.deployment.world import target

OWN = ("data", "scratch")
WHERE = {"cloudformation": cloudformation.WHERE, "terraform": terraform.WHERE}
LAMBDA = LambdaSpec(
    tags={"team": "${data}"},
    environment={"GREETING": "%{hello} ${AWS::Region}"},
    subnets="subnet-0a1b2c3d",
    security_groups="sg-0a1b2c3d",
    layers="arn:aws:lambda:eu-west-1:123456789012:layer:numbers:3",
    log_retention=90,
    tracing=True,
    ephemeral_storage=2048,
)
KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
EVERYTHING: dict[str, Any] = {
    "trigger": "every 15m", "audit": 3600, "concurrency": 5, "lambda_": LAMBDA, "kms_key": KEY,
}  # fmt: skip
JOBS = {
    "s3": target(),
    "bus": target(events="eventbridge", **EVERYTHING),
    "suffix": target(suffix=".txt", **EVERYTHING),
}


def steps_of(job: Target, form: Format, own: tuple[str, ...] = OWN) -> tuple[AnyStep, ...]:
    return plan(job, WHERE[form], own, None, 900, 7)


def said(job: Target, form: Format, own: tuple[str, ...] = OWN) -> Json:
    return document(contents(job, steps_of(job, form, own)), form, "code.zip")


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("kind", get_args(AnyStep), ids=lambda kind: kind.__name__)
def test_each_kind_of_step_is_in_the_template_or_there_is_a_reason(kind: type, form: Format) -> None:
    """Without the steps of its kind, the template is another one, or cannot be made."""
    missed = []
    for job in JOBS.values():
        steps = steps_of(job, form)
        fewer = [step for step in steps if not isinstance(step, kind)]
        try:
            same = document(contents(job, fewer), form, "code.zip") == said(job, form)
        except KeyError:
            same = False
        missed.append(same)
    assert all(missed) == (kind in WHY_NOT)
    assert all(reason for reason in WHY_NOT.values())


@pytest.mark.parametrize("name", JOBS)
def test_both_formats_have_the_values_of_the_steps(name: str) -> None:
    job = JOBS[name]
    stacked, formed = said(job, "cloudformation")["Resources"], said(job, "terraform")["resource"]
    steps = steps_of(job, "cloudformation")
    (stage,) = [step.stage for step in steps if isinstance(step, RunChalice)]
    configured = {step.function: step for step in steps if isinstance(step, ConfigureFunction)}
    assert stage
    for function in job.functions:
        row, wanted = stage["lambda_functions"][function], configured[f"sluice-tally-{function}"]
        stack, form = stacked[function.capitalize()]["Properties"], formed["aws_lambda_function"][function]
        assert stack["FunctionName"] == form["function_name"] == f"sluice-tally-{function}"
        assert stack["Handler"] == form["handler"] == f"app.{function}"
        assert stack["Runtime"] == form["runtime"]
        assert stack["Architectures"] == form["architectures"] == ["x86_64"]
        assert stack["MemorySize"] == form["memory_size"] == row["lambda_memory_size"]
        assert stack["Timeout"] == form["timeout"] == row["lambda_timeout"]
        share = row.get("reserved_concurrency")
        assert (
            stack.get("ReservedConcurrentExecutions") == form.get("reserved_concurrent_executions") == share
        )
        assert stack["RecursiveLoop"] == wanted.recursion
        assert formed["aws_lambda_function_recursion_config"][function]["recursive_loop"] == wanted.recursion
        variables = stack["Environment"]["Variables"]
        assert variables["SLUICE_NAME"] == "tally"
        assert terraform.literal(variables) == form["environment"]["variables"]
        retries = stacked[f"{function.capitalize()}Retries"]["Properties"]
        theirs = formed["aws_lambda_function_event_invoke_config"][function]
        assert retries["MaximumRetryAttempts"] == theirs["maximum_retry_attempts"] == 2
        assert retries["MaximumEventAgeInSeconds"] == theirs["maximum_event_age_in_seconds"] == 21_600
        told = retries["DestinationConfig"]["OnFailure"]["Destination"]["Fn::Sub"]
        assert told == wanted.on_failure
        assert (
            f".{told.rpartition('-')[2]}.arn}}" in theirs["destination_config"]["on_failure"]["destination"]
        )
    days = stacked["MapperLogs"]["Properties"]["RetentionInDays"]
    assert (
        days
        == formed["aws_cloudwatch_log_group"]["mapper"]["retention_in_days"]
        == (30 if name == "s3" else 90)
    )
    if name != "s3":
        mapper, theirs = stacked["Mapper"]["Properties"], formed["aws_lambda_function"]["mapper"]
        assert mapper["EphemeralStorage"] == {"Size": 2048}
        assert theirs["ephemeral_storage"] == {"size": 2048}
        assert mapper["VpcConfig"]["SubnetIds"] == theirs["vpc_config"]["subnet_ids"] == ["subnet-0a1b2c3d"]
        assert mapper["Layers"] == theirs["layers"] == list(LAMBDA.layer_arns)
        assert mapper["TracingConfig"] == {"Mode": "Active"}
        assert mapper["Environment"]["Variables"]["GREETING"] == "%{hello} ${AWS::Region}"
        assert theirs["environment"]["variables"]["GREETING"] == "%%{hello} $${AWS::Region}"
        assert theirs["tags"] == {"team": "$${data}"}
        rate = stacked["SchedulerRule"]["Properties"]["ScheduleExpression"]
        assert rate == formed["aws_cloudwatch_event_rule"]["scheduler"]["schedule_expression"]
        assert rate == "rate(15 minutes)"


@pytest.mark.parametrize("name", JOBS)
def test_roles_have_the_policies_of_the_steps(name: str) -> None:
    job = JOBS[name]
    for form in FORMATS:
        (documents,) = [step.policies for step in steps_of(job, form) if isinstance(step, WriteStage)]
        found = said(job, form)
        for function, wanted in (documents or {}).items():
            if form == "terraform":
                policy = json.loads(found["resource"]["aws_iam_role_policy"][function]["policy"])
            else:
                role = found["Resources"][f"{function.capitalize()}Role"]["Properties"]
                policy = _unsubstituted(role["Policies"][0]["PolicyDocument"])
            assert policy == wanted


@pytest.mark.parametrize("form", FORMATS)
def test_events_start_functions_by_s3_or_by_the_bus(form: Format) -> None:
    text = {name: json.dumps(said(JOBS[name], form)) for name in JOBS}
    assert "s3.amazonaws.com" not in text["bus"].replace("kms:ViaService", "").replace(
        f"s3.{WHERE[form].region}.amazonaws.com", ""
    )
    assert "events.amazonaws.com" not in text["s3"]
    for told in ("wildcard", "Object Created"):
        assert told in text["bus"]
        assert told not in text["s3"]
    assert ".done" in text["s3"]
    assert ".manifest" in text["suffix"]


def test_what_exists_is_left_alone_and_said() -> None:
    for form, module in (("cloudformation", cloudformation), ("terraform", terraform)):
        for name, job in JOBS.items():
            found = contents(job, steps_of(job, form, ()))  # type: ignore[arg-type]
            text = json.dumps(document(found, form, "code.zip"))  # type: ignore[arg-type]
            assert "AWS::S3::Bucket" not in text
            assert '"aws_s3_bucket"' not in text
            assert ("aws_s3_bucket_notification" in text) == (form == "terraform" and name != "bus")
            told = "\n".join(module.notes(found))
            assert "lifecycle-scratch.json, sluice-tally-work (sluice/runs/tally/)" in told
            wanted = (
                "switch on Amazon EventBridge" if name == "bus" else "let the job have `events: eventbridge`"
            )
            assert told.count(wanted) == 2
            assert module.notes(contents(job, steps_of(job, form))) == []  # type: ignore[arg-type]


@pytest.mark.parametrize("name", JOBS)
@pytest.mark.parametrize("own", [(), ("scratch",), OWN])
def test_nothing_refers_to_what_is_not_there(name: str, own: tuple[str, ...]) -> None:
    stack = said(JOBS[name], "cloudformation", own)
    there = {*stack["Resources"], *stack["Parameters"], "AWS::AccountId"}
    assert set(_references(stack["Resources"])) <= there
    formed = said(JOBS[name], "terraform", own)
    resources = {f"{kind}.{one}" for kind, rows in formed["resource"].items() for one in rows}
    text = json.dumps(formed["resource"])
    named = set(re.findall(r"\$\{(aws_\w+\.[\w-]+)\.\w+\}", text))
    depends = {
        one
        for rows in formed["resource"].values()
        for row in rows.values()
        for one in row.get("depends_on", ())
    }
    assert named | depends <= resources
    assert named >= {"aws_iam_role.mapper", "aws_lambda_function.supervisor"}


def test_terraform_s_names_are_those_of_the_provider_s_documents() -> None:
    wrong, seen = set(), set()
    for job in (*JOBS.values(), target(lambda_=LAMBDA, kms_key=KEY)):
        for own in ((), OWN):
            found = said(job, "terraform", own)
            for kind, rows in found["resource"].items():
                for row in rows.values():
                    wrong |= set(_wrong_names(kind, "", row, seen))
            for kind, name in re.findall(r"\$\{((?:data\.)?aws_\w+)\.[\w-]+\.(\w+)\}", json.dumps(found)):
                arguments = ARGUMENTS.get(kind, {"": ""})[""]
                if name not in f"{ATTRIBUTES.get(kind, '')} {arguments}".split():
                    wrong.add(f"{kind} does not tell {name}: {PAGE.format(kind.rpartition('aws_')[2])}")
    assert wrong == set()
    blocks = {(kind, path) for kind, paths in ARGUMENTS.items() for path in paths}
    assert seen == blocks, "blocks of the provider's that are not used any more, or that nobody has looked up"


def _wrong_names(kind: str, path: str, block: Json, seen: set[tuple[str, str]]) -> Iterator[str]:
    """What the provider does not know of a block, or misses in it."""
    page = PAGE.format(kind.removeprefix("aws_"))
    if (known := ARGUMENTS.get(kind, {}).get(path)) is None:
        yield f"{kind}.{path} is in no document that was looked up: {page}"
        return
    seen.add((kind, path))
    names = block.keys() - (META if not path else set())
    yield from (f"{kind}.{path} has no argument {name}: {page}" for name in names - set(known.split()))
    missing = set(REQUIRED.get(kind, {}).get(path, "").split()) - names
    yield from (f"{kind}.{path} needs {name}: {page}" for name in missing)
    for name in names:
        inner = f"{path}.{name}".removeprefix(".")
        values = block[name] if isinstance(block[name], list) else [block[name]]
        for value in values:
            if isinstance(value, dict) and (kind, inner) not in MAPS:
                yield from _wrong_names(kind, inner, value, seen)


@pytest.mark.parametrize(
    ("kind", "block", "told"),
    [
        ("aws_lambda_function_recursion_config", {"function_name": "f", "recursion_loop": "Allow"}, 2),
        ("aws_s3_bucket_notification", {"bucket": "b", "lambda_function": [{"events": [], "arn": "a"}]}, 2),
        ("aws_s3_bucket_lifecycle_configuration", {"bucket": "b", "rule": [{"id": "a", "enabled": True}]}, 2),
        ("aws_sfn_state_machine", {}, 1),
    ],
)
def test_a_wrong_name_is_told(kind: str, block: Json, told: int) -> None:
    assert len(list(_wrong_names(kind, "", block, set()))) == told


def test_a_key_of_china_is_used_by_way_of_its_s3() -> None:
    """The template does not know where it is deployed, and the key does."""
    for key, domain in ((KEY, "amazonaws.com"), (KEY.replace("arn:aws:", "arn:aws-cn:"), "amazonaws.com.cn")):
        text = json.dumps(said(target(kms_key=key), "cloudformation"))
        assert f'"s3.${{AWS::Region}}.{domain}"' in text


def test_places_may_hold_what_terraform_would_read_as_its_own() -> None:
    job = target()
    spec = msgspec.structs.replace(job.spec, output=OutputSpec(url="s3://data/%{if x}/"))
    found = said(replace(job, spec=spec), "terraform")["resource"]
    assert "/%%{if x}/" in found["aws_iam_role_policy"]["reducer"]["policy"]
    (rule,) = found["aws_s3_bucket_lifecycle_configuration"]["_data"]["rule"]
    assert rule["filter"] == {"prefix": "%%{if x}/"}
    assert not re.search(r"(?<!%)%\{", json.dumps(found))


def test_a_bucket_that_is_not_of_the_job() -> None:
    with pytest.raises(
        DeployError, match="--own-buckets: others: expected buckets of tally, which are data, scratch"
    ):
        steps_of(target(), "terraform", ("others",))


def test_a_package_changes_no_account(capsys: pytest.CaptureFixture[str]) -> None:
    assert parse(["words", "--package", "x"]).format == "cloudformation"
    for option in ("--delete", "--dry-run", "--wait"):
        with pytest.raises(SystemExit):
            parse(["words", "--package", "x", option])
        assert "--package: it changes nothing in an account" in capsys.readouterr().err


def _references(tree: Any) -> Iterator[str]:
    if isinstance(tree, dict):
        for key, value in tree.items():
            if key == "Ref":
                yield value
            elif key == "Fn::GetAtt":
                yield value[0]
            elif key == "DependsOn":
                yield from value
            else:
                yield from _references(value)
    elif isinstance(tree, list):
        for item in tree:
            yield from _references(item)


def _unsubstituted(tree: Any) -> Any:
    if isinstance(tree, dict):
        return (
            tree["Fn::Sub"] if tree.keys() == {"Fn::Sub"} else {k: _unsubstituted(v) for k, v in tree.items()}
        )
    return [_unsubstituted(item) for item in tree] if isinstance(tree, list) else tree


def test_functions_in_a_role_of_ones_own_make_none() -> None:
    role = "arn:aws:iam::123456789012:role/sluice"
    job = target(lambda_=LambdaSpec(role=role))
    stacked, formed = said(job, "cloudformation")["Resources"], said(job, "terraform")["resource"]
    for function in job.functions:
        assert stacked[function.capitalize()]["Properties"]["Role"] == role
        assert formed["aws_lambda_function"][function]["role"] == role
    kinds = {resource["Type"] for resource in stacked.values()} | formed.keys()
    assert {"AWS::IAM::Role", "aws_iam_role", "aws_iam_role_policy"} & kinds == set()
    assert "aws_iam_role" not in str(formed)
