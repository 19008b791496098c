"""Lifecycle rules: work objects expire, results never."""

from __future__ import annotations

from scripts.deployment.lifecycle import code_rule, lifecycle_rules, merged_lifecycle
from tests.unit.scripts.deployment.world import target


def test_lifecycle_rules_are_merged_by_job() -> None:
    foreign = {"ID": "archive", "Status": "Enabled"}
    first = merged_lifecycle([foreign], "tally", lifecycle_rules(target(), "scratch", 7))
    again = merged_lifecycle(first, "tally", lifecycle_rules(target(), "scratch", 3))
    beside = merged_lifecycle(again, "other", lifecycle_rules(target("other"), "scratch", 7))
    assert [rule["ID"] for rule in beside] == ["archive", "sluice-tally-work", "sluice-other-work"]
    assert beside[1]["Filter"] == {"Prefix": "sluice/runs/tally/"}
    assert beside[1]["Expiration"] == {"Days": 3}
    assert merged_lifecycle(beside, "tally", []) == [foreign, beside[2]]


def test_results_never_expire() -> None:
    (rule,) = lifecycle_rules(target(), "data", 7)
    assert rule["Filter"] == {"Prefix": "results/tally/"}
    assert "Expiration" not in rule


def test_a_zip_that_a_killed_deployment_left_expires() -> None:
    rule = code_rule(target())
    assert rule["Filter"] == {"Prefix": "sluice/_code/tally/"}
    assert rule["Expiration"] == {"Days": 1}
    assert merged_lifecycle([rule, code_rule(target("other"))], "tally", []) == [code_rule(target("other"))]
