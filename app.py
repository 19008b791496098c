"""What Chalice deploys: four functions, the S3 events that start two of them, and what clocks start of some jobs.

A stage is a job: its environment names it (`SLUICE_NAME`). The job's YAML is read here only while
Chalice deploys, to learn which buckets to watch; on Lambda this module stays light.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, get_args

from chalice.app import Chalice, CloudWatchEvent, EventSourceHandler, S3Event

from chalicelib.aws.function import ROOT, prepare, run
from chalicelib.config.triggers import ClockFunction, Trigger, TriggeredFunction

# Chalice would take the logger of its app's name, which the jobs' own are below, and write lines without ids.
app = Chalice(app_name="sluice", configure_logs=False)

NOT_DEPLOYING: dict[TriggeredFunction, Trigger] = {
    "coordinator": Trigger("known-at-deployment", "", ""),
    "supervisor": Trigger("known-at-deployment", "", ""),
}


def watched() -> tuple[dict[TriggeredFunction, Trigger], dict[ClockFunction, str]]:
    """What starts which function, objects or a clock; real only while Chalice deploys."""
    if "AWS_CHALICE_CLI_MODE" not in os.environ:
        return NOT_DEPLOYING, this_clock(os.environ.get("AWS_LAMBDA_FUNCTION_NAME", ""))
    from chalicelib.config.load import load_job
    from chalicelib.config.triggers import clocks, triggers
    from chalicelib.core.errors import UserError

    name = os.environ.get("SLUICE_NAME")
    if not name:
        raise SystemExit(
            "sluice: this stage has no SLUICE_NAME in .chalice/config.json; "
            "deploy a job with: scripts/deploy.py NAME"
        )
    try:
        job = load_job(name, root=ROOT, environ=os.environ, require_cloud=True)
    except UserError as error:
        raise SystemExit(f"sluice: {error}") from None
    return triggers(job.name, job.spec), clocks(job.spec)


def this_clock(deployed: str) -> dict[ClockFunction, str]:
    """The function that this process is, if a clock starts it."""
    return {name: "rate(1 hour)" for name in get_args(ClockFunction) if deployed.endswith(f"-{name}")}


class RawS3Event(S3Event):
    """An S3 event as it came.

    Chalice's own class reads `Records[0]` at once, so an event without Records (S3's test event)
    would fail before our code sees it, and the other records of an event would be lost.
    """

    context: Any  # Lambda's own, though Chalice calls it a dict

    def _extract_attributes(self, event_dict: dict[str, Any]) -> None:
        pass


class RawClockEvent(CloudWatchEvent):
    """A tick as it came: whatever it says, and whoever sends it, it is a tick."""

    context: Any

    def _extract_attributes(self, event_dict: dict[str, Any]) -> None:
        pass


def on_created(
    function: TriggeredFunction,
) -> Callable[[Callable[[RawS3Event], None]], EventSourceHandler]:
    """Register a handler for the objects that start `function`."""
    place = TRIGGERS[function]
    return app.on_s3_event(
        bucket=place.bucket,
        prefix=place.prefix or None,
        suffix=place.suffix or None,
        events=["s3:ObjectCreated:*"],
    )


TRIGGERS, CLOCKS = watched()


@on_created("coordinator")
def coordinator(event: RawS3Event) -> None:
    run(event.to_dict(), event.context)


@app.lambda_function()
def mapper(event: dict[str, Any], context: Any) -> None:
    run(event, context)


@on_created("supervisor")
def supervisor(event: RawS3Event) -> None:
    run(event.to_dict(), event.context)


@app.lambda_function()
def reducer(event: dict[str, Any], context: Any) -> None:
    run(event, context)


if "scheduler" in CLOCKS:

    @app.schedule(CLOCKS["scheduler"])
    def scheduler(event: RawClockEvent) -> None:
        run(event.to_dict(), event.context)

    scheduler.event_class = RawClockEvent


if "auditor" in CLOCKS:

    @app.schedule(CLOCKS["auditor"])
    def auditor(event: RawClockEvent) -> None:
        run(event.to_dict(), event.context)

    auditor.event_class = RawClockEvent


coordinator.event_class = RawS3Event
supervisor.event_class = RawS3Event

if "AWS_LAMBDA_FUNCTION_NAME" in os.environ and "AWS_CHALICE_CLI_MODE" not in os.environ:
    prepare()
