"""Chalice, but for how code gets to Lambda: it is taken from an object, since a request takes 50 MiB at most.

Chalice has no setting for that. Its clients get a handler that names the object in the place of the zip. `chalice_cli`
runs this in Chalice's own process, so it imports nothing of ours.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

_EVENTS = ("CreateFunction", "UpdateFunctionCode")


def main() -> int:
    """`BUCKET KEY` and then Chalice's own arguments. The key's last part begins with the zip's SHA-256."""
    bucket, key = sys.argv[1:3]
    del sys.argv[1:3]
    from chalice.cli import factory
    from chalice.cli import main as chalice

    make = factory.create_botocore_session

    def create_botocore_session(*args: Any, **options: Any) -> Any:
        session = make(*args, **options)
        take_code_from(session, bucket, key)
        return session

    factory.create_botocore_session = create_botocore_session
    return int(chalice() or 0)


def take_code_from(session: Any, bucket: str, key: str) -> None:
    """Let the session's clients of Lambda name the object where they are given the zip that lies there."""

    def named(params: Mapping[str, Any], **_: Any) -> dict[str, Any]:
        place = {"S3Bucket": bucket, "S3Key": key}
        zipped = params.get("ZipFile") or params["Code"]["ZipFile"]
        if hashlib.sha256(zipped).hexdigest() != PurePosixPath(key).stem:
            raise ValueError(f"Chalice ships another zip than lies at s3://{bucket}/{key}: deploy again")
        if "Code" in params:
            return {**params, "Code": place}
        return {**{name: value for name, value in params.items() if name != "ZipFile"}, **place}

    for operation in _EVENTS:
        session.register(f"provide-client-params.lambda.{operation}", named)
