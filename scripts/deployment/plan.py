"""What a deployment of a job consists of. Pure: nothing here touches a disk or AWS."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

from chalicelib.config.triggers import Trigger, further, triggers
from chalicelib.core.errors import UserError
from chalicelib.core.keys import runs_prefix
from chalicelib.core.ports import FunctionName
from chalicelib.core.spec import JobSpec
from chalicelib.run.job_code import Shape

APP = "sluice"
FUNCTIONS: tuple[FunctionName, ...] = get_args(FunctionName)
EVENTS = ["s3:ObjectCreated:*"]
LOG_RETENTION_DAYS = 30
WORK_RETENTION_DAYS = 7

#: `sluice-<name>-coordinator` must fit in the 64 letters of a function's or role's name.
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_FUNCTION_ARN = re.compile(
    rf"arn:[^:]+:lambda:[^:]*:[^:]*:function:(?P<name>{APP}-.+-(?:{'|'.join(FUNCTIONS)}))(?::.*)?"
)

Json = dict[str, Any]


class DeployError(UserError):
    """Why a job could not be deployed or deleted, in one sentence, with what to do."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A job to deploy: its name, its configuration, and the `SLUICE_*` overrides in force."""

    name: str
    spec: JobSpec
    overrides: Mapping[str, str]
    shape: Shape = field(default_factory=Shape)

    @property
    def triggers(self) -> dict[FunctionName, Trigger]:
        """What Chalice registers: of several inputs the first."""
        return dict(triggers(self.name, self.spec).items())

    @property
    def rules(self) -> dict[FunctionName, tuple[Trigger, ...]]:
        """All event rules, one for each input and one for the work place."""
        more = {"coordinator": further(self.spec)}
        return {function: (rule, *more.get(function, ())) for function, rule in self.triggers.items()}

    @property
    def buckets(self) -> dict[str, str]:
        """What each bucket is for, without repeats, in the order they are made."""
        places = {
            "input": self.spec.input.loc.bucket,
            "work": self.spec.work_loc.bucket,
            "output": self.spec.output_loc.bucket,
        }
        purposes: dict[str, str] = {}
        for purpose, bucket in places.items():
            purposes[bucket] = f"{purposes[bucket]} and {purpose}" if bucket in purposes else purpose
        return purposes


def check_name(name: str) -> str:
    """`name`, if a job may be called so. Raises DeployError."""
    if not _NAME.fullmatch(name):
        raise DeployError(
            f"{name!r} cannot be a job's name: expected up to 32 of a-z, 0-9, _ and -, starting with a letter"
        )
    return name


def function_name(job: str, function: FunctionName) -> str:
    return f"{APP}-{job}-{function}"


def function_names(job: str) -> tuple[str, ...]:
    return tuple(function_name(job, function) for function in FUNCTIONS)


def policy_file(job: str, function: FunctionName) -> str:
    return f"policy-{job}-{function}.json"


def sluice_function(arn: str) -> str | None:
    """The name of the function `arn` is of, if it is one of Sluice's; None for all others."""
    found = _FUNCTION_ARN.fullmatch(arn)
    return found["name"] if found else None


# ------------------------------------------------------------------ .chalice/config.json


def stage_config(target: Target) -> Json:
    """The stage of `.chalice/config.json`."""
    spec = target.spec
    return {
        "lambda_architecture": spec.architecture,
        "environment_variables": {**target.overrides, "SLUICE_NAME": target.name},
        "autogen_policy": False,
        "log_retention_in_days": LOG_RETENTION_DAYS,
        "lambda_functions": {
            function: {
                "lambda_memory_size": getattr(spec.memory, function),
                "lambda_timeout": getattr(spec.timeout, function),
                "iam_policy_file": policy_file(target.name, function),
            }
            for function in FUNCTIONS
        },
    }


def with_stage(config: Json, name: str, stage: Json | None) -> Json:
    """`config` with the stage `name` set, or removed if `stage` is None; all else as it was."""
    stages = {key: value for key, value in config.get("stages", {}).items() if key != name}
    if stage is not None:
        stages[name] = stage
    return {**config, "stages": dict(sorted(stages.items()))}


# ------------------------------------------------------------------ bucket notifications


