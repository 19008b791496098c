"""What each function may do, and no more: one IAM policy document per function. Pure.

Every statement names the account and the region that the job is deployed to: an object in a bucket of somebody
else cannot be read or written, not even if a bucket of ours is deleted and they make one of its name. Side files are
the exception: `files` names each object, and it may be anybody's.

S3 answers 403 instead of 404 for a missing object unless the caller may list the whole bucket, which no function
may. Each may list the prefixes under which it looks for objects that may not exist; there the store asks whether a
403 means that (`chalicelib/stores/s3_requests.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from chalicelib.config.triggers import clocks
from chalicelib.core.deployment_spec import NotifySpec
from chalicelib.core.keys import (
    FAILED,
    FAILURE,
    LATEST,
    MANIFEST,
    PLAN,
    PLAN_DONE,
    PLAN_SILENT,
    SUCCESS,
    TOTALS,
    RunKeys,
    TotalsKeys,
    runs_prefix,
)
from chalicelib.core.ports import FunctionName, Loc
from chalicelib.core.totals import all_asleep
from chalicelib.job.side_files import object_of
from chalicelib.run.periods.keys import PeriodKeys, clock_failed

from .target import Json, Target, Where, function_arn, function_name, told_of_failures

READ = ["s3:GetObject"]
READ_WRITE = ["s3:GetObject", "s3:PutObject"]
#: AbortMultipartUpload: a writer that is left without a commit removes what it uploaded.
WRITE_PARTS = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"]
#: An attempt that was not the first to be committed deletes its run file and the bad records it set aside.
WORK = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]

#: What AWSLambdaVPCAccessExecutionRole allows, but for logs.
_NETWORK = (
    "CreateNetworkInterface", "DescribeNetworkInterfaces", "DescribeSubnets", "DeleteNetworkInterface",
    "AssignPrivateIpAddresses", "UnassignPrivateIpAddresses",
)  # fmt: skip

#: Which handler starts which function: trees of mappers and reducers, the supervisor, which revives all, and the
#: coordinator, which wakes the supervisor of a forgotten run. A failed attempt wakes one, too, and a
#: supervisor has a coordinator try again that failed while S3 did not answer.
INVOKES: dict[FunctionName, tuple[FunctionName, ...]] = {
    "coordinator": ("mapper", "supervisor"),
    "mapper": ("mapper", "supervisor"),
    "supervisor": ("mapper", "reducer", "supervisor", "coordinator"),
    "reducer": ("reducer", "supervisor"),
    "scheduler": ("coordinator",),
    "auditor": ("coordinator", "mapper", "supervisor"),
}

#: Whose process runs the user's code, or reads what it needs. Of jobs of several steps a supervisor's does, too: it
#: samples keys for the next step, and asks whether a loop has converged.
_WITH_SIDE_FILES = ("coordinator", "mapper", "reducer")


def may_start(function: FunctionName, *, small: bool = False) -> tuple[FunctionName, ...]:
    """What a function's role may invoke: what its handler starts, and what Lambda in its name tells of failures.

    Where mappers bring `small` runs to their end, they start what a reducer starts.
    """
    more = INVOKES["reducer"] if small and function == "mapper" else ()
    return tuple(dict.fromkeys([*INVOKES[function], *more, told_of_failures(function)]))


class Needs(NamedTuple):
    """What the functions' settings need besides."""

    network: bool = False
    tracing: bool = False


def policies(
    target: Target,
    where: Where = Where(),  # noqa: B008 - frozen
    needs: Needs = Needs(),  # noqa: B008 - frozen
) -> dict[FunctionName, Json]:
    """The policy document of each function."""
    access = {
        "coordinator": _coordinator(target),
        "mapper": _mapper(target),
        "supervisor": _supervisor(target),
        "reducer": _reducer(target),
        "scheduler": _scheduler(target),
        "auditor": _auditor(target),
    }
    return {
        function: {
            "Version": "2012-10-17",
            "Statement": [
                *(_placed(statement, where) for statement in _without_empty(access[function])),
                *(_of_partition(statement, where) for statement in _side_files(target, function)),
                *_keys(target, where),
                _invoke(target, function, where),
                _logs(target.name, function, where),
                *(_epilogue(target, where) if function == "supervisor" else ()),
                *_settings(needs),
            ],
        }
        for function in target.functions
    }


