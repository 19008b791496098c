"""Event rules in an account that others write to, too."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.config.triggers import Trigger
from scripts.deployment.aws.buckets import Buckets
from scripts.deployment.aws.clients import connect
from scripts.deployment.aws.event_rules import EventRules
from tests.unit.scripts.deployment.world import OTHER_ARN, add_rule, make_function, rules

pytestmark = pytest.mark.slow


def test_stale_rules_go_and_all_others_stay(account: Any) -> None:
    events = EventRules(connect())
    Buckets(connect()).ensure("shared")
    alive = make_function("sluice-living-coordinator")
    dead = alive.replace("living", "dead")
    for number, function in enumerate([alive, dead, OTHER_ARN]):
        add_rule(account, "shared", function, f"{number}/")
    assert events.drop_dead("shared") == 1
    assert rules(account, "shared") == [alive, OTHER_ARN]
    assert events.drop_dead("shared") == 0
    assert events.drop("shared", lambda rule: rule == alive) == 1
    assert rules(account, "shared") == [OTHER_ARN]


def test_a_rule_that_another_deployment_overwrote_comes_back(account: Any) -> None:
    events = EventRules(connect())
    Buckets(connect()).ensure("shared")
    theirs, ours = make_function("sluice-them-coordinator"), make_function("sluice-tally-coordinator")
    add_rule(account, "shared", theirs, "them/")
    for _ in range(2):
        events.ensure("sluice-tally-coordinator", Trigger("shared", "tally/", ""))
        assert rules(account, "shared") == [theirs, ours]
