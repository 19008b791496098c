"""What a job may say of its functions under `lambda:`, by Lambda's and CloudWatch's own rules. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..core.deployment_spec import LambdaSpec
from .problem import Problem

_SUBNET, _GROUP = re.compile(r"subnet-[0-9a-f]+"), re.compile(r"sg-[0-9a-f]+")
_LAYER = re.compile(r"arn:[a-z-]+:lambda:[a-z0-9-]+:[0-9]{12}:layer:[A-Za-z0-9_-]+:[0-9]+")
_ROLE = re.compile(r"arn:[a-z-]+:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+")
_VARIABLE = re.compile(r"[A-Za-z][A-Za-z0-9_]+")
#: What Lambda itself sets, or Sluice.
_TAKEN = ("AWS_", "LAMBDA_", "SLUICE_", "_")
#: Of a function: all but one, which Chalice sets.
MOST_TAGS, MOST_LAYERS = 49, 5
#: Bytes of a function's variables, names and values; Sluice's own need some of Lambda's 4 KB.
MOST_VARIABLES = 3072
RETENTIONS = (
    0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
)  # fmt: skip


def lambda_problems(spec: LambdaSpec) -> Iterator[Problem]:
    yield from _network(spec)
    yield from _tags(spec.tags)
    yield from _environment(spec.environment)
    if spec.role and not _ROLE.fullmatch(spec.role):
        wanted = "the ARN of a role, such as arn:aws:iam::123456789012:role/sluice"
        yield Problem("lambda.role", f"expected {wanted}, got {spec.role!a}")
    for arn in spec.layer_arns:
        if not _LAYER.fullmatch(arn):
            wanted = "the ARN of a version, such as arn:aws:lambda:eu-west-1:123456789012:layer:name:3"
            yield Problem("lambda.layers", f"expected {wanted}, got {arn!a}")
    if len(spec.layer_arns) > MOST_LAYERS:
        yield Problem("lambda.layers", f"expected at most {MOST_LAYERS}, got {len(spec.layer_arns)}")
    if spec.log_retention is not None and spec.log_retention not in RETENTIONS:
        days = ", ".join(map(str, RETENTIONS))
        text = f"CloudWatch keeps lines for one of {days} days (0: for ever), not for {spec.log_retention}"
        yield Problem("lambda.log_retention", text)


def _network(spec: LambdaSpec) -> Iterator[Problem]:
    for key, names, shape, such in (
        ("lambda.subnets", spec.subnet_ids, _SUBNET, "subnet-0a1b2c3d"),
        ("lambda.security_groups", spec.security_group_ids, _GROUP, "sg-0a1b2c3d"),
    ):
        for name in names:
            if not shape.fullmatch(name):
                yield Problem(key, f"expected ids such as {such}, got {name!a}")
    if bool(spec.subnet_ids) != bool(spec.security_group_ids):
        given, missing = ("subnets", "security_groups") if spec.subnet_ids else ("security_groups", "subnets")
        yield Problem(f"lambda.{missing}", f"missing; a network has both, and lambda.{given} is given")


def _tags(tags: Mapping[str, Any]) -> Iterator[Problem]:
    for name, value in tags.items():
        key = f"lambda.tags.{name}"
        if not isinstance(value, str):
            yield Problem(key, f"expected text, got {value!a}; put it in quotes")
        elif len(value) > 256:
            yield Problem(key, f"expected at most 256 letters, got {len(value)}")
        if name.lower().startswith("aws") or len(name) > 128:
            yield Problem(key, "expected a name of at most 128 letters that does not begin with aws")
    if len(tags) > MOST_TAGS:
        yield Problem("lambda.tags", f"expected at most {MOST_TAGS}, got {len(tags)}")


def _environment(variables: Mapping[str, Any]) -> Iterator[Problem]:
    size = 0
    for name, value in variables.items():
        key = f"lambda.environment.{name}"
        if not isinstance(value, str):
            yield Problem(key, f"expected text, got {value!a}; put it in quotes")
            continue
        size += len(name.encode()) + len(value.encode())
        if not _VARIABLE.fullmatch(name) or name.upper().startswith(_TAKEN):
            taken = "AWS_, LAMBDA_, SLUICE_ or _"
            text = f"expected at least two letters, digits and _, not beginning with {taken} or a digit"
            yield Problem(key, text)
    if size > MOST_VARIABLES:
        text = f"expected at most {MOST_VARIABLES} bytes of names and values, got {size}; use side files"
        yield Problem("lambda.environment", text)