def _without_empty(statements: Iterable[Json]) -> list[Json]:
    return [statement for statement in statements if statement["Resource"]]


def _of_partition(statement: Json, where: Where) -> Json:
    return {**statement, "Resource": [f"arn:{where.partition}:s3:::{name}" for name in statement["Resource"]]}


def _placed(statement: Json, where: Where) -> Json:
    """A statement about S3, for buckets of the account only; S3's own names hold neither account nor region."""
    owned = {} if where.account == "*" else {"StringEquals": {"aws:ResourceAccount": where.account}}
    condition = {**statement.get("Condition", {}), **owned}
    return _of_partition({**statement, **({"Condition": condition} if condition else {})}, where)


def _periods(target: Target) -> list[PeriodKeys]:
    """The keys of what a job with `trigger: every` keeps from period to period."""
    return [PeriodKeys(target.spec.work_loc, target.name)] if target.spec.period else []


def _scheduler(target: Target) -> list[Json]:
    """It lists the input and reads nothing of it."""
    sources, work, output = _places(target)
    keys = PeriodKeys(target.spec.work_loc, target.name)
    return [
        _objects(WRITE_PARTS, [keys.pointer, keys.all_taken.child("*"), keys.all_given.child("*")]),
        _objects(["s3:DeleteObject"], [keys.all_taken.child("*")]),
        *_listing([*sources, work, output, keys.root]),
    ]


def _auditor(target: Target) -> list[Json]:
    """It lists the input, reads how runs stand, and starts the tree of one whose coordinator did not come to that."""
    sources, work, output = _places(target)
    given = [keys.all_given for keys in _periods(target)]
    started = [_any_run(target).root.child(name) for name in (PLAN_DONE, PLAN_SILENT)]
    totals = [TotalsKeys(target.spec.work_loc, target.name)] if target.spec.accumulate else []
    read = [work.child("*"), output.child(f"*{MANIFEST}"), *(place.child("*") for place in given)]
    read += [loc for keys in totals for loc in (keys.pointer, keys.merged("*"), keys.all_waiting.child("*"))]
    return [
        _objects(READ, read),
        _objects(["s3:PutObject"], started),
        *_listing([*sources, work, output, *given, *_totals(target)]),
    ]


def _coordinator(target: Target) -> list[Json]:
    sources, work, output = _places(target)
    given = [keys.all_given for keys in _periods(target)]
    plan_keys = [_any_run(target).root.child(name) for name in (PLAN, PLAN_DONE, PLAN_SILENT)]
    verdict = [output.child(f"*{name}") for name in (MANIFEST, SUCCESS, FAILURE)]
    return [
        _objects(READ, [place.child("*") for place in (*sources, *given)]),
        _objects(WRITE_PARTS, plan_keys),
        _objects(READ_WRITE, [_any_run(target).run_done, *verdict]),
        *_listing([*sources, work, output, *given]),
    ]


def _mapper(target: Target) -> list[Json]:
    sources, work, output = _places(target)
    return [
        _objects(
            READ,
            [
                *(source.child("*") for source in sources),
                work.child("*"),
                *_states(target),
            ],
        ),
        _objects(
            WORK, [_any_run(target).phase("map").child("*"), _any_run(target).quarantined.child("map-*")]
        ),
        *([_objects(WRITE_PARTS, [output.child("*"), *_handed_on(target)])] if target.shape.map_only else []),
        *_listing([*sources, work, *_totals(target), *([output] if target.shape.map_only else [])]),
        *(_reducer(target) if target.shape.small else []),
    ]


def _supervisor(target: Target) -> list[Json]:
    _, work, output = _places(target)
    verdict = [output.child(f"*{name}") for name in (MANIFEST, SUCCESS, FAILURE)]
    verdict += [output.child(LATEST)] if target.spec.shows_latest else []
    plans = _next_plans(target)
    return [
        _objects(READ, [work.child("*")]),
        _objects(
            READ_WRITE, [*_of_reduce(target), *_of_exchange(target), *verdict, *_of_supervision(target)]
        ),
        *([_objects(WRITE_PARTS, plans)] if plans else []),
        *_keeping_totals(target),
        *_listing([work, output, *_totals(target)]),
    ]


