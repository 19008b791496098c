"""The clients of one account and region."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from botocore import exceptions as boto_errors
from botocore.config import Config

from .errors import translated
from .owner import current_account, expect_owner

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client

_CONFIG = Config(retries={"mode": "standard", "max_attempts": 5}, connect_timeout=10, read_timeout=60)


@dataclass(frozen=True, kw_only=True)
class Clients:
    """One account and region, and boto3's clients for it."""

    region: str
    account: str
    #: `aws`, `aws-cn`, ...: the second part of every ARN.
    partition: str
    s3: S3Client
    lambda_: LambdaClient
    iam: IAMClient
    logs: Any
    events: Any


def connect(session: boto3.Session | None = None) -> Clients:
    """The account and region that boto3's usual places (environment, profile) name. Raises DeployError."""
    with translated("find out which AWS account to use"):
        session = session or boto3.Session()
        if not session.region_name:
            raise boto_errors.NoRegionError
        account = current_account(session, _CONFIG)
        return Clients(
            region=session.region_name,
            account=account,
            partition=session.get_partition_for_region(session.region_name),
            s3=expect_owner(session.client("s3", config=_CONFIG), account),
            lambda_=session.client("lambda", config=_CONFIG),
            iam=session.client("iam", config=_CONFIG),
            logs=session.client("logs", config=_CONFIG),
            events=session.client("events", config=_CONFIG),
        )
