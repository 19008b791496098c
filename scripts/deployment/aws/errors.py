"""boto3's errors become a `DeployError` of one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore import exceptions as boto_errors
from botocore.exceptions import ClientError

from ..target import DeployError

MISSING = {"404", "NoSuchBucket", "NoSuchKey", "NotFound", "ResourceNotFoundException", "NoSuchEntity"}
FORBIDDEN = {"403", "AccessDenied", "AccessDeniedException", "AllAccessDisabled", "UnauthorizedOperation"}
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
    except boto_errors.ProfileNotFound as error:
        raise DeployError(f"{error}: correct --profile or AWS_PROFILE, or run `aws configure`") from error
    except boto_errors.BotoCoreError as error:
        raise DeployError(f"cannot {doing}: {error}") from error


def error_code(error: ClientError) -> str:
    """S3's and Lambda's name for the error; "" if there is none."""
    return error.response.get("Error", {}).get("Code", "")


def _sentence(doing: str, error: ClientError) -> str:
    code, message = error_code(error), error.response.get("Error", {}).get("Message", "")
    if code in _BAD_CREDENTIALS:
        return f"AWS refused the credentials ({code}): log in again, or check AWS_PROFILE and your keys"
    if code in FORBIDDEN:
        return (
            f"cannot {doing}: AWS forbids it to these credentials ({code}); it needs {error.operation_name}"
        )
    return f"cannot {doing}: {code}: {message}"
