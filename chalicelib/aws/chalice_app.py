"""What Chalice deploys: four functions, and the S3 events that start two of them. A project's `app.py` calls it.

A stage is a job: its environment names it (`SLUICE_NAME`). The job's YAML is read here only while Chalice deploys, to
learn which buckets to watch; on Lambda this module stays light.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from chalice.app import Chalice, EventSourceHandler, S3Event

from ..config.triggers import Trigger, TriggeredFunction
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


class RawS3Event(S3Event):
    """An S3 event as it came.

    Chalice's own class reads `Records[0]` at once, so an event without Records (S3's test event)
    would fail before our code sees it, and the other records of an event would be lost.
    """

    context: Any  # Lambda's own, though Chalice calls it a dict

    def _extract_attributes(self, event_dict: dict[str, Any]) -> None:
        pass


def chalice_app(root: Path, environ: Mapping[str, str] = os.environ) -> App:
    """The app of the project in the folder `root`. While Chalice deploys: raises SystemExit for a job that is wrong."""
    # Chalice would take the logger of its app's name, which the jobs' own are below, and write lines without ids.
    app = Chalice(app_name="sluice", configure_logs=False)
    deploying = "AWS_CHALICE_CLI_MODE" in environ
    places = watched(root, environ) if deploying else NOT_DEPLOYING

    def on_created(name: TriggeredFunction) -> Callable[[Callable[[RawS3Event], None]], EventSourceHandler]:
        """Register a handler for the objects that start the function."""
        place = places[name]
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

    coordinator.event_class = RawS3Event
    supervisor.event_class = RawS3Event
    if "AWS_LAMBDA_FUNCTION_NAME" in environ and not deploying:
        prepare()
    return App(app, coordinator, mapper, supervisor, reducer)


def watched(root: Path, environ: Mapping[str, str]) -> dict[TriggeredFunction, Trigger]:
    """The objects that start the coordinator and the supervisor, by the YAML of the stage's job."""
    from ..config.load import load_job
    from ..config.triggers import triggers
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
    return triggers(job.name, job.spec)
