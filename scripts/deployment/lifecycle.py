"""A bucket's lifecycle rules: work objects expire, and unfinished uploads are removed everywhere. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from chalicelib.core.deployment_spec import code_prefix
from chalicelib.core.keys import runs_prefix
from chalicelib.run.periods.keys import PeriodKeys

from .target import APP, Json, Target

WORK_RETENTION_DAYS = 7


def lifecycle_rules(target: Target, bucket: str, work_days: int) -> list[Json]:
    """The job's rules for `bucket`: work objects expire after `work_days` days, unfinished uploads after one."""
    work, output, rules = runs_prefix(target.spec.work_loc, target.name), target.spec.output_loc, []
    if work.bucket == bucket:
        rule = _lifecycle_rule(f"{APP}-{target.name}-work", work.key)
        rules.append({**rule, "Expiration": {"Days": work_days}})
        if target.spec.period:
            given = PeriodKeys(target.spec.work_loc, target.name).all_given
            rule = _lifecycle_rule(f"{APP}-{target.name}-periods", given.key)
            rules.append({**rule, "Expiration": {"Days": work_days}})
    if output.bucket == bucket:
        rules.append(_lifecycle_rule(f"{APP}-{target.name}-output", output.key))
    return rules


def code_rule(target: Target) -> Json:
    """For the bucket of a job's work: zips that killed deployments left go after a day, the least that S3 knows."""
    rule = _lifecycle_rule(_code_id(target.name), code_prefix(target.spec.work_loc, target.name).key)
    return {**rule, "Expiration": {"Days": 1}}


def has_code_rule(existing: Iterable[Json], job: str) -> bool:
    """Whether a deployment of the job has gone by way of the bucket with these rules."""
    return any(rule.get("ID") == _code_id(job) for rule in existing)


def _code_id(job: str) -> str:
    return f"{APP}-{job}-code"


def _lifecycle_rule(identity: str, prefix: str) -> Json:
    return {
        "ID": identity,
        "Status": "Enabled",
        "Filter": {"Prefix": prefix},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
    }


def merged_lifecycle(existing: Sequence[Json], job: str, ours: Iterable[Json]) -> list[Json]:
    """Everybody else's rules as they are, then the job's: those it had before are replaced."""
    mine = rule_ids(job)
    return [*(rule for rule in existing if rule.get("ID") not in mine), *ours]


def rule_ids(job: str) -> set[str]:
    """The IDs that the job's lifecycle rules may have."""
    return {f"{APP}-{job}-{place}" for place in ("work", "periods", "output")} | {_code_id(job)}
