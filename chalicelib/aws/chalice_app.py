"""What Chalice deploys: four functions, the events that start two of them, and what clocks start of some jobs.

A project's `app.py` calls it.

A stage is a job: its environment names it (`SLUICE_NAME`). The job's YAML is read here only while Chalice deploys, to
learn which buckets to watch; on Lambda this module stays light.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, get_args

from chalice.app import Chalice, CloudWatchEvent, EventSourceHandler, S3Event

from ..config.triggers import ClockFunction, Trigger, TriggeredFunction
from .function import prepare, run

NOT_DEPLOYING: dict[TriggeredFunction, Trigger] = {
    "coordinator": Trigger("known-at-deployment", "", ""),
    "supervisor": Trigger("known-at-deployment", "", ""),
}


class App(NamedTuple):
    """The names that `app.py` must have: Chalice and Lambda look for them there."""

    app: Chalice
    coordinator: EventSourceHandler
    mapper: Callable[..., None]
    supervisor: EventSourceHandler
    reducer: Callable[..., None]
    #: What clocks start, of jobs that want it.
    scheduler: EventSourceHandler | None
    auditor: EventSourceHandler | None


class RawS3Event(S3Event):
    """An S3 event as it came, from S3 itself or by way of EventBridge.

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


def chalice_app(root: Path, environ: Mapping[str, str] = os.environ) -> App:
    """The app of the project in the folder `root`. While Chalice deploys: raises SystemExit for a job that is wrong."""
    # Chalice would take the logger of its app's name, which the jobs' own are below, and write lines without ids.
    app = Chalice(app_name="sluice", configure_logs=False)
    deploying = "AWS_CHALICE_CLI_MODE" in environ
    found = watched(root, environ) if deploying else Watched(NOT_DEPLOYING, {}, this_clock(environ))
    clocks = found.clocks

    def on_created(name: TriggeredFunction) -> Callable[[Callable[[RawS3Event], None]], EventSourceHandler]:
        """Register a handler for the objects that start the function."""
        if pattern := found.patterns.get(name):
            return app.on_cw_event(pattern)
        place = found.places[name]
        return app.on_s3_event(
            bucket=place.bucket,
            prefix=place.prefix or None,
            suffix=place.suffix or None,
            events=["s3:ObjectCreated:*"],
        )

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

    def on_tick(name: ClockFunction) -> EventSourceHandler | None:
        """Register a handler for a clock, if the job has it."""
        if name not in clocks:
            return None

        def tick(event: RawClockEvent) -> None:
            run(event.to_dict(), event.context)

        tick.__name__ = name  # what Chalice calls the function
        handler: EventSourceHandler = app.schedule(clocks[name], name=name)(tick)
        handler.event_class = RawClockEvent
        return handler

    coordinator.event_class = RawS3Event
    supervisor.event_class = RawS3Event
    if "AWS_LAMBDA_FUNCTION_NAME" in environ and not deploying:
        prepare()
    return App(app, coordinator, mapper, supervisor, reducer, on_tick("scheduler"), on_tick("auditor"))


class Watched(NamedTuple):
    """What starts which function: objects, told by S3 or picked from EventBridge by a pattern, or a clock."""

    places: dict[TriggeredFunction, Trigger]
    patterns: dict[TriggeredFunction, dict[str, Any]]
    clocks: dict[ClockFunction, str]


def watched(root: Path, environ: Mapping[str, str]) -> Watched:
    """What starts which function by the YAML of the stage's job."""
    from ..config.load import load_job
    from ..config.triggers import bus_patterns, clocks, triggers
    from ..core.errors import UserError

    name = environ.get("SLUICE_NAME")
    if not name:
        raise SystemExit(
            "sluice: this stage has no SLUICE_NAME in .chalice/config.json; "
            "deploy a job with: scripts/deploy.py NAME"
        )
    try:
        job = load_job(name, root=root, environ=environ, require_cloud=True)
    except UserError as error:
        raise SystemExit(f"sluice: {error}") from None
    from .chalice_python import deploy_for

    deploy_for(job.spec.python, job.spec.architecture)
    places = triggers(job.name, job.spec)
    return Watched(places, bus_patterns(job.name, job.spec), clocks(job.spec))


def this_clock(environ: Mapping[str, str]) -> dict[ClockFunction, str]:
    """The function that this process is, if a clock starts it."""
    deployed = environ.get("AWS_LAMBDA_FUNCTION_NAME", "")
    return {name: "rate(1 hour)" for name in get_args(ClockFunction) if deployed.endswith(f"-{name}")}
