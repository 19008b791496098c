"""Looks at the account and the checkout, and changes neither."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from .aws.account import Account
from .project import Project
from .rules import picked_buckets
from .stage import deployed_account, deployed_buckets
from .survey import BucketState, Survey
from .target import CLOCKS, TRIGGERED, clock_names, clock_rule, function_names


def look(project: Project, account: Account, name: str, buckets: Iterable[str]) -> Survey:
    """What there is of the job `name`, in `buckets` and in those that its last deployment watched.

    Raises DeployError, also for a bucket that belongs to somebody else or lies in another region.
    """
    record, here = project.deployed(name), (account.region, account.account)
    last = deployed_account(record)
    # Chalice's record of another account or region (an emulator's, say) would mislead it here.
    elsewhere = last if last and last != here else None
    if elsewhere:
        record = {}
    names = (*function_names(name), *clock_names(name).values())
    rules = [clock_rule(name, function) for function in (*TRIGGERED, *CLOCKS)]
    found = {rule: account.clock(rule) for rule in rules}
    watched = {*buckets, *deployed_buckets(record), *picked_buckets(found.values())}
    return Survey(
        region=account.region,
        account=account.account,
        partition=account.partition,
        concurrency=account.concurrency(),
        stage=project.stages().get(name),
        policies=project.policies(name),
        record=record,
        elsewhere=elsewhere,
        buckets={bucket: _bucket(account, bucket) for bucket in sorted(watched)},
        functions={name: account.function(name) for name in names},
        roles={name: account.role(name) for name in names},
        logs={name: account.has_logs(name) for name in names},
        clocks=found,
    )


def _bucket(account: Account, bucket: str) -> BucketState | None:
    found = account.bucket(bucket)
    return found and replace(found, dead=frozenset(account.dead_functions(found.rules)))
