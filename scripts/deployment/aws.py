"""What a deployment asks of AWS. Every boto3 error becomes a `DeployError` of one sentence here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

import boto3
from botocore import exceptions as boto_errors
from botocore.config import Config
from botocore.exceptions import ClientError

from chalicelib.config.triggers import Trigger

from .plan import (
    DeployError,
    Json,
    function_names,
    has_rule,
    merged_lifecycle,
    sluice_function,
    with_first_rule,
    with_rule,
    without_rules,
)

if TYPE_CHECKING:
    from mypy_boto3_s3.literals import BucketLocationConstraintType

#: Lambda's own retries of a failed asynchronous event, and how long it may wait in the queue (6 h).
ASYNC_RETRIES = 2
ASYNC_MAX_AGE = 21_600
#: How often a notification configuration is written again when another deployment overwrote ours.
RULE_ATTEMPTS = 5

_MISSING = {"404", "NoSuchBucket", "NoSuchKey", "NotFound", "ResourceNotFoundException", "NoSuchEntity"}
_FORBIDDEN = {"403", "AccessDenied", "AccessDeniedException", "AllAccessDisabled", "UnauthorizedOperation"}
_BAD_CREDENTIALS = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}

_NO_CREDENTIALS = "no usable AWS credentials: run `aws configure`, or set AWS_PROFILE or AWS_ACCESS_KEY_ID"


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn what boto3 raises while `doing` into a DeployError that says so."""
    try:
        yield
    except ClientError as error:
        raise DeployError(_sentence(doing, error)) from error
    except (boto_errors.NoCredentialsError, boto_errors.PartialCredentialsError) as error:
        raise DeployError(f"{_NO_CREDENTIALS} ({error})") from error
    except boto_errors.NoRegionError as error:
        raise DeployError("no AWS region: set AWS_DEFAULT_REGION, or run `aws configure`") from error
    except boto_errors.BotoCoreError as error:
        raise DeployError(f"cannot {doing}: {error}") from error


def _code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "")


def _sentence(doing: str, error: ClientError) -> str:
    code, message = _code(error), error.response.get("Error", {}).get("Message", "")
    if code in _BAD_CREDENTIALS:
        return f"AWS refused the credentials ({code}): log in again, or check AWS_PROFILE and your keys"
    if code in _FORBIDDEN:
        return (
            f"cannot {doing}: AWS forbids it to these credentials ({code}); it needs {error.operation_name}"
        )
    return f"cannot {doing}: {code}: {message}"


