"""What the steps of a first deployment make, read off them one by one: formats say it in their own words. Pure.

Each kind of step is either read here, or in `WHY_NOT` with the reason why a pipeline has nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import assert_never

from chalicelib.config.triggers import Trigger, clocks
from chalicelib.core.ports import FunctionName

from .. import settings
from ..planner import plan_deployment
from ..runtime import Runtime
from ..steps import (
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
)
from ..survey import BucketState, Survey
from ..target import DeployError, Json, Target, Where, function_name, told_of_failures

#: Why a pipeline has nothing of a step.
WHY_NOT: dict[type[AnyStep], str] = {
    ForgetRecord: "what Chalice remembers is of deployments by Chalice",
    TidyRules: "rules of functions that are gone, or moved, are those of earlier deployments by Chalice",
    LeaveBucket: "a bucket that is no longer watched is no longer in the template",
    Remove: "what is no longer in the template is removed by who deploys it",
    WriteBill: "it lies beside the template, as sbom.cdx.json",
}


@dataclass(frozen=True, kw_only=True)
class Function:
    """A function with all that is its own."""

    name: FunctionName
    deployed: str
    #: In the words of Chalice's stage: size, variables, tags, network, layers, share, days of logs, tracing.
    settings: Json
    policy: Json
    configured: ConfigureFunction
    #: The function, by its deployed name, that is told of events on which this one has failed for good.
    told: str
    #: How often a clock starts it; "": none does.
    schedule: str = ""
    #: The events of EventBridge that start it; None: S3 itself, or nobody.
    pattern: Json | None = None
    #: The same as rules of S3's; empty: none.
    rules: tuple[Trigger, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """A bucket that the pipeline makes, or one that exists and that it only names."""

    name: str
    #: None: it exists.
    made: MakeBucket | None
    lifecycle: tuple[Json, ...] = ()
    #: S3 tells the account's event bus.
    tells_bus: bool = False


@dataclass(frozen=True, kw_only=True)
class Contents:
    job: str
    runtime: Runtime
    functions: tuple[Function, ...]
    buckets: tuple[Bucket, ...]
    #: What is to be known, a sentence each.
    notes: tuple[str, ...] = field(default=())

    def rules_of(self, bucket: str) -> list[tuple[Function, Trigger]]:
        """The rules by which S3 itself starts functions for objects of a bucket."""
        return [(one, rule) for one in self.functions for rule in one.rules if rule.bucket == bucket]


def plan(
    target: Target,
    where: Where,
    own: Sequence[str],
    stage: Json | None,
    concurrency: int | None,
    work_days: int,
) -> tuple[AnyStep, ...]:
    """The steps of a first deployment to an account in which all buckets exist but those that are `own`.

    `where` has the format's own words for account and region. `stage` is what somebody wrote into
    `.chalice/config.json`. Raises DeployError for a bucket that is not one of the job's.
    """
    strange = sorted(set(own) - set(target.buckets))
    if strange:
        theirs = ", ".join(target.buckets)
        raise DeployError(
            f"--own-buckets: {strange[0]}: expected buckets of {target.name}, which are {theirs}"
        )
    survey = Survey(
        region=where.region,
        account=where.account,
        partition=where.partition,
        concurrency=concurrency,
        stage=stage,
        buckets={bucket: None if bucket in own else BucketState() for bucket in target.buckets},
    )
    return plan_deployment(target, survey, work_days)


def contents(target: Target, steps: Iterable[AnyStep]) -> Contents:
    """What `steps`, which are those of `target`, make."""
    stage: Json = {}
    policies: dict[FunctionName, Json] = {}
    configured: dict[str, ConfigureFunction] = {}
    rules: dict[str, tuple[Trigger, ...]] = {}
    made: dict[str, MakeBucket] = {}
    lifecycle: dict[str, tuple[Json, ...]] = {}
    told: set[str] = set()
    notes: list[str] = []
    for step in steps:
        match step:
            case MakeBucket():
                made |= {step.bucket: step} if step.change else {}
            case WriteStage():
                policies |= step.policies or {}
                notes += step.notes
            case RunChalice():
                stage = step.stage or {}
            case ConfigureFunction():
                configured[step.function] = step
            case SetRules():
                rules[step.function] = step.triggers
            case TellBus():
                told.add(step.bucket)
            case SetLifecycle():
                lifecycle[step.bucket] = step.rules
            case WriteBill() | ForgetRecord() | TidyRules() | LeaveBucket() | Remove():
                assert type(step) in WHY_NOT
            case _:
                assert_never(step)
    often, patterns = dict(clocks(target.spec).items()), dict(target.patterns.items())
    functions = [
        Function(
            name=function,
            deployed=(name := function_name(target.name, function)),
            settings=settings.of_function(stage, function),
            policy=policies[function],
            configured=configured[name],
            told=function_name(target.name, told_of_failures(function)),
            schedule=next((rate for clock, rate in often.items() if clock == function), ""),
            pattern=next((one for started, one in patterns.items() if started == function), None),
            rules=rules.get(name, ()),
        )
        for function in target.functions
    ]
    buckets = [
        Bucket(
            name=name,
            made=made.get(name),
            lifecycle=lifecycle.get(name, ()),
            tells_bus=name in told,
        )
        for name in target.buckets
    ]
    return Contents(
        job=target.name,
        runtime=target.runtime,
        functions=tuple(functions),
        buckets=tuple(buckets),
        notes=tuple(notes),
    )