def without_rules(config: Json, drop: Callable[[str], bool]) -> Json:
    """A bucket's notification configuration without the rules whose function's ARN `drop` picks."""
    rules = config.get("LambdaFunctionConfigurations", [])
    kept = [rule for rule in rules if not drop(rule["LambdaFunctionArn"])]
    rest = {key: value for key, value in config.items() if key != "LambdaFunctionConfigurations"}
    return {**rest, "LambdaFunctionConfigurations": kept} if kept else rest


def with_rule(config: Json, arn: str, *triggers: Trigger) -> Json:
    """`config` with the rules for the function `arn` that `triggers` describe, and no others for it."""
    others = without_rules(config, lambda other: other == arn)
    ours = [_rule(arn, trigger) for trigger in triggers]
    return {
        **others,
        "LambdaFunctionConfigurations": [*others.get("LambdaFunctionConfigurations", []), *ours],
    }


def _rule(arn: str, trigger: Trigger) -> Json:
    filters = [
        {"Name": name, "Value": value}
        for name, value in (("prefix", trigger.prefix), ("suffix", trigger.suffix))
        if value
    ]
    rule: Json = {"LambdaFunctionArn": arn, "Events": EVENTS}
    if filters:
        rule["Filter"] = {"Key": {"FilterRules": filters}}
    return rule


def has_rule(config: Json, arn: str, *triggers: Trigger) -> bool:
    """True if the function `arn` has the rules that `triggers` describe, and no others."""
    found = [_filters(rule) for rule in _rules_of(config, lambda other: other == arn)]
    return sorted(found) == sorted((trigger.prefix, trigger.suffix) for trigger in triggers)


def with_first_rule(config: Json, ours: Callable[[str], bool]) -> Json:
    """`config` with but the first of the rules whose function's ARN `ours` picks.

    Chalice writes its one rule over each of a function's rules, and S3 refuses two that are the same.
    """
    first = _rules_of(config, ours)[:1]
    others = without_rules(config, ours)
    kept = [*others.get("LambdaFunctionConfigurations", []), *first]
    return {**others, "LambdaFunctionConfigurations": kept} if kept else others


def _rules_of(config: Json, ours: Callable[[str], bool]) -> list[Json]:
    return [
        rule for rule in config.get("LambdaFunctionConfigurations", []) if ours(rule["LambdaFunctionArn"])
    ]


def _filters(rule: Json) -> tuple[str, str]:
    rows = rule.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    found = {row["Name"].lower(): row.get("Value", "") for row in rows}
    return found.get("prefix", ""), found.get("suffix", "")


# ------------------------------------------------------------------ lifecycle


def lifecycle_rules(target: Target, bucket: str, work_days: int) -> list[Json]:
    """This job's lifecycle rules in `bucket`: work objects expire, abandoned uploads go everywhere."""
    work, output, rules = runs_prefix(target.spec.work_loc, target.name), target.spec.output_loc, []
    if work.bucket == bucket:
        rule = _lifecycle_rule(f"{APP}-{target.name}-work", work.key)
        rules.append({**rule, "Expiration": {"Days": work_days}})
    if output.bucket == bucket:
        rules.append(_lifecycle_rule(f"{APP}-{target.name}-output", output.key))
    return rules


def _lifecycle_rule(identity: str, prefix: str) -> Json:
    return {
        "ID": identity,
        "Status": "Enabled",
        "Filter": {"Prefix": prefix},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
    }


def merged_lifecycle(existing: Sequence[Json], job: str, ours: Iterable[Json]) -> list[Json]:
    """Everybody else's rules as they are, then the job's: those it had before are replaced."""
    mine = {f"{APP}-{job}-work", f"{APP}-{job}-output"}
    return [*(rule for rule in existing if rule.get("ID") not in mine), *ours]


# ------------------------------------------------------------------ what Chalice remembers


def deployed_buckets(deployed: Json) -> set[str]:
    """The buckets that the last deployment watched, from `.chalice/deployed/<stage>.json`."""
    resources = deployed.get("resources", [])
    return {row["bucket"] for row in resources if row.get("resource_type") == "s3_event"}


def deployed_account(deployed: Json) -> tuple[str, str] | None:
    """(region, account) that the last deployment went to."""
    for row in deployed.get("resources", []):
        parts = row.get("lambda_arn", "").split(":")
        if len(parts) > 4:
            return parts[3], parts[4]
    return None
