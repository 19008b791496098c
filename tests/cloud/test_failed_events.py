"""An event on which a function fails for good: Lambda tries it again, then tells the supervisor."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.core.ports import Loc
from chalicelib.run.events import event_for
from tests.cloud.harness import WORK, Cloud

pytestmark = pytest.mark.cloud

JOB = "small"


def told(cloud: Cloud, function: str, by: str, run: str) -> list[dict[str, Any]]:
    """What `function` logged when it was told that `by` has failed on an event of `run`."""
    lines = [json.loads(line) for line in cloud.log(JOB, function) if line.startswith("{")]
    return [
        line for line in lines if line.get("failed", "").endswith(f"sluice-{JOB}-{by}") and line["run"] == run
    ]


def later(cloud: Cloud, function: str, event: dict[str, Any]) -> None:
    """Start a function as S3 and other functions do: Lambda keeps the event and tries it again."""
    cloud.functions.invoke(
        FunctionName=f"sluice-{JOB}-{function}", InvocationType="Event", Payload=json.dumps(event).encode()
    )


@pytest.mark.parametrize("function", ["mapper", "reducer"])
def test_the_supervisor_is_told_what_a_task_s_function_has_failed_on(cloud: Cloud, function: str) -> None:
    run = f"unheard-of-{function}"
    later(cloud, function, {"job": JOB, "run": run, "lo": 0, "hi": 1, "attempt": "none"})

    def look() -> list[dict[str, Any]]:
        return told(cloud, "supervisor", function, run)

    (line,) = cloud.until(look, JOB, f"the supervisor to be told of the {function}")
    assert (line["condition"], line["level"]) == ("RetriesExhausted", "WARNING")


def test_a_supervisor_is_told_what_another_has_failed_on(cloud: Cloud) -> None:
    """By way of the coordinator: AWS lets no function be the destination of its own events."""
    run = "20261121T032424-00000000dead"
    cloud.put(WORK, f"runs/{JOB}/{run}/plan.json", b"no plan")
    later(cloud, "supervisor", event_for(Loc(WORK, f"runs/{JOB}/{run}/plan.done")))

    def rounds() -> list[int]:
        """The supervisor takes it up once more, and then is to end the run."""
        lines = [json.loads(line) for line in cloud.log(JOB, "supervisor") if line.startswith("{")]
        found = {line["round"] for line in lines if "round" in line and line["run"] == run}
        return sorted(found) if len(found) == 2 else []

    assert cloud.until(rounds, JOB, "the supervisor to take its own event up again") == [1, 2]
    assert told(cloud, "coordinator", "supervisor", run)
    cloud.s3.delete_object(Bucket=WORK, Key=f"runs/{JOB}/{run}/plan.json")
