"""An account (moto's, in process), a job to deploy, and a checkout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3

from chalicelib.config.triggers import Trigger
from chalicelib.core.spec import InputSpec, JobSpec, OutputSpec, PlaceSpec
from scripts.deployment import rules as event_rules
from scripts.deployment.target import Target

REGION = "eu-central-1"
OTHER_ARN = "arn:aws:lambda:eu-central-1:123456789012:function:thumbnails"


def arn(function: str) -> str:
    return f"arn:aws:lambda:{REGION}:123456789012:function:{function}"


def target(name: str = "tally", **figures: Any) -> Target:
    spec = JobSpec(
        job=f"{name}:Tally",
        input=InputSpec(
            url=f"s3://data/{name}/", suffix=figures.pop("suffix", ""), format=figures.pop("read", "text")
        ),
        work=PlaceSpec(url="s3://scratch/sluice/"),
        output=OutputSpec(url=f"s3://data/results/{name}/"),
        **figures,
    )
    return Target(name=name, spec=spec, overrides={})


def make_function(name: str) -> str:
    iam = boto3.client("iam")
    try:
        role = iam.create_role(RoleName="any", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    except iam.exceptions.EntityAlreadyExistsException:
        role = iam.get_role(RoleName="any")["Role"]["Arn"]
    answer = boto3.client("lambda").create_function(
        FunctionName=name, Role=role, Runtime="python3.11", Handler="a.b", Code={"ZipFile": b"zip"}
    )
    return str(answer["FunctionArn"])


def rules(s3: Any, bucket: str) -> list[str]:
    found = s3.get_bucket_notification_configuration(Bucket=bucket)
    return [rule["LambdaFunctionArn"] for rule in found.get("LambdaFunctionConfigurations", [])]


def add_rule(s3: Any, bucket: str, function_arn: str, prefix: str) -> None:
    found = s3.get_bucket_notification_configuration(Bucket=bucket)
    found.pop("ResponseMetadata")
    config = event_rules.with_rule(found, function_arn, Trigger(bucket, prefix, ""))
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=config)


def write_job(root: Path, name: str, bucket: str, cls: str = "tally:Tally") -> None:
    (root / f"jobs/{name}.yml").write_text(
        f"job: {cls}\ninput: {{url: 's3://{bucket}/x/'}}\nwork: {{url: 's3://work-b/'}}\n"
        "output: {url: 's3://out-c/'}\n"
    )
