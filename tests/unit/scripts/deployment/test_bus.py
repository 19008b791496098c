"""`events: eventbridge`: what a deployment makes of it, and what it leaves to others."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chalicelib.aws.chalice_app import watched
from chalicelib.config.triggers import Trigger, bus_patterns
from chalicelib.core.spec import InputSpec, PlaceSpec
from scripts.deployment.aws.clients import connect
from scripts.deployment.aws.event_rules import EventRules
from scripts.deployment.planner import plan_deletion, plan_deployment
from scripts.deployment.rules import rule_arns, with_rule
from scripts.deployment.steps import LeaveBucket, Remove, RunChalice, SetRules, TellBus, TidyRules, WriteStage
from scripts.deployment.survey import BucketState
from scripts.deployment.target import FUNCTIONS, Json, clock_rule, function_name, function_names
from scripts.deployment.templates.write import FORMATS
from tests.unit.scripts.deployment.test_planner import changes, deployed, empty
from tests.unit.scripts.deployment.test_templates import said
from tests.unit.scripts.deployment.world import OTHER_ARN, arn, target, write_job

BUS = {"events": "eventbridge"}
RULES = {function: clock_rule("tally", function) for function in ("coordinator", "supervisor")}


def there(**more: Any) -> Any:
    """An account in which a job with EventBridge is as it is to be."""
    job = target(**BUS)
    found = deployed(job)
    buckets = {bucket: replace(state or BucketState(), rules={"EventBridgeConfiguration": {}})
               for bucket, state in found.buckets.items()}  # fmt: skip
    patterns = {RULES[function]: json.dumps(pattern) for function, pattern in job.patterns.items()}
    return replace(found, **{"buckets": buckets, "clocks": patterns, **more})


def test_the_bus_is_told_before_its_rules_and_s3_s_own_go_after_them() -> None:
    steps = plan_deployment(target(**BUS), empty(), 7)
    kinds = [type(step) for step in steps]
    at = kinds.index(RunChalice)
    assert [step.bucket for step in steps[:at] if isinstance(step, TellBus)] == ["data", "scratch"]
    before, after = (
        [step for step in part if isinstance(step, TidyRules)] for part in (steps[:at], steps[at:])
    )
    assert [step.misplaced for step in before] == [frozenset(), frozenset()]
    assert [step.misplaced for step in after] == [frozenset(function_names("tally"))] * 2
    assert SetRules not in kinds
    told = "\n".join(line for step in steps for line in step.lines)
    assert "rule sluice-tally-coordinator-event: create, watch s3://data/tally/*" in told
    assert "rule sluice-tally-supervisor-event: create, watch s3://scratch/sluice/runs/tally/*.done" in told
    assert "events of bucket data to EventBridge: begin with it" in told


def test_inputs_in_several_buckets_are_all_watched_looked_at_and_left() -> None:
    more = (
        InputSpec(tag="more", url="s3://theirs/orders/"),
        InputSpec(tag="beside", url="s3://data/beside/"),
    )
    job = target(**BUS, more_inputs=more)
    assert list(job.buckets.items()) == [
        ("data", "input and output"),
        ("theirs", "input"),
        ("scratch", "work"),
    ]
    steps = plan_deployment(job, empty(), 7)
    assert [step.bucket for step in steps if isinstance(step, TellBus)] == ["data", "theirs", "scratch"]
    told = "\n".join(line for step in steps for line in step.lines)
    assert "create, watch s3://data/tally/*, s3://theirs/orders/*, s3://data/beside/*" in told
    read = json.dumps([step.policies for step in steps if isinstance(step, WriteStage)])
    assert "arn:aws:s3:::theirs/orders/*" in read
    patterns = {RULES[function]: json.dumps(pattern) for function, pattern in job.patterns.items()}
    gone = plan_deletion("tally", None, there(clocks=patterns, record={}))
    assert [step.bucket for step in gone if isinstance(step, LeaveBucket)] == ["data", "scratch", "theirs"]
    fewer = plan_deployment(target(**BUS), there(clocks=patterns), 7)
    assert [step.bucket for step in fewer if isinstance(step, LeaveBucket)] == ["theirs"]
    for found in (said(job, form) for form in FORMATS):
        text = json.dumps(found)
        assert text.count("theirs/orders/") > 1
        assert "$or" in text


def test_where_all_is_so_already_nothing_is_told_of_rules() -> None:
    lines = changes(plan_deployment(target(**BUS), there(), 7))
    assert not [line for line in lines if "EventBridge" in line or "-event" in line or "stale" in line]


def test_back_to_s3_the_rules_go_when_those_of_s3_are_there() -> None:
    steps = plan_deployment(target(), there(), 7)
    gone = [step.name for step in steps if isinstance(step, Remove)]
    assert gone == list(RULES.values())
    kinds = [type(step) for step in steps]
    assert kinds.index(RunChalice) < kinds.index(SetRules) < kinds.index(Remove)


def test_deletion_takes_the_rules_and_leaves_the_bucket_s_setting_and_says_so() -> None:
    steps = plan_deletion("tally", target(**BUS), there())
    assert {step.name for step in steps if isinstance(step, Remove) and step.kind == "rule"} == set(
        RULES.values()
    )
    told = [line for step in steps if isinstance(step, LeaveBucket) for line in step.lines]
    assert any("S3 goes on telling EventBridge of s3://data/" in line for line in told)
    others = plan_deletion("tally", target(), replace(there(), clocks={}))
    assert not [step for step in others if isinstance(step, LeaveBucket) and step.told]


def test_buckets_that_are_no_longer_watched_are_left() -> None:
    """The rules tell which they were; Chalice's record does not."""
    before = replace(there(), record={})
    moved = target(**BUS)
    spec = msgspec.structs.replace(moved.spec, work=PlaceSpec(url="s3://elsewhere/"))
    steps = plan_deployment(replace(moved, spec=spec), before, 7)
    (left,) = [step for step in steps if isinstance(step, LeaveBucket)]
    assert (left.bucket, left.told) == ("scratch", True)
    assert "remove sluice-tally-work" in left.change
    gone = [step.bucket for step in plan_deletion("tally", None, before) if isinstance(step, LeaveBucket)]
    assert gone == ["data", "scratch"]


