"""What a job may say of its functions under `lambda:`, by Lambda's and CloudWatch's own rules, and under `notify:`
and `catalog:` of what follows a run. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..core.deployment_spec import LambdaSpec, NotifySpec, hive_type
from ..core.spec import JobSpec
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


# -- who is told ---------------------------------------------------------------------------------------------

#: What may be told of.
REASONS = ("success", "failed", "bad_records")
_WHERE = r"arn:[a-z-]+:{service}:[a-z0-9-]+:[0-9]{{12}}"
_TOPIC = re.compile(_WHERE.format(service="sns") + r":[A-Za-z0-9_-]+(\.fifo)?")
_BUS = re.compile(f"({_WHERE.format(service='events')}:event-bus/)?[A-Za-z0-9._/-]+")
_SECRET = re.compile(
    f"{_WHERE.format(service='secretsmanager')}:secret:[A-Za-z0-9/_+=.@-]+"
    f"|{_WHERE.format(service='ssm')}:parameter/[A-Za-z0-9/_.-]+"
)
_WEBHOOK = re.compile(r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[!-~]*)?")
_SHAPES = (
    ("topic", _TOPIC, "the ARN of an SNS topic, such as arn:aws:sns:eu-west-1:123456789012:runs"),
    ("bus", _BUS, "the name or ARN of an EventBridge bus, such as default"),
    ("webhook", _WEBHOOK, "an https:// URL of printable characters, without a user's name"),
    ("secret", _SECRET, "the ARN of a Secrets Manager secret or of an SSM parameter"),
)


def notify_problems(spec: NotifySpec) -> Iterator[Problem]:
    for name, shape, wanted in _SHAPES:
        given = getattr(spec, name)
        if given and not shape.fullmatch(given):
            yield Problem(f"notify.{name}", f"expected {wanted}, got {given!a}")
    if spec.topic.endswith(".fifo"):
        yield Problem("notify.topic", f"a FIFO topic wants groups, which notices have not: {spec.topic}")
    for reason in spec.reasons:
        if reason not in REASONS:
            yield Problem("notify.on", f"expected some of {', '.join(REASONS)}, got {reason!a}")
    if not spec.reasons:
        yield Problem("notify.on", f"expected some of {', '.join(REASONS)}; to tell nobody, leave out notify")
    if bool(spec.webhook) != bool(spec.secret):
        missing, why = (
            ("secret", "what goes to notify.webhook is signed with it")
            if spec.webhook
            else ("webhook", "notify.secret signs what goes there, and nothing else")
        )
        yield Problem(f"notify.{missing}", f"missing; {why}")


# -- tables in Glue ---------------------------------------------------------------------------------------

_GLUE_NAME = re.compile(r"[a-z0-9_]{1,255}")


def catalog_problems(spec: JobSpec) -> Iterator[Problem]:
    catalog = spec.catalog
    if not catalog.database:
        for name in ("table", "columns"):
            if getattr(catalog, name):
                yield Problem("catalog.database", f"missing; catalog.{name} is of a table in a Glue database")
        return
    for name in ("database", "table"):
        given = getattr(catalog, name)
        if given and not _GLUE_NAME.fullmatch(given):
            yield Problem(
                f"catalog.{name}",
                f"expected a name of small letters, digits and _, as Athena wants it, got {given!a}",
            )
    if spec.output.format not in ("parquet", "csv") or spec.output.container:
        yield Problem(
            "catalog", "Athena reads results with output.format: parquet or csv; change it, or leave it out"
        )
    for key, there, why in (
        ("output.by", spec.output.by, "its folders would be no columns of the table"),
        (
            "outputs",
            spec.outputs,
            "a table reads all that lies below its place, so their rows would be in it",
        ),
        ("accumulate", spec.accumulate, "the totals' parts lie with several runs, and a table has one place"),
    ):
        if there:
            yield Problem("catalog", f"{why}; leave out catalog or {key}")
    yield from _catalog_columns(spec)


def _catalog_columns(spec: JobSpec) -> Iterator[Problem]:
    key = "catalog.columns" if spec.catalog.columns or spec.is_sql else "output.columns"
    try:
        columns = spec.catalog_columns
    except ValueError as error:
        if spec.catalog.columns:  # of output.columns that is told elsewhere
            yield Problem(key, str(error))
        return
    if not columns:
        yield Problem(
            key, "missing; expected the columns of the table in catalog, of parquet with their types"
        )
    for name, kind in columns:
        if spec.output.format == "csv" and kind and hive_type(kind) != "string":
            yield Problem(key, f"{name} {kind}: Athena reads texts alone from csv; leave the type out")
        elif spec.output.format == "parquet" and not hive_type(kind):
            wanted = (
                "a type that Glue has, too, such as BIGINT, DOUBLE, DECIMAL(12, 2), VARCHAR, DATE or BIGINT[]"
            )
            yield Problem(key, f"{name}: expected {wanted}, got {kind or 'none'}")
