"""Writes one S3 object in pieces: a single PUT if it is small, else a multipart upload beside its writer."""

from __future__ import annotations

import hashlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
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
    """Holds one part in memory, and beside it those under way: up to `abreast` of 8 MiB, or a single larger one.

    A part is uploaded, by a thread, as soon as a byte is written past it; whoever writes goes on meanwhile, and waits
    only when too much is under way. What a thread meets is raised by the next `write` or by `commit`, which is the
    only request that makes an object: a process that dies before leaves parts, and nothing that anybody reads.
    """

    def __init__(
        self, requests: S3Requests, loc: Loc, if_absent: bool, mark: str = "", *, abreast: int = 1
    ) -> None:
        self._requests, self._loc, self._if_absent, self._mark = requests, loc, if_absent, mark
        self._abreast = abreast
        self._buffer = bytearray()
        self._pool: ThreadPoolExecutor | None = None
        #: The upload's id, from the thread that begins it.
        self._upload: Future[str] | None = None
        #: Parts under way, in their order, with their sizes; those that have arrived are in `_parts`.
        self._under_way: deque[tuple[int, Future[CompletedPartTypeDef]]] = deque()
        self._parts: list[CompletedPartTypeDef] = []
        self._size = 0

    def write(self, data: bytes) -> None:
        self.check_open()
        self._buffer += data
        while len(self._buffer) > (size := part_size(len(self._parts) + len(self._under_way))):
            self._send(size)

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
        upload = self._ended()
        if upload is None:
            return
        try:
            self._requests.client.abort_multipart_upload(**self._target(), UploadId=upload)
        except (ClientError, BotoCoreError) as error:
            if code_and_status(error)[0] != "NoSuchUpload":
                raise translated(error, "AbortMultipartUpload", self._loc.url) from error

    def _target(self) -> dict[str, Any]:
        return {"Bucket": self._loc.bucket, "Key": self._loc.key}

    # -- the parts, beside whoever writes -------------------------------------------------------------------

    def _send(self, size: int) -> None:
        """Have the buffer's first `size` bytes uploaded, as soon as there is room for them."""
        while self._under_way and sum(held for held, _ in self._under_way) + size > self._abreast * PIECE:
            self._arrived()
        if self._pool is None:  # one thread more than parts, as the first waits for the upload to begin
            self._pool = ThreadPoolExecutor(self._abreast + 1, thread_name_prefix="s3-write")
        if self._upload is None:
            self._upload = self._pool.submit(self._begin)
        with memoryview(self._buffer) as view:  # only now: there is no copy while it waits
            part = bytes(view[:size])
        number = len(self._parts) + len(self._under_way) + 1
        self._under_way.append((size, self._pool.submit(self._put_part, self._upload, number, part)))
        del self._buffer[:size]

    def _arrived(self) -> None:
        """Wait for the oldest part. Raises what its upload met."""
        size, sent = self._under_way[0]
        self._parts.append(sent.result())
        self._size += size
        self._under_way.popleft()

    def _ended(self) -> str | None:
        """Wait until no thread asks S3 for anything; the upload's id, if it was begun.

        S3 keeps a part that arrives after its upload was aborted.
        """
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        self._under_way.clear()
        begun = self._upload
        if begun is None or begun.cancelled() or begun.exception() is not None:
            return None
        return begun.result()

    def _begin(self) -> str:
        # The algorithm must be the same in all three requests, or S3 refuses the parts.
        self._requests.count("put")
        try:
            begun = self._requests.client.create_multipart_upload(
                **self._target(), ChecksumAlgorithm="CRC32", **marked(self._mark)
            )
        except (ClientError, BotoCoreError) as error:
            raise translated(error, "CreateMultipartUpload", self._loc.url) from error
        return begun["UploadId"]

    def _put_part(self, upload: Future[str], number: int, part: bytes) -> CompletedPartTypeDef:
        begun = upload.result()
        self._requests.count("put")
        try:
            sent = self._requests.client.upload_part(
                **self._target(), UploadId=begun, PartNumber=number, Body=part, ChecksumAlgorithm="CRC32"
            )
        except (ClientError, BotoCoreError) as error:
            raise translated(error, "UploadPart", self._loc.url) from error
        done: CompletedPartTypeDef = {"PartNumber": number, "ETag": sent["ETag"]}
        if "ChecksumCRC32" in sent:  # some S3-compatible servers do not answer with it
            done["ChecksumCRC32"] = sent["ChecksumCRC32"]
        return done

    # -- all of them as one object --------------------------------------------------------------------------

    def _complete(self, begun: Future[str]) -> bool:
        if self._buffer:
            self._send(len(self._buffer))
        while self._under_way:
            self._arrived()
        upload = begun.result()
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
        self._ended()
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