class OneBucket:
    """Notifications of one bucket as S3 keeps them. (moto's S3 takes the bus and does not tell of it.)"""

    def __init__(self, config: Json) -> None:
        self.config, self.writes, self.lost = config, 0, 0

    def get_bucket_notification_configuration(self, **_: Any) -> Json:
        return {**self.config, "ResponseMetadata": {}}

    def put_bucket_notification_configuration(self, NotificationConfiguration: Json, **_: Any) -> None:  # noqa: N803
        self.writes += 1
        if self.lost:  # another deployment writes what it has read before
            self.lost -= 1
        else:
            self.config = NotificationConfiguration


@pytest.mark.parametrize("lost", [0, 1, 3])
def test_others_notifications_stay_and_doing_it_again_changes_nothing(account: Any, lost: int) -> None:
    ours = arn(function_name("tally", FUNCTIONS[0]))
    theirs = {"TopicConfigurations": [{"TopicArn": "arn:aws:sns:eu-central-1:1:t", "Events": ["s3:*"]}]}
    s3 = OneBucket(
        with_rule(with_rule(theirs, OTHER_ARN, Trigger("data", "p/", "")), ours, Trigger("data", "t/", ""))
    )
    event_rules = EventRules(replace(connect(), s3=s3))  # type: ignore[arg-type]
    s3.lost = lost
    assert event_rules.tell_bus("data")
    assert s3.writes == 1 + lost
    assert not event_rules.tell_bus("data")
    assert event_rules.drop("data", lambda name: name == ours) == 1
    assert rule_arns(s3.config) == [OTHER_ARN]
    assert s3.config.items() >= {**theirs, "EventBridgeConfiguration": {}}.items()


def test_chalice_registers_patterns_instead_of_buckets(tmp_path: Path) -> None:
    (tmp_path / "jobs").mkdir()
    write_job(tmp_path, "tally", "in-a")
    path = tmp_path / "jobs" / "tally.yml"
    environ = {"SLUICE_NAME": "tally"}
    assert watched(tmp_path, environ).patterns == {}
    path.write_text(path.read_text() + "events: eventbridge\n")
    found = watched(tmp_path, environ).patterns
    assert found.keys() == RULES.keys()
    assert found["coordinator"]["detail"]["object"] == {"key": [{"prefix": "x/"}]}
    assert bus_patterns("tally", target(**BUS).spec).keys() == found.keys()
