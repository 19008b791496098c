"""Writes one S3 object in pieces: a single PUT if it is small, else a multipart upload."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from ..core.errors import NotFound
from ..core.ports import Loc
from .base import WriterBase
from .s3_errors import code_and_status, translated
from .s3_requests import S3Requests, marked

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

#: Bytes of one GET of a long stream, and of the first parts of a multipart upload.
PIECE = 8 << 20


def part_size(number: int) -> int:
    """Bytes of the part with this number (the first is 0).

    S3 takes 10 000 parts, of up to 5 GiB, for an object of up to 5 TiB. Doubling after every 1000
    parts reaches that, and keeps the first 8 GB, which is what there is in practice, at 8 MiB.
    """
    return PIECE << (number // 1000)


class S3Writer(WriterBase):
    """Holds one part in memory; a part is uploaded as soon as a byte is written past it."""

    def __init__(self, requests: S3Requests, loc: Loc, if_absent: bool, mark: str = "") -> None:
        self._requests, self._loc, self._if_absent, self._mark = requests, loc, if_absent, mark
        self._buffer = bytearray()
        self._parts: list[CompletedPartTypeDef] = []
        self._upload: str | None = None
        self._size = 0

    def write(self, data: bytes) -> None:
        self.check_open()
        self._buffer += data
        while len(self._buffer) > (size := part_size(len(self._parts))):
            with memoryview(self._buffer) as view:
                part = bytes(view[:size])
            self._send(part)
            del self._buffer[:size]

    def commit(self) -> bool:
        self.check_open()
        if self._upload is not None:
            return self._complete(self._upload)
        created = True
        if self._if_absent:
            created = self._requests.put_if_absent(self._loc, bytes(self._buffer), self._mark)
        else:
            self._requests.put(self._loc, bytes(self._buffer), self._mark)
        self.closed = True
        return created

    def abort(self) -> None:
        """Remove the parts uploaded so far. Where that fails, the bucket's lifecycle rule will."""
        if self.closed:
            return
        self.closed = True
        self._buffer.clear()
        if self._upload is None:
            return
        try:
            self._requests.client.abort_multipart_upload(**self._target(), UploadId=self._upload)
        except (ClientError, BotoCoreError) as error:
            if code_and_status(error)[0] != "NoSuchUpload":
                raise translated(error, "AbortMultipartUpload", self._loc.url) from error

    def _target(self) -> dict[str, Any]:
        return {"Bucket": self._loc.bucket, "Key": self._loc.key}

    def _send(self, part: bytes) -> None:
        client, number = self._requests.client, len(self._parts) + 1
        operation = "CreateMultipartUpload"
        try:
            # The algorithm must be the same in all three requests, or S3 refuses the parts.
            if self._upload is None:
                self._requests.count("put")
                begun = client.create_multipart_upload(
                    **self._target(), ChecksumAlgorithm="CRC32", **marked(self._mark)
                )
                self._upload = begun["UploadId"]
            operation = "UploadPart"
            self._requests.count("put")
            sent = client.upload_part(
                **self._target(),
                UploadId=self._upload,
                PartNumber=number,
                Body=part,
                ChecksumAlgorithm="CRC32",
            )
        except (ClientError, BotoCoreError) as error:
            raise translated(error, operation, self._loc.url) from error
        done: CompletedPartTypeDef = {"PartNumber": number, "ETag": sent["ETag"]}
        if "ChecksumCRC32" in sent:  # some S3-compatible servers do not answer with it
            done["ChecksumCRC32"] = sent["ChecksumCRC32"]
        self._parts.append(done)
        self._size += len(part)

    def _complete(self, upload: str) -> bool:
        if self._buffer:
            self._send(bytes(self._buffer))
            self._buffer.clear()
        condition: dict[str, Any] = {"IfNoneMatch": "*"} if self._if_absent else {}
        try:
            self._requests.unless_conflict(
                lambda: self._requests.client.complete_multipart_upload(
                    **self._target(), UploadId=upload, MultipartUpload={"Parts": self._parts}, **condition
                )
            )
        except (ClientError, BotoCoreError) as error:
            code, status = code_and_status(error)
            # Both also answer a repeat of our own success, whose answer was lost.
            ours = (status == 412 or code == "NoSuchUpload") and self._is_there()
            if ours or status == 412:
                self.abort()  # the parts are still there if it was another's, of the same bytes
                return ours
            raise translated(error, "CompleteMultipartUpload", self._loc.url) from error
        self.closed = True
        return True

    def _is_there(self) -> bool:
        """Whether the object under our key is of our size and parts."""
        try:
            found = self._requests.head(self._loc)
        except NotFound:
            return False
        return found.size == self._size and found.etag == self._etag()

    def _etag(self) -> str | None:
        """The etag S3 gives to an object of these parts; None where the parts' are no MD5 sums (KMS)."""
        try:
            sums = b"".join(bytes.fromhex(part["ETag"].strip('"')) for part in self._parts)
        except ValueError:
            return None
        return f"{hashlib.md5(sums, usedforsecurity=False).hexdigest()}-{len(self._parts)}"
