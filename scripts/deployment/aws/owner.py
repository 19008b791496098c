"""S3 refuses a request for a bucket that is not the account's own.

Bucket names are shared by all of AWS: one that was deleted, or never made, may be made by somebody else, who would
then get what is uploaded, or say what results are.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from .errors import translated

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_OWNERS = ("ExpectedBucketOwner", "ExpectedSourceBucketOwner")
_QUICK = Config(retries={"total_max_attempts": 3}, connect_timeout=5, read_timeout=10)


def expect_owner(s3: S3Client, account: str) -> S3Client:
    """Let each request of this client name `account` as the owner of its bucket, if it names a bucket; the client."""

    def name_owner(params: dict[str, Any], model: Any, **_: Any) -> dict[str, Any]:
        known = model.input_shape.members if model.input_shape else {}
        copies = "CopySource" in params
        owners = [name for name in _OWNERS if name in known and (copies or "Source" not in name)]
        return {**dict.fromkeys(owners, account), **params}

    events: Any = s3.meta.events
    events.register("provide-client-params.s3", name_owner, unique_id="sluice-expected-owner")
    return s3


@functools.cache
def own_s3() -> S3Client:
    """The process's client, for buckets of the account that its credentials are of. Raises DeployError."""
    from chalicelib.stores.s3 import make_client

    return expect_owner(make_client("s3"), current_account())


def current_identity() -> str:
    """The ARN of whoever's credentials are in use. Raises DeployError."""
    return _caller("find out who you are to AWS", "Arn", None, _QUICK)


def current_account(session: boto3.Session | None = None, config: Config = _QUICK) -> str:
    """The account that the credentials in use are of. Raises DeployError."""
    return _caller("find out which AWS account to use", "Account", session, config)


def _caller(why: str, what: str, session: boto3.Session | None, config: Config) -> str:
    with translated(why):
        sts: Any = (session or boto3.Session()).client("sts", config=config)
        try:
            return str(sts.get_caller_identity()[what])
        finally:
            sts.close()
