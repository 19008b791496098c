"""What is there before a deployment: frozen, so that planning is a function of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from chalicelib.core.ports import FunctionName

from .target import Json, Where


@dataclass(frozen=True, kw_only=True)
class BucketState:
    """A bucket that exists: its notification configuration and its lifecycle rules."""

    rules: Json = field(default_factory=dict)
    lifecycle: list[Json] = field(default_factory=list)
    #: ARNs in its event rules of Sluice functions that no longer exist.
    dead: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class FunctionState:
    """A function that exists. None: not set, or not to be read with these credentials."""

    #: MB, seconds.
    memory: int | None = None
    timeout: int | None = None
    architecture: str | None = None
    runtime: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    #: How many of it may run at once, nobody else having their places.
    reserved: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    #: Days that its log lines are kept; 0: for ever.
    log_retention: int | None = None
    #: `Active` or `PassThrough`.
    tracing: str | None = None
    #: MB of local disk.
    ephemeral_storage: int | None = None
    recursion: str | None = None
    retries: int | None = None
    max_age: int | None = None
    #: ARN of what Lambda tells of events that the function has failed for good.
    on_failure: str | None = None


@dataclass(frozen=True, kw_only=True)
class RoleState:
    """A role. None: not to be read with these credentials; `policy` is also None if there is none."""

    exists: bool | None
    policy: Json | None = None


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What was found in the account and in the checkout."""

    region: str
    account: str
    #: `aws`, `aws-cn`, ...: the second part of every ARN.
    partition: str = "aws"
    #: How many functions may run at once that reserve no share of their own; None: not to be read.
    concurrency: int | None = None
    #: The stage in `.chalice/config.json`, if it is there, and its policy files.
    stage: Json | None = None
    policies: Mapping[FunctionName, Json] = field(default_factory=dict)
    #: What Chalice remembers of the last deployment to this account; empty if there was none.
    record: Json = field(default_factory=dict)
    #: (region, account) of the last deployment, if it was not to this one.
    elsewhere: tuple[str, str] | None = None
    #: The state of each bucket that was looked at; None for one that does not exist.
    buckets: Mapping[str, BucketState | None] = field(default_factory=dict)
    #: The same of each function of the job, of its role, and whether it has logs (None: not to be read).
    functions: Mapping[str, FunctionState | None] = field(default_factory=dict)
    roles: Mapping[str, RoleState] = field(default_factory=dict)
    logs: Mapping[str, bool | None] = field(default_factory=dict)

    #: By name of the rule of EventBridge, how often a clock starts its function, or the pattern, in JSON, of the
    #: events that do; "": no such rule, None: not to be read.
    clocks: Mapping[str, str | None] = field(default_factory=dict)

    def role(self, function: str) -> RoleState:
        return self.roles.get(function) or RoleState(exists=False)

    @property
    def where(self) -> Where:
        return Where(self.partition, self.region, self.account)
