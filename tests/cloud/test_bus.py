"""Two jobs on one prefix, one of them by way of EventBridge: by `deploy.py`, then as a stack of CloudFormation.

They are two stages of one job, so this shows these, too: what is deployed of one is another's neighbour, no more.

The emulator delivers both kinds of events. Its CloudFormation does not know `RecursiveLoop`; cfn-lint does.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.cloud.harness import IN, WORK, Cloud, client_of

pytestmark = pytest.mark.cloud

JOB = "small-shared"
STAGED = ("small", "--stage", "shared")


def both_count(cloud: Cloud, name: str, word: str) -> None:
    """Drop an object that both jobs watch; its name is one that S3's own events encode."""
    source = cloud.put(IN, f"small/{name}", f"{word} {word}\nother\n".encode())
    for job in ("small", JOB):
        (run,) = cloud.wait(job, [source]).values()
        assert run.succeeded, run.files
        assert run.counts() == Counter({word: 2, "other": 1})
        assert cloud.run_of(job, source) == run.run
        assert cloud.plan(job, run.run)["partitions"] == {"small": 8, JOB: 3}[job]


def notifications(cloud: Cloud, bucket: str) -> dict[str, Any]:
    found = cloud.s3.get_bucket_notification_configuration(Bucket=bucket)
    return {key: value for key, value in found.items() if key != "ResponseMetadata"}


def of_neighbour(cloud: Cloud) -> Any:
    """What is deployed of `small`, by whose name those of its stage begin."""
    return {
        kind: {name: row for name, row in rows.items() if "-shared-" not in name}
        if isinstance(rows, dict) and kind in ("functions", "roles")
        else [row for row in rows if "-shared-" not in str(row)]
        if isinstance(rows, list)
        else {bucket: [row for row in found if "-shared-" not in str(row)] for bucket, found in rows.items()}
        for kind, rows in cloud.deployed("small").items()
    }


def rules(events: Any) -> list[str]:
    return [rule["Name"] for rule in events.list_rules(NamePrefix=f"sluice-{JOB}-")["Rules"]]


def test_two_jobs_watch_one_prefix(cloud: Cloud, tmp_path: Path) -> None:
    """One story, since deployments take seconds."""
    events, stacks = client_of(cloud.environ, "events"), client_of(cloud.environ, "cloudformation")
    before = notifications(cloud, IN)
    neighbour = of_neighbour(cloud)
    told = cloud.script("deploy", *STAGED, check=True).stdout
    assert of_neighbour(cloud) == neighbour
    assert f"S3 tells EventBridge of s3://{IN}/ from now on" in told
    assert notifications(cloud, IN) == {**before, "EventBridgeConfiguration": {}}
    assert rules(events) == [f"sluice-{JOB}-{name}-event" for name in ("coordinator", "supervisor")]
    both_count(cloud, "both, a+b 100%.txt", "one")
    by_script = cloud.deployed(JOB)
    assert by_script["events"] == {bucket: [] for bucket in by_script["events"]}
    retries = {name: cloud.retries(name) for name in by_script["functions"]}
    gone = cloud.script("deploy", JOB, "--delete", check=True).stdout
    assert of_neighbour(cloud) == neighbour
    assert f"S3 goes on telling EventBridge of s3://{IN}/" in gone
    assert (rules(events), cloud.deployed(JOB)["functions"]) == ([], {})
    assert notifications(cloud, IN) == {**before, "EventBridgeConfiguration": {}}

    variables = by_script["functions"][f"sluice-{JOB}-supervisor"]["Environment"]["Variables"]
    account = ("--account-concurrency", variables["SLUICE_CONCURRENCY"])
    cloud.script(
        "deploy", *STAGED, "--package", str(tmp_path), "--format", "cloudformation", *account, check=True
    )
    (zipped,) = tmp_path.glob("*.zip")
    cloud.put(WORK, zipped.name, zipped.read_bytes())
    stacks.create_stack(
        StackName="shared",
        TemplateBody=(tmp_path / "template.json").read_text(),
        Parameters=[{"ParameterKey": "CodeBucket", "ParameterValue": WORK}],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    stack = cloud.until(lambda: _settled(stacks), JOB, "the stack")
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.describe_stack_events(StackName="shared")
    by_stack = cloud.deployed(JOB)
    assert by_stack["roles"] == by_script["roles"]
    assert {name: cloud.retries(name) for name in by_stack["functions"]} == retries
    for row in by_script["functions"].values():
        row["recursion"] = "Terminate"
    assert by_stack["functions"] == by_script["functions"]
    assert rules(events) == [f"sluice-{JOB}-{name}-event" for name in ("coordinator", "supervisor")]
    policy = json.loads(cloud.functions.get_policy(FunctionName=f"sluice-{JOB}-coordinator")["Policy"])
    assert [row["Principal"] for row in policy["Statement"]] == [{"Service": "events.amazonaws.com"}]
    both_count(cloud, "by the stack.txt", "two")
    stacks.delete_stack(StackName="shared")
    cloud.until(lambda: not cloud.deployed(JOB)["functions"], JOB, "the stack to go")


def _settled(stacks: Any) -> dict[str, Any] | None:
    (stack,) = stacks.describe_stacks(StackName="shared")["Stacks"]
    return None if stack["StackStatus"].endswith("_IN_PROGRESS") else dict(stack)
