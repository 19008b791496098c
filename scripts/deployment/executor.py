"""Does the steps of a plan, one after the other. It decides nothing: see `planner`."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from chalicelib.core.ports import Loc

from .aws.account import Account
from .aws.buckets import Buckets
from .aws.event_rules import EventRules
from .aws.functions import Functions
from .project import Project
from .steps import (
    AnyStep,
    ConfigureFunction,
    ForgetRecord,
    LeaveBucket,
    MakeBucket,
    Remove,
    RunChalice,
    SetLifecycle,
    SetRules,
    TellBus,
    TidyRules,
    WriteBill,
    WriteStage,
    still_told,
)
from .target import APP, function_names, sluice_function

Say = Callable[[str], None]
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-event-notifications-eventbridge.html
BUS_IS_SLOW = (
    "S3 tells EventBridge of s3://{bucket}/ from now on, and takes about five minutes to begin: what is dropped until "
    "then may start nothing (scripts/audit.py finds it)"
)
_WORDS = {4: "four", 5: "five", 6: "six"}


@dataclass(frozen=True, kw_only=True)
class Executor:
    """Acts on an account and a checkout. Each step raises DeployError; what was done by then stays."""

    project: Project
    account: Account
    buckets: Buckets
    rules: EventRules
    functions: Functions
    #: Runs Chalice: command, stage, folder, and the object that Lambda takes the code from, if it is not sent.
    run_chalice: Callable[[str, str, Path, Loc | None], object]
    say: Say

    def do(self, steps: Iterable[AnyStep]) -> None:
        """Do each step, also one that was found to change nothing: the account may have changed since."""
        for step in steps:
            self._do(step)

    def _do(self, step: AnyStep) -> None:
        match step:
            case MakeBucket():
                made = self.buckets.ensure(step.bucket, step.kms_key)
                self.say(f"{step.purpose} bucket s3://{step.bucket}/: {'created' if made else 'exists'}")
            case WriteStage():
                self.project.write_stage(step.name, step.stage, step.policies)
                for note in step.notes:
                    self.say(note)
            case ForgetRecord():
                self._forget(step)
            case TidyRules():
                self._tidy(step)
            case TellBus():
                if self.rules.tell_bus(step.bucket):
                    self.say(BUS_IS_SLOW.format(bucket=step.bucket))
            case WriteBill():
                self.project.write_bill(step.name)
            case RunChalice():
                self._chalice(step)
            case ConfigureFunction():
                self.functions.configure(step)
            case SetRules():
                self.rules.ensure(step.function, *step.triggers)
            case SetLifecycle():
                self.buckets.set_lifecycle(step.bucket, step.job, step.rules)
            case LeaveBucket():
                self._leave(step)
            case Remove():
                if self.functions.remove(step.kind, step.name):
                    self.say(f"deleted {step.kind} {step.name}")
            case _:
                assert_never(step)

    def _forget(self, step: ForgetRecord) -> None:
        if step.elsewhere:
            region, account = step.elsewhere
            self.say(f"the last deployment of {step.name} went to {account} in {region}; starting afresh")
        self.project.forget_deployed(step.name)

    def _tidy(self, step: TidyRules) -> None:
        dropped = self.rules.drop_dead(step.bucket)
        dropped += self.rules.drop(step.bucket, functools.partial(_is_of, step.misplaced))
        self.rules.keep_first(step.bucket, functools.partial(_is_of, {step.coordinator}))
        if dropped:
            self.say(f"removed {dropped} stale event rule(s) of s3://{step.bucket}/")

    def _chalice(self, step: RunChalice) -> None:
        if step.command == "delete":
            self.run_chalice(step.command, step.name, self.project.root, None)
            return
        number = _WORDS[len((step.stage or {}).get("lambda_functions", ())) or 4]
        self.say(f"deploying the {number} functions {APP}-{step.name}-* with Chalice")
        self.project.link_defaults()
        with self._code(step), self.project.staged(step.name, step.stage or {}) as folder:
            self.run_chalice(step.command, step.name, folder, step.code)

    @contextlib.contextmanager
    def _code(self, step: RunChalice) -> Iterator[None]:
        """The job's zip lies in S3 meanwhile, if it is too large to be sent. Lambda keeps a copy of its own."""
        if step.code is None:
            yield
            return
        zipped = self.project.zipped(step.name)
        size = zipped.stat().st_size / (1 << 20)
        self.say(
            f"its zip has {size:.0f} MiB, so Lambda takes it from s3://{step.code.bucket}/{step.code.key}"
        )
        self.buckets.put_file(zipped, step.code)
        try:
            yield
        finally:
            self.buckets.remove_file(step.code)

    def _leave(self, step: LeaveBucket) -> None:
        if not self.account.has_bucket(step.bucket):
            return
        if self.rules.drop(step.bucket, functools.partial(_is_of, set(function_names(step.job)))):
            self.say(f"removed the event rules of {step.job} from s3://{step.bucket}/")
        self.buckets.set_lifecycle(step.bucket, step.job, [])
        if step.told:
            self.say(still_told(step.bucket))


def _is_of(functions: set[str] | frozenset[str], arn: str) -> bool:
    return sluice_function(arn) in functions
