"""Plans a deployment: from what is to be and what is there to the steps between. It only decides. Pure.

The order of the steps is what makes an interrupted deployment harmless: see `plan_deployment` and
`plan_deletion`.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import replace

from chalicelib.config.triggers import clocks
from chalicelib.core.deployment_spec import code_object
from chalicelib.core.ports import FunctionName

from . import differences, settings
from .lifecycle import code_rule, has_code_rule, lifecycle_rules
from .policies import Needs, policies
from .rules import has_rule, picked_buckets, rule_arns, tells_bus
from .stage import chalice_stage, deployed_buckets, deployed_clocks, stage_config
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
)
from .survey import BucketState, FunctionState, Survey
from .target import (
    FUNCTIONS,
    KINDS,
    RECURSION,
    TRIGGERED,
    DeployError,
    Json,
    Kind,
    Target,
    bill_path,
    clock_names,
    clock_rule,
    function_arn,
    function_name,
    function_names,
    sluice_function,
    told_of_failures,
)

#: How many concurrent functions AWS lets nobody reserve.
UNRESERVED = 100
CONCURRENCY_UNKNOWN = (
    "how many functions may run at once is not known (lambda:GetAccountSettings): "
    "supervisors reckon without it"
)


def plan_deployment(target: Target, survey: Survey, work_days: int) -> tuple[AnyStep, ...]:
    """The steps that deploy `target`; work objects expire after `work_days` days.

    Buckets come first, since Chalice watches them. The stage comes before Chalice, which reads it. Stale
    rules go before Chalice writes new ones, which S3 would refuse. What Chalice cannot set, and a check of
    its rules, come after it; buckets that are no longer watched come last, when the new ones are. Where a job changes
    from S3's own events to EventBridge's, or back, the old rules go when the new ones are there: an object dropped
    meanwhile starts two runs, of the same results, rather than none.
    """
    stage, given = _stages(target, survey)
    documents = policies(target, survey.where, _needs(given))
    return (
        *_buckets(target, survey),
        WriteStage(
            name=target.name,
            stage=stage,
            policies=documents,
            change=differences.stage(survey.stage, stage, survey.policies, documents),
            notes=() if survey.concurrency is not None else (CONCURRENCY_UNKNOWN,),
        ),
        *_forget_other_account(target.name, survey),
        *(_tidy_rules(target, bucket, survey, before=True) for bucket in target.buckets),
        *_tell_bus(target, survey),
        WriteBill(
            name=target.name,
            path=bill_path(target.name).as_posix(),
            change="write down what the zip holds, in CycloneDX",
        ),
        RunChalice(
            command="deploy",
            name=target.name,
            change=f"ship this checkout to {', '.join(target.functions)}",
            stage=given,
            details=tuple(_what_chalice_changes(target, survey, given, documents)),
            first=not any(survey.functions.values()),
        ),
        *(_configure(target, function, survey) for function in target.functions),
        *_stop_clocks(target.name, survey, set(target.functions)),
        *_other_rules(target, survey),
        *(_set_lifecycle(target, bucket, survey, work_days) for bucket in target.buckets),
        *_leave(target.name, _watched_buckets(survey) - set(target.buckets), survey),
    )


def by_way_of_s3(steps: Iterable[AnyStep], target: Target, digest: str) -> tuple[AnyStep, ...]:
    """The same steps for a zip, by its SHA-256, that is too large to be sent: Lambda takes it from the work bucket.

    The bucket's lifecycle comes before Chalice then: a deployment that is killed leaves the zip there.
    """
    code = code_object(target.spec.work_loc, target.name, digest)
    kept, before = [], []
    for step in steps:
        if isinstance(step, SetLifecycle) and step.bucket == code.bucket:
            before.append(_expiring_code(step, target))
        else:
            kept.append(replace(step, code=code) if isinstance(step, RunChalice) else step)
    chalice = next(number for number, step in enumerate(kept) if isinstance(step, RunChalice))
    return (*kept[:chalice], *before, *kept[chalice:])


def _expiring_code(step: SetLifecycle, target: Target) -> SetLifecycle:
    expiring = code_rule(target)
    rules = (*(rule for rule in step.rules if rule != expiring), expiring)
    told = (step.change, differences.lifecycle(step.rules, target.name, rules))
    return replace(step, rules=rules, change=", ".join(filter(None, told)))


def plan_deletion(name: str, target: Target | None, survey: Survey) -> tuple[AnyStep, ...]:
    """The steps that delete all of the job `name` but data: functions, roles, rules, logs, stage, policies.

    `target` is the job if its YAML is still there; it tells the buckets if Chalice's record is lost. Event
    rules go before the functions that they start. Chalice deletes from its record and stops at the first
    thing that is gone already, so it runs only if all is there; what is left then goes one by one.

    Raises DeployError if there is nothing to delete.
    """
    here = {function: state for function, state in survey.functions.items() if state is not None}
    if target is None and survey.stage is None and not here:
        raise DeployError(f"{name}: nothing to delete: no such job, stage or functions")
    buckets = _watched_buckets(survey) | set(target.buckets if target else ())
    steps: list[AnyStep] = [*_forget_other_account(name, survey), *_leave(name, buckets, survey)]
    clocks_here = here.keys() & set(clock_names(name).values())
    recorded = deployed_clocks(survey.record, name)
    if survey.record and len(here) == len(function_names(name)) + len(recorded) and clocks_here == recorded:
        steps.append(
            RunChalice(command="delete", name=name, change="remove the functions, roles and logs named below")
        )
    steps += [
        Remove(kind=kind, name=function, change=_removal(kind, function, survey))
        for kind in KINDS
        for function in function_names(name)
    ]
    steps += _stop_bus(name, survey)
    steps += _stop_clocks(name, survey, set())
    return (
        *steps,
        ForgetRecord(name=name, change="remove" if survey.record else ""),
        WriteStage(
            name=name,
            stage=None,
            change="remove it, and its policies" if survey.stage or survey.policies else "",
        ),
    )


# ---------------------------------------------------------------------------------------------------
# Deployment


def _buckets(target: Target, survey: Survey) -> Iterator[MakeBucket]:
    key = target.spec.kms_key
    for bucket, purpose in target.buckets.items():
        missing = survey.buckets.get(bucket) is None
        change = differences.new_bucket(key) if missing else ""
        yield MakeBucket(bucket=bucket, purpose=purpose, kms_key=key, change=change)


def _stages(target: Target, survey: Survey) -> tuple[Json, Json]:
    """The stage for the checkout, and that for Chalice, which has what somebody set by hand, too.

    Raises DeployError for a share that the account cannot give.
    """
    _check_share(target, survey)
    # What another account's functions are like says nothing of these.
    before = survey.stage
    states = {name: survey.functions.get(function_name(target.name, name)) for name in target.functions}
    bare = stage_config(target, before=before)
    share = settings.share(chalice_stage(bare, before, states))
    limit = survey.concurrency if share is None else share
    stage = stage_config(target, limit, before)
    return stage, chalice_stage(stage, before, states)


def _check_share(target: Target, survey: Survey) -> None:
    share, free = target.spec.concurrency, survey.concurrency
    if share is None or free is None:
        return
    names = [function_name(target.name, name) for name in ("mapper", "reducer")]
    free += sum((survey.functions.get(name) or FunctionState()).reserved or 0 for name in names)
    most = max(0, (free - UNRESERVED) // 2)
    if share > most:
        raise DeployError(
            f"concurrency: {share} is to be reserved for mappers and {share} for reducers, of the {free} functions "
            f"that the account may run beside other shares, and AWS keeps {UNRESERVED} for functions without a share: "
            + (f"expected at most {most}" if most else "leave it out, or have the account's limit raised")
        )


def _needs(stage: Json) -> Needs:
    rows = [settings.of_function(stage, function) for function in stage["lambda_functions"]]
    return Needs(
        network=any(row.get("subnet_ids") for row in rows), tracing=any(row.get("xray") for row in rows)
    )


def _forget_other_account(name: str, survey: Survey) -> Iterator[ForgetRecord]:
    """Chalice's record of a deployment to another account would mislead it in this one."""
    if survey.elsewhere:
        region, account = survey.elsewhere
        change = f"remove, since the last deployment went to {account} in {region}"
        yield ForgetRecord(name=name, elsewhere=survey.elsewhere, change=change)


