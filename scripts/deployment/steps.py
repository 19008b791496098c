"""The steps of a deployment. Each is frozen data that says what is to be so; `executor` makes it so.

Doing a step again changes nothing, so a deployment that was interrupted is finished by the next one. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from chalicelib.config.triggers import Trigger
from chalicelib.core.ports import FunctionName, Loc

from .target import Json, Kind, Recursion

NOTHING = "nothing"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing that is to be so."""

    #: What doing it would change, as far as planning could see, in one line; "" if it is so already.
    change: str = ""

    @property
    def subject(self) -> str:
        """What the step is about."""
        raise NotImplementedError

    @property
    def lines(self) -> list[str]:
        """The step as `--dry-run` prints it: one sentence, and details below it."""
        return [f"{self.subject}: {self.change or NOTHING}"]

    @property
    def in_account(self) -> list[str]:
        """What doing it would change in the account, a line each."""
        return [f"{self.subject}: {self.change}"] if self.change else []


@dataclass(frozen=True, kw_only=True)
class MakeBucket(Step):
    """The bucket exists. One that is made is private, TLS only and encrypted; another one stays as it is."""

    bucket: str
    #: `input`, `work and output`, ...
    purpose: str
    kms_key: str

    @property
    def subject(self) -> str:
        return f"bucket {self.bucket}"


@dataclass(frozen=True, kw_only=True)
class WriteStage(Step):
    """`.chalice/` holds the stage and its policies; neither is there if `stage` is None."""

    name: str
    stage: Json | None
    policies: Mapping[FunctionName, Json] | None = None
    #: What is to be said of it, a sentence each.
    notes: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        return f"stage {self.name} in .chalice/config.json"

    @property
    def in_account(self) -> list[str]:
        return []

    @property
    def lines(self) -> list[str]:
        return [*super().lines, *(f"  {text}" for text in self.notes)]


@dataclass(frozen=True, kw_only=True)
class ForgetRecord(Step):
    """Chalice remembers no deployment of the stage."""

    name: str
    #: (region, account) that the forgotten deployment went to, if not to this one.
    elsewhere: tuple[str, str] | None = None

    @property
    def subject(self) -> str:
        return f"Chalice's record .chalice/deployed/{self.name}.json"

    @property
    def in_account(self) -> list[str]:
        return []


@dataclass(frozen=True, kw_only=True)
class TidyRules(Step):
    """No event rule of the bucket is in Chalice's way.

    Rules of dead functions make S3 refuse new ones; rules of our functions in the wrong bucket would start
    them for nothing; and of the coordinator's rules Chalice knows one only.
    """

    bucket: str
    misplaced: frozenset[str]
    coordinator: str

    @property
    def subject(self) -> str:
        return f"stale event rules of bucket {self.bucket}"


@dataclass(frozen=True, kw_only=True)
class TellBus(Step):
    """S3 tells the account's event bus of what happens in the bucket. Whom else it tells stays."""

    bucket: str

    @property
    def subject(self) -> str:
        return f"events of bucket {self.bucket} to EventBridge"


@dataclass(frozen=True, kw_only=True)
class RunChalice(Step):
    """Chalice has deployed, or deleted, the functions, their roles, their logs and the first event rule of each."""

    command: Literal["deploy", "delete"]
    name: str
    #: What it gets to read of the job; None where it deletes.
    stage: Json | None = None
    details: tuple[str, ...] = field(default=())
    #: Where Lambda is to take a zip from that is too large to be sent; the zip is put there meanwhile.
    code: Loc | None = None
    #: Whether none of the functions is there yet.
    first: bool = False

    @property
    def subject(self) -> str:
        return f"chalice {self.command} --stage {self.name}"

    @property
    def lines(self) -> list[str]:
        return [*super().lines, *(f"  {text}" for text in self.details)]

    @property
    def in_account(self) -> list[str]:
        return [text for text in self.details if not text.partition(": ")[2].startswith(NOTHING)]


@dataclass(frozen=True, kw_only=True)
class WriteBill(Step):
    """The bill of materials of the zip (SBOM) lies in the checkout."""

    name: str
    #: From the root of the checkout.
    path: str

    @property
    def subject(self) -> str:
        return f"bill of materials {self.path}"

    @property
    def in_account(self) -> list[str]:
        return []


@dataclass(frozen=True, kw_only=True)
class ConfigureFunction(Step):
    """The function may come up again in a chain of calls, or not.

    Its asynchronous events are tried again, and those that have failed for good are sent on.
    """

    function: str
    recursion: Recursion
    #: ARN of the function that they are sent to.
    on_failure: str
    #: MB of local disk; None: as it is.
    ephemeral_storage: int | None = None
    #: X-Ray's tracing is off. (Chalice switches it on.)
    untraced: bool = False

    @property
    def subject(self) -> str:
        return f"recursion and retries of function {self.function}"


@dataclass(frozen=True, kw_only=True)
class SetRules(Step):
    """The bucket of `triggers` starts the function by these rules and no others."""

    function: str
    triggers: tuple[Trigger, ...]

    @property
    def subject(self) -> str:
        return f"event rules of bucket {self.triggers[0].bucket} for {self.function}"


@dataclass(frozen=True, kw_only=True)
class SetLifecycle(Step):
    """The bucket has these lifecycle rules of the job and no others of it."""

    bucket: str
    job: str
    rules: tuple[Json, ...]

    @property
    def subject(self) -> str:
        return f"lifecycle of bucket {self.bucket}"


@dataclass(frozen=True, kw_only=True)
class LeaveBucket(Step):
    """The bucket, if it is there, has no event or lifecycle rule of the job. Its objects stay.

    Event rules go before the functions: a rule that points at a deleted function makes every later
    change of the bucket's rules fail.
    """

    bucket: str
    job: str
    #: S3 tells the event bus of the bucket, and goes on with it: others may need that.
    told: bool = False

    @property
    def subject(self) -> str:
        return f"rules of {self.job} in bucket {self.bucket}"

    @property
    def lines(self) -> list[str]:
        return [*super().lines, *([f"  {still_told(self.bucket)}"] if self.told else [])]


@dataclass(frozen=True, kw_only=True)
class Remove(Step):
    """The function, its role, its logs or the clock that starts it are not there."""

    kind: Kind
    name: str

    @property
    def subject(self) -> str:
        return f"{self.kind} {self.name}" if self.kind != "logs" else f"logs /aws/lambda/{self.name}"


AnyStep = (
    MakeBucket
    | WriteStage
    | ForgetRecord
    | TidyRules
    | TellBus
    | WriteBill
    | RunChalice
    | ConfigureFunction
    | SetRules
    | SetLifecycle
    | LeaveBucket
    | Remove
)


def still_told(bucket: str) -> str:
    """What is to be said of a bucket whose events go on to EventBridge when the job is gone."""
    return (
        f"S3 goes on telling EventBridge of s3://{bucket}/, since others may need that, and each event is paid for: "
        "if nobody does, switch it off in the bucket's properties"
    )


def told_before(steps: Sequence[AnyStep]) -> list[str]:
    """What a deployment says of what it is going to change in the account; of the first one nothing: all is new."""
    if any(isinstance(step, RunChalice) and step.first for step in steps):
        return []
    return [line for step in steps for line in step.in_account]
