"""Makes buckets and sets their lifecycle rules."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from botocore import exceptions as boto_errors
from botocore.exceptions import ClientError

from chalicelib.core.ports import Loc

from ..lifecycle import merged_lifecycle
from ..protection import PRIVATE, encryption, tls_only
from ..target import DeployError, Json
from .account import Account, not_yours
from .clients import Clients
from .errors import error_code, translated

if TYPE_CHECKING:
    from mypy_boto3_s3.literals import BucketLocationConstraintType


class Buckets:
    """The buckets of an account. Raises DeployError."""

    def __init__(self, clients: Clients) -> None:
        self._account = Account(clients)
        self._s3, self._region, self._partition = clients.s3, clients.region, clients.partition

    def ensure(self, bucket: str, kms_key: str = "") -> bool:
        """True if the bucket was made now: private, encrypted, TLS only. One that exists is left alone.

        It is encrypted under `kms_key`, or without one by S3 itself.

        Raises DeployError if it belongs to somebody else, is forbidden or lies in another region.
        """
        if self._account.has_bucket(bucket):
            return False
        with translated(f"create the bucket {bucket}"):
            created = self._create(bucket)
        try:
            with translated(f"protect the bucket {bucket}"):
                self._protect(bucket, kms_key)
        except DeployError:
            if created:  # the next deployment would find it there and leave it as it is: open
                with suppress(ClientError, boto_errors.BotoCoreError):
                    self._s3.delete_bucket(Bucket=bucket)
            raise
        return True

    def put_file(self, path: Path, loc: Loc) -> None:
        """Write a file to an object, which may be there already."""
        with translated(f"write s3://{loc.bucket}/{loc.key}"), path.open("rb") as file:
            self._s3.put_object(Bucket=loc.bucket, Key=loc.key, Body=file)

    def remove_file(self, loc: Loc) -> None:
        with translated(f"delete s3://{loc.bucket}/{loc.key}"):
            self._s3.delete_object(Bucket=loc.bucket, Key=loc.key)

    def _create(self, bucket: str) -> bool:
        """False if another deployment of ours made it this very moment."""
        try:
            if self._region == "us-east-1":  # the only region that must not be named
                self._s3.create_bucket(Bucket=bucket)
            else:
                place = cast("BucketLocationConstraintType", self._region)
                self._s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": place})
        except ClientError as error:
            if error_code(error) == "BucketAlreadyExists":
                raise DeployError(not_yours(bucket)) from error
            if error_code(error) != "BucketAlreadyOwnedByYou":
                raise
            return False
        return True

    def _protect(self, bucket: str, kms_key: str) -> None:
        self._s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=cast(Any, PRIVATE))
        self._s3.put_bucket_encryption(
            Bucket=bucket,
            ServerSideEncryptionConfiguration={"Rules": [cast(Any, encryption(kms_key))]},
        )
        self._s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(tls_only(bucket, self._partition)))

    def set_lifecycle(self, bucket: str, job: str, ours: Iterable[Json]) -> None:
        """Replace the job's lifecycle rules; those of others stay."""
        with translated(f"set the lifecycle rules of the bucket {bucket}"):
            before = self._account.lifecycle(bucket)
            after = merged_lifecycle(before, job, ours)
            if after == before:
                return
            if after:
                self._s3.put_bucket_lifecycle_configuration(
                    Bucket=bucket, LifecycleConfiguration={"Rules": cast(Any, after)}
                )
            else:
                self._s3.delete_bucket_lifecycle(Bucket=bucket)
