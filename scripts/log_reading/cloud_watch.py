"""The log groups of a deployed job's functions in CloudWatch Logs."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from chalicelib.core.errors import UserError
from chalicelib.core.ports import FunctionName
from scripts.deployment.aws.errors import MISSING, error_code, translated
from scripts.deployment.target import FUNCTIONS, function_name

from .lines import LogLine, parse

#: Seconds before a run's id was made at which its lines may begin, by another clock.
_EARLIER = 300
#: Seconds that an event may come late: so far back is looked again for what was not there before.
_LATE = 60
_CONFIG = Config(retries={"mode": "standard", "max_attempts": 8}, connect_timeout=10, read_timeout=60)


def make_client(region: str = "") -> Any:
    """boto3's client for CloudWatch Logs in a region, or the one that its usual places name. Raises DeployError."""
    with translated("read logs"):
        return boto3.client("logs", config=_CONFIG, region_name=region or None)


def log_group(job: str, function: FunctionName) -> str:
    return f"/aws/lambda/{function_name(job, function)}"


class CloudWatch:
    """A `Source`: the events of a run in the groups of a job's functions. Holds one page of each group.

    CloudWatch gives the events of a group in order of time. Those of the last minute may not all be there yet, so the
    next look goes back as far, and leaves out the events that it knows.
    """

    #: Seconds after which nearly all events can be read, and after which no more come of a run that has ended.
    lag, settle = 3.0, 6.0

    def __init__(self, client: Any, job: str, run: str) -> None:
        self._client, self._job, self._run = client, job, run
        self._since = _begun(run)
        #: Events of earlier looks, and of the one under way, that the next look will meet again; and when they were.
        self._known: dict[str, int] = {}
        self._new: dict[str, int] = {}
        self._missing: set[FunctionName] = set()

    def lines(self, until: float) -> Iterator[LogLine]:
        """Raises UserError if there is no log group at all and no more is to come, DeployError for what AWS refuses."""
        self._missing = set()
        again = 0 if math.isinf(until) else int((until - _LATE) * 1000)
        groups = (self._group(function, until, again) for function in FUNCTIONS)
        yield from heapq.merge(*groups, key=lambda line: line.at)
        if len(self._missing) == len(FUNCTIONS) and math.isinf(until):
            raise UserError(
                f"{self._job}: {self._client.meta.region_name} has no log group {log_group(self._job, 'mapper')}, nor"
                f" one of its other functions: deploy the job (scripts/deploy.py {self._job}), choose the region that"
                " it is deployed in (AWS_DEFAULT_REGION), or name the local engine's work folder with --work"
            )
        self._since = max(self._since, again)
        self._known = {name: at for name, at in (self._known | self._new).items() if at >= self._since}
        self._new = {}

    def _group(self, function: FunctionName, until: float, again: int) -> Iterator[LogLine]:
        for event in self._events(function, until):
            at = event["timestamp"]
            # Emulators give no ids. They also write an invocation's lines all at once.
            name = event.get("eventId") or f"{event.get('logStreamName')} {at} {event['message']}"
            if name in self._known:
                continue
            if again and at >= again:
                self._new[name] = at
            yield parse(event["message"], at / 1000, function)

    def _events(self, function: FunctionName, until: float) -> Iterator[dict[str, Any]]:
        asked: dict[str, Any] = {
            "logGroupName": log_group(self._job, function),
            "filterPattern": f'"{self._run}"',
            "startTime": self._since,
        }
        if not math.isinf(until):
            asked["endTime"] = int(until * 1000)
        try:
            yield from read_events(self._client, asked)
        except NoLogGroup:  # it has not been called yet
            self._missing.add(function)


class NoLogGroup(Exception):
    """There is no such log group."""


def read_events(client: Any, asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The events of a group, by the arguments of `FilterLogEvents`, in order of time; holds one page.

    Raises NoLogGroup, and DeployError for what AWS refuses.
    """
    pages = iter(client.get_paginator("filter_log_events").paginate(**asked))
    while True:
        with translated(f"read the log group {asked['logGroupName']}"):
            try:
                page = next(pages, None)  # one may be empty though more follow
            except ClientError as error:
                if error_code(error) not in MISSING:
                    raise
                raise NoLogGroup(asked["logGroupName"]) from error
        if page is None:
            return
        yield from page["events"]


def _begun(run: str) -> int:
    """Milliseconds since the epoch before which a run can have logged nothing, by its id; 0 if that does not tell."""
    try:
        begun = datetime.strptime(run[:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return 0
    return int((begun - _EARLIER) * 1000)
