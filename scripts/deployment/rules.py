"""A bucket's notification configuration, in which each rule starts one function. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from chalicelib.config.triggers import Trigger

from .target import Json

EVENTS = ["s3:ObjectCreated:*"]
#: In a bucket's notification configuration: S3 tells the account's event bus of all that happens in the bucket.
_BUS = "EventBridgeConfiguration"


def tells_bus(config: Json) -> bool:
    return _BUS in config


def with_bus(config: Json) -> Json:
    """`config`, and the event bus is told, too."""
    return {**config, _BUS: {}}


def picked_buckets(patterns: Iterable[str | None]) -> set[str]:
    """The buckets whose events are picked by patterns of EventBridge, in JSON; clocks and nothing are passed over."""
    found: set[str] = set()
    for text in patterns:
        if text and text.startswith("{"):
            detail = json.loads(text).get("detail", {})
            for one in detail.get("$or", [detail]):
                found.update(one.get("bucket", {}).get("name", ()))
    return found


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
    """`config` with only the first of the rules whose function's ARN `ours` picks.

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


def rule_arns(config: Json) -> list[str]:
    """The functions' ARNs, one a rule."""
    return [rule["LambdaFunctionArn"] for rule in config.get("LambdaFunctionConfigurations", [])]


def picked(config: Json, pick: Callable[[str], bool]) -> list[str]:
    """The ARNs, one a rule, that `pick` picks."""
    return [arn for arn in rule_arns(config) if pick(arn)]