def _reducer(target: Target) -> list[Json]:
    _, work, output = _places(target)
    return [
        _objects(READ, [work.child("*")]),
        _objects(
            WRITE_PARTS,
            [*_of_reduce(target), output.child("*"), *_handed_on(target), *_states(target)],
        ),
        _objects(
            WORK,
            [
                _any_run(target).quarantined.child("reduce-*"),
                _any_run(target).phase("reduce").child("*.piece"),
                _any_run(target).phase("exchange").child("*"),
            ],
        ),
        *_listing([work, output, *_totals(target)]),
    ]


def _any_run(target: Target) -> RunKeys:
    """The keys of every run; a `*` of IAM stands for slashes, too."""
    return RunKeys(target.spec.work_loc, target.name, "*")


def _of_reduce(target: Target) -> list[Loc]:
    """What the second phase writes in the work place: its own objects and the verdict."""
    return [_any_run(target).phase("reduce").child("*"), _any_run(target).run_done]


def _of_exchange(target: Target) -> list[Loc]:
    """What supervisors write of a second level of shuffle: plan, index, what is noted of attempts."""
    return [_any_run(target).phase("exchange").child("*")]


def _of_supervision(target: Target) -> list[Loc]:
    """The seats of those who wait, what is noted of map tasks that Lambda gave up on, of runs that stood still, and of
    notices that are out, and that a clock's function has failed.
    """
    run = _any_run(target)
    started = [run.root.child(name) for name in (PLAN_DONE, PLAN_SILENT)]
    told = [run.told] if target.spec.has_epilogue else []
    told += [clock_failed(target.spec.work_loc, target.name, clock) for clock in clocks(target.spec)]
    return [run.all_seats.child("*"), run.phase("map").child(f"*{FAILED}"), *started, *told]


def _handed_on(target: Target) -> list[Loc]:
    """Where the parts of a step go that is not the last."""
    return [_any_run(target).later_steps.child("*/input/*")] if target.shape.several_steps else []


def _next_plans(target: Target) -> list[Loc]:
    """What a supervisor writes to start the next step."""
    names = (PLAN, PLAN_DONE) if target.shape.several_steps else ()
    return [_any_run(target).later_steps.child(f"*/{name}") for name in names]


def _totals(target: Target) -> list[Loc]:
    """The prefix of what a job with `accumulate` keeps from run to run."""
    return [TotalsKeys(target.spec.work_loc, target.name).root] if target.spec.accumulate else []


def _states(target: Target) -> list[Loc]:
    """The totals themselves, which reducers write and mappers read."""
    if not target.spec.accumulate:
        return []
    return [TotalsKeys(target.spec.work_loc, target.name).all_states.child("*")]


def _keeping_totals(target: Target) -> list[Json]:
    """A supervisor moves the totals' pointer, deletes what is no longer needed, and leaves word that a run sleeps."""
    if not target.spec.accumulate:
        return []
    keys = TotalsKeys(target.spec.work_loc, target.name)
    shown = target.spec.output_loc.child(TOTALS)
    words = [keys.all_waiting.child("*"), all_asleep(keys).child("*")]
    kept = [keys.pointer, keys.turn, *words, keys.merged("*"), shown]
    doomed = [*words, keys.all_states.child("*")]
    return [
        _objects(READ, [keys.all_states.child("*")]),
        _objects(READ_WRITE, kept),
        _objects(["s3:DeleteObject"], doomed),
    ]


def _keys(target: Target, where: Where) -> list[Json]:
    """What objects under the user's own key need; without one, S3 encrypts by itself. Only S3 may use it for us."""
    if not target.spec.kms_key:
        return []
    # A template for pipelines does not know its partition; the key's ARN does.
    chinese = "aws-cn" in (where.partition, target.spec.kms_key.split(":")[1])
    domain = "amazonaws.com.cn" if chinese else "amazonaws.com"
    return [
        {
            "Effect": "Allow",
            "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
            "Resource": [target.spec.kms_key],
            "Condition": {"StringLike": {"kms:ViaService": f"s3.{where.region}.{domain}"}},
        }
    ]