class Aws:
    """One account and region, as boto3's usual places (environment, profile) say."""

    def __init__(self, session: boto3.Session | None = None) -> None:
        session = session or boto3.Session()
        config = Config(retries={"mode": "standard", "max_attempts": 5}, connect_timeout=10, read_timeout=60)
        with translated("find out which AWS account to use"):
            if not session.region_name:
                raise boto_errors.NoRegionError
            self.region: str = session.region_name
            self._partition = session.get_partition_for_region(self.region)
            self._s3 = session.client("s3", config=config)
            self._lambda = session.client("lambda", config=config)
            self._iam = session.client("iam", config=config)
            self._logs = session.client("logs", config=config)
            self.account: str = session.client("sts", config=config).get_caller_identity()["Account"]

    # -------------------------------------------------------------- buckets

    def ensure_bucket(self, bucket: str, kms_key: str = "") -> bool:
        """True if the bucket was made now: private, encrypted, TLS only. One that exists is left alone.

        Encrypted means under `kms_key`, or without one by S3 itself.

        Raises DeployError if it belongs to somebody else, is forbidden or lies in another region.
        """
        with translated(f"look at the bucket {bucket}"):
            if self._bucket_exists(bucket):
                return False
        with translated(f"create the bucket {bucket}"):
            created = self._create_bucket(bucket)
        try:
            with translated(f"protect the bucket {bucket}"):
                self._protect_bucket(bucket, kms_key)
        except DeployError:
            if created:  # the next deployment would find it there and leave it as it is: open
                with suppress(ClientError, boto_errors.BotoCoreError):
                    self._s3.delete_bucket(Bucket=bucket)
            raise
        return True

    def _bucket_exists(self, bucket: str) -> bool:
        try:
            answer = self._s3.head_bucket(Bucket=bucket)
        except ClientError as error:
            if _code(error) in _MISSING:
                return False
            if _code(error) in _FORBIDDEN:
                raise DeployError(_not_yours(bucket)) from error
            if _code(error) in ("301", "PermanentRedirect"):
                raise DeployError(self._elsewhere(bucket, "another region")) from error
            raise
        region = answer.get("BucketRegion") or self.region
        if region != self.region:
            raise DeployError(self._elsewhere(bucket, region))
        return True

    def _elsewhere(self, bucket: str, region: str) -> str:
        return (
            f"the bucket {bucket} is in {region}, and this deployment goes to {self.region}: "
            "S3 starts functions of its own region only; set AWS_DEFAULT_REGION, or name another bucket"
        )

    def _create_bucket(self, bucket: str) -> bool:
        """False if another deployment of ours made it this very moment."""
        try:
            if self.region == "us-east-1":  # the only region that must not be named
                self._s3.create_bucket(Bucket=bucket)
            else:
                place = cast("BucketLocationConstraintType", self.region)
                self._s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": place})
        except ClientError as error:
            if _code(error) == "BucketAlreadyExists":
                raise DeployError(_not_yours(bucket)) from error
            if _code(error) != "BucketAlreadyOwnedByYou":
                raise
            return False
        return True

    def _protect_bucket(self, bucket: str, kms_key: str) -> None:
        self._s3.put_public_access_block(
            Bucket=bucket,
            PublicAccessBlockConfiguration={
                "BlockPublicAcls": True,
                "IgnorePublicAcls": True,
                "BlockPublicPolicy": True,
                "RestrictPublicBuckets": True,
            },
        )
        self._s3.put_bucket_encryption(
            Bucket=bucket,
            ServerSideEncryptionConfiguration={"Rules": [cast(Any, encryption(kms_key))]},
        )
        self._s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(tls_only(bucket, self._partition)))

    # -------------------------------------------------------------- notification rules

    def drop_rules(self, bucket: str, drop: Callable[[str], bool]) -> int:
        """Remove the bucket's rules whose function's ARN `drop` picks; the number of them."""
        with translated(f"read and write the event rules of the bucket {bucket}"):
            for _ in range(RULE_ATTEMPTS):
                before = self._rules(bucket)
                after = without_rules(before, drop)
                if after == before:
                    return 0
                self._write_rules(bucket, after)
                if not _picked(self._rules(bucket), drop):
                    return len(_picked(before, drop))
        raise DeployError(_contended(bucket))

    def drop_dead_rules(self, bucket: str) -> int:
        """Remove rules of Sluice functions that no longer exist: S3 refuses every later change for them."""
        with translated(f"look for stale event rules of the bucket {bucket}"):
            arns = {arn for arn in _arns(self._rules(bucket)) if sluice_function(arn)}
            dead = {arn for arn in arns if not self._function_exists(arn)}
        return self.drop_rules(bucket, lambda arn: arn in dead) if dead else 0

    def keep_first_rule(self, bucket: str, ours: Callable[[str], bool]) -> None:
        """Remove all but the first of the rules whose function's ARN `ours` picks: Chalice knows of one only."""
        with translated(f"read and write the event rules of the bucket {bucket}"):
            before = self._rules(bucket)
            if before != (after := with_first_rule(before, ours)):
                self._write_rules(bucket, after)

    def ensure_rule(self, function: str, *triggers: Trigger) -> None:
        """Check that the bucket has the function's rules, which are all of one bucket, and write those it lacks.

        Chalice writes the first alone, and another deployment may have lost it.

        S3 has one configuration per bucket and no way to write it conditionally: read, change, write,
        and read again.
        """
        bucket = triggers[0].bucket
        with translated(f"read and write the event rules of the bucket {bucket}"):
            arn = self._lambda.get_function_configuration(FunctionName=function)["FunctionArn"]
            for _ in range(RULE_ATTEMPTS):
                found = self._rules(bucket)
                if has_rule(found, arn, *triggers):
                    return
                self._write_rules(bucket, with_rule(found, arn, *triggers))
        raise DeployError(_contended(bucket))

    def _rules(self, bucket: str) -> Json:
        answer: Json = dict(self._s3.get_bucket_notification_configuration(Bucket=bucket))
        answer.pop("ResponseMetadata", None)
        return answer

    def _write_rules(self, bucket: str, config: Json) -> None:
        self._s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration=cast(Any, config)
        )

    def bucket_is_there(self, bucket: str) -> bool:
        with translated(f"look at the bucket {bucket}"):
            return self._bucket_exists(bucket)

    # -------------------------------------------------------------- lifecycle

    def set_lifecycle(self, bucket: str, job: str, ours: Iterable[Json]) -> None:
        """Replace the job's lifecycle rules; those of others stay."""
        with translated(f"set the lifecycle rules of the bucket {bucket}"):
            before = self._lifecycle(bucket)
            after = merged_lifecycle(before, job, ours)
            if after == before:
                return
            if after:
                self._s3.put_bucket_lifecycle_configuration(
                    Bucket=bucket, LifecycleConfiguration={"Rules": cast(Any, after)}
                )
            else:
                self._s3.delete_bucket_lifecycle(Bucket=bucket)

    def _lifecycle(self, bucket: str) -> list[Json]:
        try:
            answer = self._s3.get_bucket_lifecycle_configuration(Bucket=bucket)
        except ClientError as error:
            if _code(error) == "NoSuchLifecycleConfiguration":
                return []
            raise
        return [dict(rule) for rule in answer.get("Rules", [])]

    # -------------------------------------------------------------- functions

    def configure_function(self, name: str) -> None:
        """What Chalice has no setting for.

        Recursion is Sluice's way of working: without `Allow`, Lambda stops a chain of about 16
        invocations of one function. Endless loops are stopped by the hop count in our messages.
        """
        with translated(f"configure the function {name}"):
            self._lambda.put_function_recursion_config(FunctionName=name, RecursiveLoop="Allow")
            self._lambda.put_function_event_invoke_config(
                FunctionName=name,
                MaximumRetryAttempts=ASYNC_RETRIES,
                MaximumEventAgeInSeconds=ASYNC_MAX_AGE,
            )

    def _function_exists(self, name: str) -> bool:
        try:
            self._lambda.get_function_configuration(FunctionName=name)
        except ClientError as error:
            if _code(error) in _MISSING:
                return False
            raise
        return True

    def existing_functions(self, job: str) -> list[str]:
        with translated(f"look for the functions of {job}"):
            return [name for name in function_names(job) if self._function_exists(name)]

    def delete_leftovers(self, job: str) -> list[str]:
        """Delete the job's functions, roles and logs as far as they are still there; what was deleted."""
        steps: list[tuple[str, Callable[[str], None]]] = [
            ("function", lambda name: cast(None, self._lambda.delete_function(FunctionName=name))),
            ("role", self._delete_role),
            ("logs", lambda name: self._logs.delete_log_group(logGroupName=f"/aws/lambda/{name}")),
        ]
        deleted = []
        for kind, delete in steps:
            for name in function_names(job):
                with translated(f"delete the {kind} {name}"):
                    try:
                        delete(name)
                    except ClientError as error:
                        if _code(error) not in _MISSING:
                            raise
                    else:
                        deleted.append(f"{kind} {name}")
        return deleted

    def _delete_role(self, name: str) -> None:
        for policy in self._iam.list_role_policies(RoleName=name)["PolicyNames"]:
            self._iam.delete_role_policy(RoleName=name, PolicyName=policy)
        self._iam.delete_role(RoleName=name)


def encryption(kms_key: str) -> Json:
    """A bucket's default encryption. A bucket key saves a request to KMS for each object."""
    if not kms_key:
        return {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    return {
        "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": kms_key},
        "BucketKeyEnabled": True,
    }


def tls_only(bucket: str, partition: str = "aws") -> Json:
    """A bucket policy that refuses requests over plain HTTP; `partition` is `aws`, `aws-cn`, ...: S3 checks it."""
    bucket_arn = f"arn:{partition}:s3:::{bucket}"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "TlsOnly",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [bucket_arn, f"{bucket_arn}/*"],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ],
    }


def _arns(config: Json) -> list[str]:
    return [rule["LambdaFunctionArn"] for rule in config.get("LambdaFunctionConfigurations", [])]


def _picked(config: Json, drop: Callable[[str], bool]) -> list[str]:
    return [arn for arn in _arns(config) if drop(arn)]


def _not_yours(bucket: str) -> str:
    return (
        f"the bucket {bucket} belongs to somebody else, or these credentials may not use it: "
        "S3's bucket names are shared by all AWS customers; choose another in the job's YAML"
    )


def _contended(bucket: str) -> str:
    return f"another deployment keeps changing the event rules of {bucket}: deploy again when it is done"
