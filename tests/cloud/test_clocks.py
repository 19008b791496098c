"""A job that clocks start, deployed: its rules, ticks as EventBridge sends them, and what is left when it goes.

The emulator keeps rules and fires none, so the tests send what a rule would.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from tests.cloud.harness import FUNCTIONS, OUT, Cloud, client_of

pytestmark = pytest.mark.cloud

JOB = "clocked"
CLOCKS = {"scheduler": "rate(15 minutes)", "auditor": "rate(60 minutes)"}


def tick(cloud: Cloud, function: str) -> None:
    """What EventBridge sends: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-run-lambda-schedule.html"""
    rule = f"sluice-{JOB}-{function}-event"
    event = {
        "version": "0",
        "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "123456789012",
        "time": "2026-11-28T02:15:00Z",
        "region": "us-east-1",
        "resources": [f"arn:aws:events:us-east-1:123456789012:rule/{rule}"],
        "detail": {},
    }
    cloud.invoke(JOB, function, event)


def rules(events: Any) -> dict[str, str]:
    found = events.list_rules(NamePrefix=f"sluice-{JOB}-")["Rules"]
    return {rule["Name"]: rule["ScheduleExpression"] for rule in found}


def test_a_job_that_clocks_start_comes_runs_and_goes(checkout: Cloud) -> None:
    """One story, since a deployment takes seconds."""
    cloud = checkout
    events = client_of(cloud.environ, "events")
    cloud.script("deploy", JOB, check=True)
    assert rules(events) == {f"sluice-{JOB}-{name}-event": rate for name, rate in CLOCKS.items()}
    for name in CLOCKS:
        (target,) = events.list_targets_by_rule(Rule=f"sluice-{JOB}-{name}-event")["Targets"]
        assert target["Arn"].endswith(f":function:sluice-{JOB}-{name}")
        policy = json.loads(cloud.functions.get_policy(FunctionName=f"sluice-{JOB}-{name}")["Policy"])
        (statement,) = policy["Statement"]
        assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert cloud.deployed(JOB)["functions"].keys() == {
        f"sluice-{JOB}-{name}" for name in (*FUNCTIONS, *CLOCKS)
    }

    read: Counter[str] = Counter()
    newest = ""  # ids of runs that begin in one second are in no order of time
    for period, names in enumerate((("a.txt", "b/c.txt"), ("d.txt",)), start=1):
        for name in (*names, "passed over.log"):
            cloud.put("sluice-demo-in", f"{JOB}/{name}", f"word{period} {name}\n".encode())
        for _ in range(2):
            tick(cloud, "scheduler")
        source = f"s3://sluice-demo-work/periods/{JOB}/given/{period:010d}.period"
        run = cloud.until(lambda source=source: cloud.ended(JOB).get(source), JOB, f"period {period}")
        assert run.succeeded, run.files
        read += run.counts()
        latest = json.loads(cloud.get(OUT, f"{JOB}/_latest.json"))
        newest = max(newest, run.run)
        assert latest["run"] == newest
    tick(cloud, "scheduler")
    tick(cloud, "auditor")
    assert len(cloud.runs(JOB)) == 2, "nothing is new, and nothing was lost"
    assert read == Counter({"word1": 2, "word2": 1, "a.txt": 1, "b/c.txt": 1, "d.txt": 1})

    told = cloud.script("deploy", JOB, "--dry-run", check=True).stdout
    assert "rule sluice-clocked-scheduler-event" not in told, "it is so already"
    cloud.script("deploy", JOB, "--delete", check=True)
    assert rules(events) == {}
    assert cloud.deployed(JOB)["functions"] == {}
