"""Event rules: ours are set and removed, all others stay."""

from __future__ import annotations

from chalicelib.config.triggers import Trigger
from scripts.deployment import rules
from tests.unit.scripts.deployment.world import OTHER_ARN, arn


def test_rules_of_others_and_other_kinds_of_notification_stay() -> None:
    ours, trigger = arn("sluice-tally-coordinator"), Trigger("data", "tally/", "")
    config = {
        "TopicConfigurations": [{"TopicArn": "t"}],
        "LambdaFunctionConfigurations": [{"LambdaFunctionArn": OTHER_ARN, "Events": ["s3:ObjectRemoved:*"]}],
    }
    with_ours = rules.with_rule(config, ours, trigger)
    assert rules.has_rule(with_ours, ours, trigger)
    assert not rules.has_rule(with_ours, ours, Trigger("data", "tally/", ".csv"))
    assert not rules.has_rule(config, ours, trigger)
    assert rules.with_rule(with_ours, ours, trigger) == with_ours
    assert rules.without_rules(with_ours, lambda other: other == ours) == config
    assert rules.without_rules(config, lambda other: True) == {"TopicConfigurations": [{"TopicArn": "t"}]}


def test_a_rule_without_filters_has_none_in_it() -> None:
    config = rules.with_rule({}, OTHER_ARN, Trigger("data", "", ""))
    (rule,) = config["LambdaFunctionConfigurations"]
    assert "Filter" not in rule
    assert rules.has_rule(config, OTHER_ARN, Trigger("data", "", ""))