def _tidy_rules(target: Target, bucket: str, survey: Survey, *, before: bool) -> TidyRules:
    """`before` Chalice: what would be in its way. Of a job with EventBridge all others go when Chalice is done."""
    by_bus = bool(target.patterns)
    misplaced = frozenset(
        function_name(target.name, function)
        for function in (() if by_bus and before else FUNCTIONS)
        if by_bus or function not in target.triggers or target.triggers[function].bucket != bucket
    )
    coordinator = "" if by_bus else function_name(target.name, "coordinator")
    found = survey.buckets.get(bucket) or BucketState()
    dead = sorted(found.dead) if before else []
    told = [f"remove that of {sluice_function(arn)}, which does not exist" for arn in dead]
    alive = [
        name for arn in rule_arns(found.rules) if arn not in found.dead and (name := sluice_function(arn))
    ]
    told += [f"remove that of {name}" for name in alive if name in misplaced]
    if coordinator and coordinator not in misplaced and (rest := alive.count(coordinator) - 1) > 0:
        told.append(f"take {rest} of {coordinator} away until Chalice is done")
    return TidyRules(bucket=bucket, misplaced=misplaced, coordinator=coordinator, change=", ".join(told))


def _what_chalice_changes(
    target: Target, survey: Survey, stage: Json, documents: dict[FunctionName, Json]
) -> Iterator[str]:
    """A line for each function, role and log group."""
    for clock, often in clocks(target.spec).items():
        rule = clock_rule(target.name, clock)
        if told := differences.clock(survey.clocks.get(rule, ""), often):
            yield f"rule {rule}: {told}"
    for triggered, pattern in target.patterns.items():
        rule = clock_rule(target.name, triggered)
        if told := differences.bus(survey.clocks.get(rule, ""), pattern, target.rules[triggered]):
            yield f"rule {rule}: {told}"
    for function in target.functions:
        name = function_name(target.name, function)
        told = differences.function(survey.functions.get(name), stage, function, target.runtime.name)
        yield f"function {name}: {told}"
        told = differences.role(survey.role(name), documents[function])
        if told and not target.spec.lambda_.role:
            yield f"role {name}: {told}"
        if told := differences.logs(survey.logs.get(name), survey.functions.get(name), stage, function):
            yield f"logs /aws/lambda/{name}: {told}"