def _places(target: Target) -> tuple[list[Loc], Loc, Loc]:
    """The inputs' prefixes, the job's own part of the work place, the output place."""
    spec = target.spec
    return [given.loc for given in spec.inputs], runs_prefix(spec.work_loc, target.name), spec.output_loc


def _side_files(target: Target, function: FunctionName) -> list[Json]:
    """Objects that `files` lists for the user's code, one by one, whosever they are."""
    found = (object_of(entry) for entry in target.spec.side_files)
    objects = [loc for loc in found if loc is not None]
    own = function in _WITH_SIDE_FILES or (function == "supervisor" and target.shape.several_steps)
    return [_objects(READ, objects)] if objects and own else []


def _objects(actions: list[str], keys: Iterable[Loc]) -> Json:
    return {"Effect": "Allow", "Action": actions, "Resource": [f"{loc.bucket}/{loc.key}" for loc in keys]}


def _listing(prefixes: Iterable[Loc]) -> list[Json]:
    """Listing these prefixes, one statement a bucket, since a condition is about the whole statement.

    A listing without a prefix is of the whole bucket, and not allowed.
    """
    by_bucket: dict[str, list[str]] = {}
    for loc in prefixes:
        by_bucket.setdefault(loc.bucket, []).append(f"{loc.key}*")
    return [
        {
            "Effect": "Allow",
            "Action": ["s3:ListBucket"],
            "Resource": [bucket],
            "Condition": {"StringLike": {"s3:prefix": patterns}},
        }
        for bucket, patterns in by_bucket.items()
    ]


def _invoke(target: Target, function: FunctionName, where: Where) -> Json:
    started = may_start(function, small=target.shape.small)
    return {
        "Effect": "Allow",
        "Action": ["lambda:InvokeFunction"],
        "Resource": [function_arn(where, target.name, name) for name in started],
    }


def _notices(notify: NotifySpec, where: Where) -> list[Json]:
    """Telling those whom the job names how a run has ended, and nobody else."""
    bus = notify.bus
    if bus and not bus.startswith("arn:"):
        bus = f"arn:{where.partition}:events:{where.region}:{where.account}:event-bus/{bus}"
    read = "ssm:GetParameter" if ":ssm:" in notify.secret else "secretsmanager:GetSecretValue"
    allowed = (("sns:Publish", notify.topic), ("events:PutEvents", bus), (read, notify.secret))
    return [
        {"Effect": "Allow", "Action": [action], "Resource": [resource]}
        for action, resource in allowed
        if resource
    ]


def _epilogue(target: Target, where: Where) -> list[Json]:
    """What follows a run: notices, and the job's table in Glue, no other."""
    told, catalog = _notices(target.spec.notify, where), target.spec.catalog
    if not catalog.database:
        return told
    glue = f"arn:{where.partition}:glue:{where.region}:{where.account}"
    table = f"table/{catalog.database}/{catalog.table_of(target.name)}"
    names = ("catalog", f"database/{catalog.database}", table)
    actions = [f"glue:{action}" for action in ("GetTable", "CreateTable", "UpdateTable")]
    return [*told, {"Effect": "Allow", "Action": actions, "Resource": [f"{glue}:{name}" for name in names]}]


def _settings(needs: Needs) -> list[Json]:
    """What Lambda does in a role's name for functions in a network, or with tracing; neither knows resources."""
    actions = [f"ec2:{action}" for action in _NETWORK] if needs.network else []
    actions += ["xray:PutTraceSegments", "xray:PutTelemetryRecords"] if needs.tracing else []
    return [{"Effect": "Allow", "Action": actions, "Resource": ["*"]}] if actions else []


def _logs(job: str, function: FunctionName, where: Where) -> dict[str, Any]:
    groups = f"arn:{where.partition}:logs:{where.region}:{where.account}:log-group"
    group = f"{groups}:/aws/lambda/{function_name(job, function)}"
    return {
        "Effect": "Allow",
        "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
        "Resource": [group, f"{group}:*"],
    }
