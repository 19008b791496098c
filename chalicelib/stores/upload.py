"""Upload of a local file by boto3's managed transfer: in parts, several at once, if it is large."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import BotoCoreError, ClientError

from ..core.errors import StoreError, UserError
from ..core.ports import Loc
from .s3_errors import translated

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def upload_file(client: S3Client, path: Path, loc: Loc) -> None:
    """Write the file's bytes to `loc`, over what is there.

    Raises UserError if the file cannot be read, else the store's errors.
    """
    try:
        client.upload_file(str(path), loc.bucket, loc.key)
    except (ClientError, BotoCoreError) as error:
        raise translated(error, "PutObject", loc.url) from error
    except S3UploadFailedError as error:
        cause = error.__context__
        if isinstance(cause, ClientError | BotoCoreError):
            raise translated(cause, "PutObject", loc.url) from error
        raise StoreError(f"{loc.url}: the upload of {path} failed: {error}") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be uploaded to {loc.url}: {error.strerror or error}") from error