def _configure(target: Target, function: FunctionName, survey: Survey) -> ConfigureFunction:
    given = target.spec.lambda_
    step = ConfigureFunction(
        function=function_name(target.name, function),
        recursion=RECURSION.get(function, "Terminate"),
        on_failure=function_arn(survey.where, target.name, told_of_failures(function)),
        ephemeral_storage=given.ephemeral_storage if function in ("mapper", "reducer") else None,
        untraced=given.tracing is False,
    )
    return replace(step, change=differences.settings(survey.functions.get(step.function), step))


def _tell_bus(target: Target, survey: Survey) -> Iterator[TellBus]:
    for bucket in target.told_buckets if target.patterns else ():
        there = tells_bus((survey.buckets.get(bucket) or BucketState()).rules)
        yield TellBus(bucket=bucket, change="" if there else "begin with it")


def _other_rules(target: Target, survey: Survey) -> Iterator[AnyStep]:
    """What beside Chalice's rules is to be, or not to be any longer."""
    if target.patterns:
        yield from (_tidy_rules(target, bucket, survey, before=False) for bucket in target.buckets)
    else:
        yield from _set_rules(target, survey)
        yield from _stop_bus(target.name, survey)


def _set_rules(target: Target, survey: Survey) -> Iterator[SetRules]:
    for function, triggers in target.rules.items():
        name = function_name(target.name, function)
        found = survey.buckets.get(triggers[0].bucket) or BucketState()
        arns = {arn for arn in rule_arns(found.rules) if sluice_function(arn) == name}
        there = survey.functions.get(name) is not None and any(
            has_rule(found.rules, arn, *triggers) for arn in arns
        )
        yield SetRules(
            function=name, triggers=triggers, change="" if there else differences.watched(triggers)
        )


