"""What Lambda itself says it bills, by the REPORT line of each invocation, beside what is worked out here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from chalicelib.core.errors import UserError
from chalicelib.core.ports import FunctionName
from chalicelib.run.status.fields import Dollars
from chalicelib.run.status.price_list import Architecture, Prices
from chalicelib.run.status.prices import Usage, cost
from scripts.deployment.target import FUNCTIONS
from scripts.log_reading.cloud_watch import NoLogGroup, log_group, read_events

#: Lines of both formats that Lambda writes its own in.
_PATTERN = '?"REPORT RequestId" ?"platform.report"'
_BILLED = re.compile(r"^REPORT RequestId: .*?\bBilled Duration: (\d+(?:\.\d+)?) ms\s+Memory Size: (\d+) MB")
#: The functions whose time is that of tasks; the others watch over them.
_TASKS: frozenset[FunctionName] = frozenset(("mapper", "reducer"))


@dataclass(kw_only=True)
class Billed:
    """Some invocations, as Lambda tells of them."""

    invocations: int = 0
    seconds: float = 0.0
    gb_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Compared:
    """The time of some functions in dollars, as Lambda bills it, and as it is worked out here."""

    what: str
    invocations: int
    seconds: float
    billed: float
    ours: float

    @property
    def difference(self) -> float | None:
        """Of ours to what is billed, as a share of that; None where nothing is billed."""
        return (self.ours - self.billed) / self.billed if self.billed else None


def reconcile(
    client: Any, job: str, since: float, ours: Dollars, architecture: Architecture, prices: Prices
) -> list[Compared]:
    """By tasks, supervision and both, of all invocations of a job's functions from `since` on.

    Holds one page of a log group. Raises UserError if there is none, or no REPORT line in any.
    """
    found = {function: Billed() for function in FUNCTIONS}
    missing = 0
    for function, sum_ in found.items():
        try:
            for milliseconds, megabytes in _reports(client, job, function, since):
                sum_.invocations += 1
                sum_.seconds += milliseconds / 1000
                sum_.gb_seconds += milliseconds / 1000 * megabytes / 1024
        except NoLogGroup:
            missing += 1
    if not any(one.invocations for one in found.values()):
        why = "there are no log groups" if missing == len(found) else "no REPORT line is that new"
        raise UserError(
            f"{job}: nothing to compare with in {log_group(job, 'mapper')} and the other functions' log groups: {why}."
            " Name the region that the job is deployed in (AWS_DEFAULT_REGION), or a longer --since; lines are kept as"
            " long as the log group says"
        )
    tasks = [one for function, one in found.items() if function in _TASKS]
    others = [one for function, one in found.items() if function not in _TASKS]
    worked, watched = ours.map + ours.exchange + ours.reduce + ours.wasted, ours.supervision

    def compared(what: str, some: list[Billed], ours: float) -> Compared:
        gb_seconds = sum(one.gb_seconds for one in some)
        return Compared(
            what=what,
            invocations=sum(one.invocations for one in some),
            seconds=sum(one.seconds for one in some),
            billed=cost(Usage(gb_seconds=gb_seconds, architecture=architecture), prices),
            ours=ours,
        )

    return [
        compared("mapper, reducer", tasks, worked),
        compared("supervisor, coordinator", others, watched),
        compared("together", tasks + others, worked + watched),
    ]


def _reports(client: Any, job: str, function: FunctionName, since: float) -> Iterator[tuple[float, int]]:
    """(milliseconds billed, MB of memory) of each invocation."""
    asked = {
        "logGroupName": log_group(job, function), "filterPattern": _PATTERN, "startTime": int(since * 1000),
    }  # fmt: skip
    for event in read_events(client, asked):
        if report := parse_report(event["message"]):
            yield report


def parse_report(text: str) -> tuple[float, int] | None:
    """(milliseconds billed, MB) of a REPORT line, or of a `platform.report` in JSON; None of any other line."""
    if line := _BILLED.match(text):
        return float(line[1]), int(line[2])
    try:
        found = json.loads(text)
        if found["type"] != "platform.report":
            return None
        metrics = found["record"]["metrics"]
        return float(metrics["billedDurationMs"]), int(metrics["memorySizeMB"])
    except (ValueError, TypeError, KeyError):  # a line of ours that quotes one
        return None
