"""Multipart uploads to S3 that were begun and never completed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from ..core.ports import Loc
from .s3_errors import code_and_status, translated
from .unfinished import Unfinished

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class S3Uploads:
    """Multipart uploads, whose parts S3 keeps (and charges for) until they are completed or aborted."""

    def __init__(self, client: S3Client) -> None:
        self._client = client

    def list(self, prefix: Loc) -> Iterator[Unfinished]:
        pages = self._client.get_paginator("list_multipart_uploads")
        try:
            for page in pages.paginate(Bucket=prefix.bucket, Prefix=prefix.key):
                for row in page.get("Uploads", ()):
                    loc = Loc(prefix.bucket, row["Key"])
                    yield Unfinished(loc, row["UploadId"], row["Initiated"].timestamp())
        except (ClientError, BotoCoreError) as error:
            raise translated(error, "ListMultipartUploads", prefix.url) from error

    def abort(self, upload: Unfinished) -> None:
        try:
            self._client.abort_multipart_upload(
                Bucket=upload.loc.bucket, Key=upload.loc.key, UploadId=upload.token
            )
        except (ClientError, BotoCoreError) as error:
            if code_and_status(error)[0] != "NoSuchUpload":
                raise translated(error, "AbortMultipartUpload", upload.loc.url) from error