def _set_lifecycle(target: Target, bucket: str, survey: Survey, work_days: int) -> SetLifecycle:
    existing = (survey.buckets.get(bucket) or BucketState()).lifecycle
    rules = tuple(lifecycle_rules(target, bucket, work_days))
    if bucket == target.spec.work_loc.bucket and has_code_rule(existing, target.name):
        rules += (code_rule(target),)
    change = differences.lifecycle(existing, target.name, rules)
    return SetLifecycle(bucket=bucket, job=target.name, rules=rules, change=change)


# ---------------------------------------------------------------------------------------------------
# Both


def _watched_buckets(survey: Survey) -> set[str]:
    """Those that the last deployment watched, by rules of S3's or of EventBridge's."""
    return deployed_buckets(survey.record) | picked_buckets(survey.clocks.values())


def _leave(name: str, buckets: Iterable[str], survey: Survey) -> Iterator[LeaveBucket]:
    ours = set(function_names(name))
    by_bus = any(survey.clocks.get(clock_rule(name, function)) for function in TRIGGERED)
    for bucket in sorted(buckets):
        found = survey.buckets.get(bucket) or BucketState()
        mine = [rule for rule in map(sluice_function, rule_arns(found.rules)) if rule in ours]
        told = [f"remove {len(mine)} event rule(s)"] if mine else []
        told += [text] if (text := differences.lifecycle(found.lifecycle, name, ())) else []
        told_on = by_bus and tells_bus(found.rules)
        yield LeaveBucket(bucket=bucket, job=name, told=told_on, change=", ".join(told))


def _stop_bus(name: str, survey: Survey) -> Iterator[Remove]:
    """Remove the rules of EventBridge by which objects started functions, if there are any."""
    for function in TRIGGERED:
        if survey.clocks.get(rule := clock_rule(name, function)):
            yield Remove(kind="rule", name=rule, change="remove")


def _stop_clocks(name: str, survey: Survey, kept: Container[FunctionName]) -> Iterator[Remove]:
    """Remove the functions that a clock starts and the job does not ask for, if there is anything of them.

    The rule goes first. Chalice removes what its record has; the record may be lost.
    """
    for clock, function in clock_names(name).items():
        rule, role = clock_rule(name, clock), survey.role(function)
        there = (
            survey.clocks.get(rule),
            survey.functions.get(function),
            role.exists,
            survey.logs.get(function),
        )
        if clock in kept or not any(there):
            continue
        yield Remove(kind="rule", name=rule, change="remove" if there[0] else "remove, if it is there")
        yield from (
            Remove(kind=kind, name=function, change=_removal(kind, function, survey)) for kind in KINDS
        )


def _removal(kind: Kind, function: str, survey: Survey) -> str:
    if kind == "function":
        there: bool | None = survey.functions.get(function) is not None
    elif kind == "role":
        there = survey.role(function).exists
    else:
        there = survey.logs.get(function)
    return "" if there is False else "remove" if there else "remove, if it is there"
