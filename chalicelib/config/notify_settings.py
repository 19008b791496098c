"""What a job may say under `notify:` and `catalog:` of what follows a run. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..core.deployment_spec import NotifySpec, hive_type
from ..core.spec import JobSpec
from .problem import Problem

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
