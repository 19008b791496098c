"""A job to deploy, and the names that a deployment gives to what belongs to it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from chalicelib.config.triggers import (
    ClockFunction,
    Trigger,
    TriggeredFunction,
    bus_patterns,
    clocks,
    further,
    triggers,
)
from chalicelib.core.errors import UserError
from chalicelib.core.ports import FunctionName
from chalicelib.core.spec import JobSpec
from chalicelib.run.job_code import Shape

from .runtime import Runtime, runtime_of

APP = "sluice"
CLOCKS: tuple[ClockFunction, ...] = get_args(ClockFunction)
#: Those that events start.
TRIGGERED: tuple[TriggeredFunction, ...] = get_args(TriggeredFunction)
#: Those that every job has.
FUNCTIONS: tuple[FunctionName, ...] = tuple(name for name in get_args(FunctionName) if name not in CLOCKS)
#: Whether Lambda lets a function be part of a chain in which it comes up again and again.
Recursion = Literal["Allow", "Terminate"]
#: What each function has beside what Chalice sets: see `aws.functions`. The trees and the supervisor are such chains.
#: Nobody calls the coordinator: if one comes up again, jobs start each other without end. So it is with clocks.
RECURSION: dict[FunctionName, Recursion] = {
    "coordinator": "Terminate",
    "mapper": "Allow",
    "supervisor": "Allow",
    "reducer": "Allow",
}
#: Lambda's own retries of a failed asynchronous event, and how long it may wait in the queue (6 h), in seconds.
ASYNC_RETRIES = 2
ASYNC_MAX_AGE = 21_600

#: `sluice-<name>-coordinator` must fit in the 64 letters of a function's or role's name.
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_FUNCTION_ARN = re.compile(
    rf"arn:[^:]+:lambda:[^:]*:[^:]*:function:(?P<name>{APP}-.+-(?:{'|'.join((*FUNCTIONS, *CLOCKS))}))(?::.*)?"
)

#: In a checkout: below it is a folder for each job, from which it is deployed.
STAGING = Path(".sluice", "deploy")

Json = dict[str, Any]
#: What a function of ours consists of in an account, in the order in which it is removed.
Kind = Literal["rule", "function", "role", "logs"]
#: Of a function that no clock starts.
KINDS: tuple[Kind, ...] = ("function", "role", "logs")


class Where(NamedTuple):
    """The account that a job is deployed to, in the words of an ARN; `*` for what is not known."""

    #: `aws`, `aws-cn`, ...
    partition: str = "*"
    region: str = "*"
    account: str = "*"


class DeployError(UserError):
    """Why a job could not be deployed or deleted, in one sentence, with what to do."""


def bill_path(name: str) -> Path:
    """Where, in a checkout, the bill of materials of a job's last deployment lies."""
    return STAGING / name / "sbom.cdx.json"


@dataclass(frozen=True, kw_only=True)
class Target:
    """A job to deploy: its name, its configuration, and the `SLUICE_*` overrides in force."""

    name: str
    spec: JobSpec
    overrides: Mapping[str, str]
    shape: Shape = field(default_factory=Shape)
    #: Files beside the job file that its code names by itself, as jobs written for mrjob do.
    named_files: tuple[str, ...] = ()
    #: What in its code is most likely a mistake, a sentence each.
    warnings: tuple[str, ...] = ()

    @property
    def runtime(self) -> Runtime:
        return runtime_of(self.spec)

    @property
    def triggers(self) -> dict[FunctionName, Trigger]:
        """What Chalice registers: of several inputs the first."""
        return dict(triggers(self.name, self.spec).items())

    @property
    def functions(self) -> tuple[FunctionName, ...]:
        """Those of every job, and those that a clock starts for this one."""
        return (*FUNCTIONS, *clocks(self.spec))

    @property
    def rules(self) -> dict[FunctionName, tuple[Trigger, ...]]:
        """All event rules, one for each input and one for the work place."""
        more = {"coordinator": further(self.spec)}
        return {function: (rule, *more.get(function, ())) for function, rule in self.triggers.items()}

    @property
    def patterns(self) -> dict[TriggeredFunction, Json]:
        """The events that EventBridge gives to which function; none of a job that S3 itself tells."""
        return bus_patterns(self.name, self.spec)

    @property
    def told_buckets(self) -> tuple[str, ...]:
        """The buckets that the job's event rules watch, each once."""
        return tuple(dict.fromkeys(rule.bucket for rules in self.rules.values() for rule in rules))

    @property
    def buckets(self) -> dict[str, str]:
        """What each bucket is for, without repeats, in the order they are made."""
        places = dict.fromkeys(("input", given.loc.bucket) for given in self.spec.inputs)
        places |= {("work", self.spec.work_loc.bucket): None, ("output", self.spec.output_loc.bucket): None}
        purposes: dict[str, str] = {}
        for purpose, bucket in places:
            purposes[bucket] = f"{purposes[bucket]} and {purpose}" if bucket in purposes else purpose
        return purposes


def check_name(name: str) -> str:
    """`name`, if a job may be called so. Raises DeployError."""
    if not _NAME.fullmatch(name):
        raise DeployError(
            f"{name!r} cannot be a job's name: expected up to 32 of a-z, 0-9, _ and -, starting with a letter"
        )
    return name


def function_name(job: str, function: FunctionName) -> str:
    return f"{APP}-{job}-{function}"


def clock_rule(job: str, function: FunctionName) -> str:
    """The name that Chalice gives to the rule of EventBridge that starts the function, by a clock or by events."""
    return f"{function_name(job, function)}-event"


def told_of_failures(function: FunctionName) -> FunctionName:
    """The function of the same job that Lambda sends an event to which `function` has failed for good.

    That is the supervisor. A function cannot be a destination of its own, so the supervisor's events go to the
    coordinator, which passes them on.
    """
    return "coordinator" if function == "supervisor" else "supervisor"


def function_arn(where: Where, job: str, function: FunctionName) -> str:
    return (
        f"arn:{where.partition}:lambda:{where.region}:{where.account}:function:{function_name(job, function)}"
    )


def function_names(job: str) -> tuple[str, ...]:
    """Those that every job has."""
    return tuple(function_name(job, function) for function in FUNCTIONS)


def clock_names(job: str) -> dict[ClockFunction, str]:
    """Those that a clock starts, if the job asks for them."""
    return {function: function_name(job, function) for function in CLOCKS}


def policy_file(job: str, function: FunctionName) -> str:
    return f"policy-{job}-{function}.json"


def sluice_function(arn: str) -> str | None:
    """The name of the function `arn` is of, if it is one of Sluice's; None for all others."""
    found = _FUNCTION_ARN.fullmatch(arn)
    return found["name"] if found else None
