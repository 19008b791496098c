"""What AWS answers when it will not, in words that say where, what, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ProfileNotFound,
    ReadTimeoutError,
)

from ..core.errors import Forbidden, NotFound, PreconditionFailed, StoreError
from ..core.ports import Loc

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import ErrorTypeDef

#: S3's code for two writers of one key at one moment: neither was judged, ask again.
CONFLICT = "ConditionalRequestConflict"

#: What the caller needs to be allowed, by operation, where the names differ.
_PERMISSION = {
    "HeadObject": "s3:GetObject",
    "ListObjectsV2": "s3:ListBucket",
    "DeleteObjects": "s3:DeleteObject",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "Invoke": "lambda:InvokeFunction",
}

_CREDENTIALS = "check the AWS credentials in use (`aws sts get-caller-identity` shows them)"
_SLOWER = "it was repeated in vain: wait a while, or run less at once"
_REGION = "the bucket is in another region: set AWS_DEFAULT_REGION to it"

_HINTS = {
    "NoSuchBucket": "create the bucket, or correct its name in the job's YAML",
    "NoSuchKey": "check the key; it must be the exact name, not URL-encoded",
    "ResourceNotFoundException": "deploy the job to this account and region first",
    "InvalidAccessKeyId": _CREDENTIALS,
    "SignatureDoesNotMatch": _CREDENTIALS,
    "ExpiredToken": _CREDENTIALS,
    "InvalidToken": _CREDENTIALS,
    "RequestTimeTooSkewed": "set this machine's clock",
    "PermanentRedirect": _REGION,
    "AuthorizationHeaderMalformed": _REGION,
    "SlowDown": _SLOWER,
    "TooManyRequestsException": _SLOWER,
    CONFLICT: "another writer kept writing the same key: run it again",
    "InvalidObjectState": "the object is archived: restore it first",
}


def code_and_status(error: ClientError | BotoCoreError) -> tuple[str, int]:
    """AWS's error code (for a HEAD, which has no body, the status as text) and the HTTP status.

    ("", 0) when there was no answer at all.
    """
    if not isinstance(error, ClientError):
        return "", 0
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return error.response.get("Error", {}).get("Code", ""), status


def describe(error: ClientError | BotoCoreError, operation: str) -> str:
    """`GetObject: AccessDenied (403): the text of AWS; what to do`."""
    if not isinstance(error, ClientError):
        return f"{operation}: {error}; {_hint_without_answer(error)}"
    code, status = code_and_status(error)
    said = error.response.get("Error", {}).get("Message") or "no message"
    return f"{operation}: {code} ({status}): {said}; {_hint(code, status, operation)}"


def translated(error: ClientError | BotoCoreError, operation: str, url: str) -> StoreError:
    """The store's error for AWS's; raise it `from` the original."""
    kinds = {404: NotFound, 403: Forbidden, 412: PreconditionFailed}
    kind = kinds.get(code_and_status(error)[1], StoreError)
    return kind(f"{url}: {describe(error, operation)}")


def undeleted(bucket: str, failed: Sequence[ErrorTypeDef]) -> StoreError:
    """The error for the keys that a DeleteObjects, otherwise answered, did not delete."""
    first = failed[0]
    code = first.get("Code", "no code")
    kind = Forbidden if code == "AccessDenied" else StoreError
    hint = _hint(code, 403 if kind is Forbidden else 500, "DeleteObjects")
    more = f" ({len(failed) - 1} more were not deleted either)" if len(failed) > 1 else ""
    url = Loc(bucket, first.get("Key", "")).url
    return kind(f"{url}: DeleteObjects: {code}: {first.get('Message') or 'no message'}; {hint}{more}")


def _hint(code: str, status: int, operation: str) -> str:
    if code in _HINTS:
        return _HINTS[code]
    if status == 404:
        return "check that the bucket and the key exist; the key must be the exact name, not URL-encoded"
    if status == 403:
        permission = _PERMISSION.get(operation, f"s3:{operation}")
        missing = "; S3 says so of a missing object too when s3:ListBucket is not allowed"
        hint = f"allow {permission} to the role or user in use"
        return hint + missing if permission == "s3:GetObject" else hint
    if status == 412:
        return "the object was overwritten since it was first seen: leave inputs alone while a run reads them"
    if status >= 500:
        return _SLOWER
    return "see the AWS documentation of this code"


def _hint_without_answer(error: BotoCoreError) -> str:
    match error:
        case NoCredentialsError():
            return "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        case NoRegionError():
            return "set AWS_DEFAULT_REGION"
        case ProfileNotFound():
            return "correct AWS_PROFILE"
        case EndpointConnectionError() | ConnectTimeoutError() | ReadTimeoutError():
            return "check the network, and AWS_ENDPOINT_URL if it is set"
        case _:
            return "the request could not be made"
