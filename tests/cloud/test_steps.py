"""A job of several steps through the real deployment, and a second job that its end starts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from tests.cloud.harness import OUT, WORK, Cloud

pytestmark = pytest.mark.cloud

WORDS = [f"w{number * number % 97}" for number in range(6000)]
TEXT = "".join(f"{word} {'end' if number % 50 == 0 else ''}\n" for number, word in enumerate(WORDS)).encode()


def told(checkout: Cloud) -> Callable[[], list[Any]]:
    """Has a queue of its own told what the topic and the bus of `relay` are; what the queue was told."""
    clients = {
        name: boto3.client(  # type: ignore[call-overload]
            name,
            endpoint_url=checkout.environ["AWS_ENDPOINT_URL"],
            region_name="us-east-1",
            aws_access_key_id=checkout.environ["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=checkout.environ["AWS_SECRET_ACCESS_KEY"],
        )
        for name in ("sns", "sqs", "events")
    }
    topic = clients["sns"].create_topic(Name="sluice-runs")["TopicArn"]
    url = clients["sqs"].create_queue(QueueName="told")["QueueUrl"]
    asked = clients["sqs"].get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    queue = asked["Attributes"]["QueueArn"]
    clients["sns"].subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    clients["events"].put_rule(Name="told", EventPattern=json.dumps({"source": ["sluice"]}))
    clients["events"].put_targets(Rule="told", Targets=[{"Id": "1", "Arn": queue}])

    def received() -> list[Any]:
        answer = clients["sqs"].receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0)
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]

    return received


def test_steps_are_one_run_and_its_success_starts_the_next_job(checkout: Cloud) -> None:
    received = told(checkout)
    for job in ("relay", "tiers"):
        checkout.script("deploy", job, check=True)
    source = checkout.put("sluice-demo-in", "tiers/a.txt", TEXT)
    (run,) = checkout.wait("tiers", [source]).values()
    assert run.succeeded, run.failure
    assert run.manifest["steps"] == 3
    assert run.manifest["exchange_tasks"] > 1
    assert run.manifest["exchanged"]["bytes_in"] == run.manifest["reduced"]["bytes_in"] > 0
    assert run.manifest["input_bytes"] == len(TEXT)
    assert run.manifest["parts"][0]["key"].endswith(".pairs")
    steps = {key.split("/")[3] for key in checkout.listing(WORK, f"runs/tiers/{run.run}/step-")}
    assert steps == {"step-1", "step-2", "step-3"}
    assert run.manifest["loops"] == [{"name": "Count", "rounds": 2, "converged": True}]

    (found,) = checkout.wait("relay", [f"s3://{OUT}/tiers/{run.run}/_SUCCESS"]).values()
    assert found.succeeded, found.failure
    counted = Counter(TEXT.decode().split())
    top = sorted(counted.items(), key=lambda row: (-row[1], row[0]))[:20]
    assert found.text.decode().splitlines() == [f"{word}\t{count}" for word, count in sorted(top)]
    assert len(found.parts) == 1
    assert len(checkout.runs("relay")) == 1, "parts, manifest and markers start nothing"

    by_topic, by_bus = sorted(
        checkout.until(lambda: heard if len(heard := received()) > 1 else None, "relay", "two notices"),
        key=lambda heard: "detail" in heard,
    )
    assert json.loads(by_topic["Message"]) == by_bus["detail"]
    assert by_bus["detail-type"] == "Sluice Run Succeeded"
    assert (by_bus["detail"]["job"], by_bus["detail"]["run"]) == ("relay", found.run)

    shown = checkout.script("status", "tiers", run.run, check=True).stdout
    assert "step 3 of 3" in shown
